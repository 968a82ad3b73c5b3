#include "values.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "err.h"
#include "id.h"

#define MIB (1024ull * 1024)

static scp_status read_all(scp__buf *b, int fd, const char *what, scp_error *err)
{
	char chunk[65536];
	ssize_t n;

	while ((n = read(fd, chunk, sizeof(chunk))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return scp__fail_errno(err, errno, "%s", what);
		if (scp__buf_append(b, chunk, (size_t)n))
			return scp__fail(err, b->status, "%s: more than %u bytes", what, INPUT_MAX);
	}
	return SCP_OK;
}

scp_status input_read(struct input *in, const char *path, const char *what, scp_error *err)
{
	int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
	scp_status rc;
	scp__buf b;

	if (fd < 0)
		return scp__fail_errno(err, errno, "%s '%s'", what, path);
	scp__buf_init(&b, INPUT_MAX);
	rc = read_all(&b, fd, what, err);
	if (fd != STDIN_FILENO)
		(void)close(fd);
	in->len = b.len;
	in->data = rc ? NULL : scp__buf_detach(&b);
	if (!rc && !in->data)
		rc = scp__nomem(err);
	scp__buf_free(&b);
	return rc;
}

scp_status env_pairs(scp_pair *pairs, char **storage, const struct list *env, scp_error *err)
{
	size_t size = 1;
	char *p;

	for (size_t i = 0; i < env->count; i++)
		size += strlen(env->item[i]) + 1;
	p = *storage = malloc(size);
	if (!p)
		return scp__nomem(err);
	for (size_t i = 0; i < env->count; i++) {
		char *equals;

		p = memcpy(p, env->item[i], strlen(env->item[i]) + 1);
		equals = strchr(p, '=');
		if (!equals)
			return scp__fail(err, SCP_EINVAL, "--env: '%s' is not NAME=VALUE", p);
		*equals = '\0';
		pairs[i] = (scp_pair){ p, equals + 1 };
		p = equals + 1 + strlen(equals + 1) + 1;
	}
	return SCP_OK;
}

static scp_status size_of(uint64_t *out, const char *option, const char *text, scp_error *err)
{
	char *end = NULL;
	unsigned long long n = 0;

	if (!text)
		return SCP_OK;
	errno = 0;
	if (isdigit((unsigned char)text[0]))
		n = strtoull(text, &end, 10);
	if (end && !errno && n && n < 1ull << 30) {
		if (!strcmp(end, "Mi"))
			*out = n * MIB;
		else if (!strcmp(end, "Gi"))
			*out = n * 1024 * MIB;
	}
	return *out ? SCP_OK : scp__fail(err, SCP_EINVAL, "--%s: '%s' is no size such as 512Mi or 2Gi", option, text);
}

static scp_status cpu_of(uint32_t *out, const char *text, scp_error *err)
{
	char *end = NULL;
	double cores = 0;

	if (!text)
		return SCP_OK;
	if (isdigit((unsigned char)text[0]))
		cores = strtod(text, &end);
	if (!end || *end || !(cores > 0.0005) || cores > 1000)
		return scp__fail(err, SCP_EINVAL, "--cpu: '%s' is no number of cores such as 0.5 or 2", text);
	*out = (uint32_t)(cores * 1000 + 0.5);
	return SCP_OK;
}

scp_status resources_of(scp_resources *out, bool *given, const struct args *a, scp_error *err)
{
	scp_status rc = cpu_of(&out->cpu_millis, a->cpu, err);

	if (!rc)
		rc = size_of(&out->memory_bytes, "memory", a->memory, err);
	if (!rc)
		rc = size_of(&out->disk_bytes, "disk", a->disk, err);
	if (a->processes != ARGS_UNSET)
		out->max_processes = a->processes;
	*given = a->cpu || a->memory || a->disk || a->processes != ARGS_UNSET;
	return rc;
}

/* clang-format off */
static const struct { scp_language language; const char *template_id; const char *names; } languages[] = {
	{ SCP_PYTHON, "python-basic", "python,python3,py" },
	{ SCP_JAVASCRIPT, "nodejs-basic", "javascript,js,mjs,cjs,node,nodejs" },
	{ SCP_SHELL, "shell-basic", "shell,sh,bash,dash" },
};
/* clang-format on */
#define LANGUAGE_COUNT (sizeof(languages) / sizeof(languages[0]))

static bool by_name(scp_language *out, const char *name)
{
	for (size_t i = 0; i < LANGUAGE_COUNT; i++)
		if (*name && name_in(languages[i].names, name)) {
			*out = languages[i].language;
			return true;
		}
	return false;
}

/* "#!/usr/bin/env python3 -u" → "python3"; versions as in python3.11 are cut off. */
static bool by_first_line(scp_language *out, const struct input *code)
{
	char line[128], *save = NULL, *program, *base;

	if (code->len < 3 || memcmp(code->data, "#!", 2))
		return false;
	(void)snprintf(line, sizeof(line), "%.*s", (int)strcspn(code->data, "\n"), code->data);
	program = strtok_r(line + 2, " \t", &save);
	if (program && strlen(program) >= 4 && !strcmp(program + strlen(program) - 4, "/env"))
		program = strtok_r(NULL, " \t", &save);
	if (!program)
		return false;
	base = strrchr(program, '/') ? strrchr(program, '/') + 1 : program;
	base[strcspn(base, ".")] = '\0';
	return by_name(out, base);
}

scp_status language_of(
    scp_language *out, const char *option, const char *name, const struct input *code, scp_error *err)
{
	const char *dot = name ? strrchr(name, '.') : NULL;

	if (option && by_name(out, option))
		return SCP_OK;
	if (option)
		return scp__fail(err, SCP_EINVAL, "--language: '%s' is none of python, javascript, shell", option);
	if ((dot && by_name(out, dot + 1)) || by_first_line(out, code))
		return SCP_OK;
	scp__fail(err, SCP_EINVAL, "neither its name nor a #! line says in which language the code is");
	scp__hint(err, "add --language python, javascript or shell");
	return SCP_EINVAL;
}

const char *template_for(scp_language language)
{
	for (size_t i = 0; i < LANGUAGE_COUNT; i++)
		if (languages[i].language == language)
			return languages[i].template_id;
	return "shell-basic";
}

const char *remote_path(const char *word, char id[64])
{
	const char *colon = strchr(word, ':');

	if (!colon || colon - word >= 64)
		return NULL;
	memcpy(id, word, (size_t)(colon - word));
	id[colon - word] = '\0';
	return scp__id_is_session(id) ? colon + 1 : NULL;
}
