#include "daemon_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "err.h"
#include "json.h"

#define LINE_MAX_BYTES 16384

struct daemon_log {
	char *path;
	int fd; /* never changes: a reopened file takes its place */
	bool text;
};

static const char *level_name(scp_log_level level)
{
	static const char *const names[] = { "info", "debug", "info", "warn", "error" };

	return (unsigned)level < sizeof(names) / sizeof(*names) ? names[level] : "info";
}

static scp_status open_file(const struct daemon_log *log, int *fd, scp_error *err)
{
	*fd = log->path ? open(log->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640)
			: fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	if (*fd < 0)
		return scp__fail(
		    err, SCP_EINVAL, "--log-file: %s: %s", log->path ? log->path : "standard error", strerror(errno));
	return SCP_OK;
}

scp_status daemon_log_open(struct daemon_log **out, const char *path, const char *format, scp_error *err)
{
	struct daemon_log *log = calloc(1, sizeof(*log));
	scp_status rc;

	*out = NULL;
	if (!log)
		return scp__nomem(err);
	log->fd = -1;
	log->path = path ? strdup(path) : NULL;
	rc = path && !log->path ? scp__nomem(err) : open_file(log, &log->fd, err);
	if (rc) {
		daemon_log_free(log);
		return rc;
	}
	log->text = strcmp(format, "text") == 0 || (strcmp(format, "auto") == 0 && isatty(log->fd));
	*out = log;
	return SCP_OK;
}

scp_status daemon_log_reopen(struct daemon_log *log, scp_error *err)
{
	int fd;
	scp_status rc = log->path ? open_file(log, &fd, err) : SCP_OK;

	if (rc || !log->path)
		return rc;
	if (dup3(fd, log->fd, O_CLOEXEC) < 0)
		rc = scp__fail_errno(err, errno, "reopen %s", log->path);
	(void)close(fd);
	return rc;
}

/* The few fields that are figures: written as such, where they are. */
static bool is_figure(const scp_pair *f)
{
	size_t len = strlen(f->name);

	if (strcmp(f->name, "status") != 0 && (len < 3 || strcmp(f->name + len - 3, "_ms") != 0))
		return false;
	len = strlen(f->value);
	return len && len < 20 && strspn(f->value, "0123456789.") == len && f->value[len - 1] != '.' &&
	       f->value[0] != '.' && (f->value[0] != '0' || len == 1 || f->value[1] == '.');
}

static void optional(scp__json_writer *w, const char *key, const char *value)
{
	if (value)
		scp__jw_bytes(w, key, value, strlen(value), NULL);
}

static void write_json(scp__buf *out, const scp_log_record *r)
{
	scp__json_writer w;

	scp__jw_init(&w, out);
	scp__jw_object(&w, NULL);
	scp__jw_time(&w, "time", r->time_us);
	scp__jw_string(&w, "level", level_name(r->level));
	optional(&w, "component", r->component);
	optional(&w, "message", r->message);
	optional(&w, "request_id", r->request_id);
	optional(&w, "session_id", r->session_id);
	optional(&w, "execution_id", r->execution_id);
	optional(&w, "container_id", r->container_id);
	for (size_t i = 0; i < r->field_count; i++) {
		if (is_figure(&r->fields[i]))
			scp__jw_raw(&w, r->fields[i].name, r->fields[i].value, strlen(r->fields[i].value));
		else
			optional(&w, r->fields[i].name, r->fields[i].value);
	}
	scp__jw_end_object(&w);
}

/* Terminals obey control characters: none gets through. */
static void add_clean(scp__buf *out, const char *text)
{
	for (; *text; text++) {
		char c = (unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text;

		(void)scp__buf_append(out, &c, 1);
	}
}

static void add_named(scp__buf *out, const char *name, const char *value)
{
	if (!value)
		return;
	(void)scp__buf_printf(out, " %s=", name);
	add_clean(out, value);
}

static void write_text(scp__buf *out, const scp_log_record *r)
{
	char time[SCP__TIME_SIZE];

	(void)scp__buf_printf(out, "%s %-5s %s: ", scp__time_format(time, r->time_us), level_name(r->level),
	    r->component ? r->component : "-");
	add_clean(out, r->message ? r->message : "");
	for (size_t i = 0; i < r->field_count; i++)
		add_named(out, r->fields[i].name, r->fields[i].value);
	add_named(out, "request_id", r->request_id);
	add_named(out, "session_id", r->session_id);
	add_named(out, "execution_id", r->execution_id);
	add_named(out, "container_id", r->container_id);
}

void daemon_log_write(const scp_log_record *record, void *user)
{
	const struct daemon_log *log = user;
	scp__buf line;

	scp__buf_init(&line, LINE_MAX_BYTES);
	if (log->text)
		write_text(&line, record);
	else
		write_json(&line, record);
	(void)scp__buf_append(&line, "\n", 1);
	/* one write a line: those of several threads don't mix. Where it fails there is nobody left to tell. */
	if (!line.status && write(log->fd, line.data, line.len) < 0)
		line.status = SCP_EINTERNAL;
	scp__buf_free(&line);
}

void daemon_log_free(struct daemon_log *log)
{
	if (!log)
		return;
	if (log->fd >= 0)
		(void)close(log->fd);
	free(log->path);
	free(log);
}
