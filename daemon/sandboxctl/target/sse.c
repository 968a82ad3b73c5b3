#include "sse.h"

#include <stdio.h>
#include <string.h>

#include "err.h"

void sse_init(struct sse *s, sse_event_fn *fn, void *user)
{
	*s = (struct sse){ .fn = fn, .user = user };
	scp__buf_init(&s->line, SSE_LINE_MAX);
	scp__buf_init(&s->data, SSE_LINE_MAX);
}

void sse_free(struct sse *s)
{
	scp__buf_free(&s->line);
	scp__buf_free(&s->data);
}

void sse_restart(struct sse *s)
{
	scp__buf_clear(&s->line);
	scp__buf_clear(&s->data);
	s->name[0] = '\0';
}

static scp_status dispatch(struct sse *s, scp_error *err)
{
	struct sse_event event = { s->name[0] ? s->name : "message", s->id, s->data.data, s->data.len };
	scp_status rc = SCP_OK;

	if (s->data.len) {
		event.data[--event.len] = '\0'; /* the line feed behind the last data line */
		rc = s->fn(s->user, &event, err);
	}
	scp__buf_clear(&s->data);
	s->name[0] = '\0';
	return rc;
}

static bool field_is(const char *line, size_t len, const char *name)
{
	return strlen(name) == len && !memcmp(line, name, len);
}

static scp_status take_line(struct sse *s, scp_error *err)
{
	const char *line = s->line.data, *colon, *value;
	size_t len = s->line.len, name_len;

	if (!len)
		return dispatch(s, err);
	colon = memchr(line, ':', len);
	name_len = colon ? (size_t)(colon - line) : len;
	value = line + name_len + (colon ? 1 : 0);
	if (*value == ' ')
		value++;
	if (field_is(line, name_len, "event"))
		(void)snprintf(s->name, sizeof(s->name), "%s", value);
	else if (field_is(line, name_len, "id"))
		(void)snprintf(s->id, sizeof(s->id), "%s", value);
	else if (field_is(line, name_len, "data")) {
		(void)scp__buf_append(&s->data, value, (size_t)(line + len - value));
		(void)scp__buf_puts(&s->data, "\n");
	}
	return s->data.status ? scp__fail(err, s->data.status, "an event is too long") : SCP_OK;
}

scp_status sse_feed(struct sse *s, const char *bytes, size_t len, scp_error *err)
{
	scp_status rc = SCP_OK;

	while (!rc && len) {
		const char *end = memchr(bytes, '\n', len);
		size_t take = end ? (size_t)(end - bytes) : len;

		if (scp__buf_append(&s->line, bytes, take))
			return scp__fail(err, s->line.status, "a line of the event stream is too long");
		bytes += take;
		len -= take;
		if (!end)
			break;
		bytes++;
		len--;
		if (s->line.len && s->line.data[s->line.len - 1] == '\r')
			s->line.data[--s->line.len] = '\0';
		rc = take_line(s, err);
		scp__buf_clear(&s->line);
	}
	return rc;
}
