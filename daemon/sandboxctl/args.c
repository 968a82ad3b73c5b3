#include "args.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"

#define AT(member) offsetof(struct args, member)

/* clang-format off */
static const struct option_row options[] = {
	{ "server", 's', OPTION_TEXT, "URL", "where sandboxd listens: http://HOST:PORT or unix:/PATH", AT(server), 0, 0 },
	{ "token-file", 0, OPTION_TEXT, "FILE", "file with the API token (else $SANDBOXD_API_TOKEN)", AT(token_file), 0, 0 },
	{ "json", 'j', OPTION_FLAG, NULL, "print JSON, as the REST API answers it", AT(json), 0, 0 },
	{ "embedded", 'e', OPTION_FLAG, NULL, "no daemon: open a control plane in this process", AT(embedded), 0, 0 },
	{ "state-dir", 0, OPTION_TEXT, "DIR", "state folder of --embedded and doctor", AT(state_dir), 0, 0 },
	{ "runtime", 0, OPTION_TEXT, "URL", "runtime of --embedded and doctor: oci:, oci:runc, oci:crun", AT(runtime), 0, 0 },
	{ "allow-unenforced", 0, OPTION_TEXT, "LIST", "limits that --embedded and doctor do without: disk,memory,cpu,processes,network", AT(allow_unenforced), 0, 0 },
	{ "help", 'h', OPTION_FLAG, NULL, "print help", AT(help), 0, 0 },
	{ "version", 'V', OPTION_FLAG, NULL, "print the version", AT(version), 0, 0 },
	{ "template", 't', OPTION_TEXT, "ID", "template of the session (run: chosen by the language)", AT(template_id), 0, 0 },
	{ "language", 'l', OPTION_TEXT, "NAME", "python, javascript or shell (default: by extension or #! line)", AT(language), 0, 0 },
	{ "code", 'c', OPTION_TEXT, "CODE", "run this text instead of a file", AT(code), 0, 0 },
	{ "timeout", 'T', OPTION_NUMBER, "S", "seconds that the code, or a session being created, may take", AT(timeout_s), 1, 3600 },
	{ "event", 0, OPTION_TEXT, "JSON", "what handler(event) gets; @FILE reads it from a file", AT(event), 0, 0 },
	{ "stdin", 'i', OPTION_TEXT, "FILE", "what the code reads on its standard input; - is this one's", AT(stdin_file), 0, 0 },
	{ "env", 'E', OPTION_LIST, "NAME=VALUE", "environment variable; may be repeated", AT(env), 0, 0 },
	{ "retries", 0, OPTION_NUMBER, "N", "how often to run again after a crash of the sandbox (0-3)", AT(retries), 0, 3 },
	{ "key", 0, OPTION_TEXT, "KEY", "idempotency key: the same key makes nothing twice", AT(key), 0, 0 },
	{ "detach", 'd', OPTION_FLAG, NULL, "print the execution's id and don't wait for it", AT(detach), 0, 0 },
	{ "keep", 'k', OPTION_FLAG, NULL, "leave the session running and print its id on stderr", AT(keep), 0, 0 },
	{ "cpu", 0, OPTION_TEXT, "CORES", "0.5 to 4 cores", AT(cpu), 0, 0 },
	{ "memory", 'm', OPTION_TEXT, "SIZE", "256Mi to 8Gi of memory", AT(memory), 0, 0 },
	{ "disk", 0, OPTION_TEXT, "SIZE", "1Gi to 50Gi of workspace", AT(disk), 0, 0 },
	{ "processes", 0, OPTION_NUMBER, "N", "32 to 1024 processes", AT(processes), 0, 1000000 },
	{ "ephemeral", 0, OPTION_FLAG, NULL, "the session ends after its first execution", AT(ephemeral), 0, 0 },
	{ "network", 0, OPTION_FLAG, NULL, "with a network, where the runtime has one to give", AT(network), 0, 0 },
	{ "agent-id", 0, OPTION_TEXT, "ID", "affinity key", AT(agent_id), 0, 0 },
	{ "wait", 'w', OPTION_NUMBER, "S", "wait so long for the session to run (0-60)", AT(wait_s), 0, 60 },
	{ "extend", 0, OPTION_NUMBER, "S", "seconds from now until the session expires", AT(extend_s), 60, 3600 },
	{ "status", 0, OPTION_TEXT, "NAME", "only those in this state", AT(status), 0, 0 },
	{ "all", 'a', OPTION_FLAG, NULL, "also what is over", AT(all), 0, 0 },
	{ "limit", 'n', OPTION_NUMBER, "N", "at most so many (1-200, default 50)", AT(limit), 1, 200 },
	{ "offset", 0, OPTION_NUMBER, "N", "leave out so many of the newest", AT(offset), 0, 1000000000 },
};
/* clang-format on */
#define OPTION_COUNT (sizeof(options) / sizeof(options[0]))

const struct option_row *option_at(size_t index)
{
	return index < OPTION_COUNT ? &options[index] : NULL;
}

const struct option_row *option_named(const char *name, size_t len)
{
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (strlen(options[i].name) == len && !memcmp(options[i].name, name, len))
			return &options[i];
	return NULL;
}

static const struct option_row *option_lettered(char letter)
{
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (options[i].letter && options[i].letter == letter)
			return &options[i];
	return NULL;
}

void args_init(struct args *a)
{
	*a = (struct args){ .timeout_s = ARGS_UNSET, .wait_s = ARGS_UNSET, .retries = ARGS_UNSET };
	a->processes = a->extend_s = a->limit = a->offset = ARGS_UNSET;
}

static void *member(const struct args *a, const struct option_row *row)
{
	return (char *)(uintptr_t)a + row->offset;
}

static scp_status set_number(uint32_t *out, const struct option_row *row, const char *text, scp_error *err)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || end == text || *end || text[0] < '0' || text[0] > '9' || value < row->min || value > row->max)
		return scp__fail(
		    err, SCP_EINVAL, "--%s: '%s' is not a number from %u to %u", row->name, text, row->min, row->max);
	*out = (uint32_t)value;
	return SCP_OK;
}

static scp_status list_add(struct list *l, const char *what, const char *text, scp_error *err)
{
	if (l->count == ARGS_LIST_MAX)
		return scp__fail(err, SCP_EINVAL, "%s: more than %d of them", what, ARGS_LIST_MAX);
	l->item[l->count++] = text;
	return SCP_OK;
}

static scp_status set_option(struct args *a, const struct option_row *row, const char *value, scp_error *err)
{
	switch (row->kind) {
	case OPTION_FLAG:
		*(bool *)member(a, row) = true;
		return SCP_OK;
	case OPTION_TEXT:
		*(const char **)member(a, row) = value;
		return SCP_OK;
	case OPTION_LIST:
		return list_add(member(a, row), row->name, value, err);
	case OPTION_NUMBER:
		return set_number(member(a, row), row, value, err);
	}
	return SCP_EINTERNAL;
}

struct cursor {
	int argc, at;
	char *const *argv;
};

/* `attached` is what followed "=" or the letter; NULL: nothing did, the next word is the value. */
static scp_status take(
    struct args *a, struct cursor *c, const struct option_row *row, const char *attached, scp_error *err)
{
	if (row->kind == OPTION_FLAG && attached)
		return scp__fail(err, SCP_EINVAL, "--%s takes no value", row->name);
	if (row->kind != OPTION_FLAG && !attached) {
		if (c->at == c->argc)
			return scp__fail(err, SCP_EINVAL, "--%s wants a value: %s", row->name, row->value);
		attached = c->argv[c->at++];
	}
	return set_option(a, row, attached, err);
}

static scp_status take_long(struct args *a, struct cursor *c, const char *word, scp_error *err)
{
	const char *equals = strchr(word, '=');
	const struct option_row *row = option_named(word, equals ? (size_t)(equals - word) : strlen(word));

	if (!row)
		return scp__fail(err, SCP_EINVAL, "there is no option --%s", word);
	return take(a, c, row, equals ? equals + 1 : NULL, err);
}

/* -c CODE, -cCODE, -jk */
static scp_status take_letters(struct args *a, struct cursor *c, const char *letters, scp_error *err)
{
	scp_status rc = SCP_OK;

	for (; !rc && *letters; letters++) {
		const struct option_row *row = option_lettered(*letters);

		if (!row)
			return scp__fail(err, SCP_EINVAL, "there is no option -%c", *letters);
		if (row->kind != OPTION_FLAG)
			return take(a, c, row, letters[1] ? letters + 1 : NULL, err);
		rc = take(a, c, row, NULL, err);
	}
	return rc;
}

scp_status args_parse(struct args *a, int argc, char *const argv[], scp_error *err)
{
	struct cursor c = { argc, 1, argv };
	bool words_only = false;
	scp_status rc = SCP_OK;

	while (!rc && c.at < argc) {
		const char *word = argv[c.at++];

		if (words_only || word[0] != '-' || !word[1])
			rc = list_add(&a->words, "words", word, err);
		else if (!strcmp(word, "--"))
			words_only = true;
		else if (word[1] == '-')
			rc = take_long(a, &c, word + 2, err);
		else
			rc = take_letters(a, &c, word + 1, err);
	}
	return rc;
}

bool name_in(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = list; p && *p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
		if (!strncmp(p, name, len) && (!p[len] || p[len] == ','))
			return true;
	return false;
}

static bool given(const struct args *a, const struct option_row *row)
{
	const void *value = member(a, row);

	switch (row->kind) {
	case OPTION_FLAG:
		return *(const bool *)value;
	case OPTION_TEXT:
		return *(const char *const *)value;
	case OPTION_LIST:
		return ((const struct list *)value)->count > 0;
	case OPTION_NUMBER:
		return *(const uint32_t *)value != ARGS_UNSET;
	}
	return false;
}

scp_status args_only(const struct args *a, const char *allowed, const char *also, scp_error *err)
{
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (given(a, &options[i]) && !name_in(allowed, options[i].name) && !name_in(also, options[i].name))
			return scp__fail(err, SCP_EINVAL, "this command has no option --%s", options[i].name);
	return SCP_OK;
}
