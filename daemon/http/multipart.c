/* multipart/form-data: the boundary's search, and the states between two parts. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/types.h>

#include "multipart.h"
#include "multipart_head.h"

#define BOUNDARY_MAX 70
#define HEAD_MAX 8192u

enum state { PREAMBLE, DATA, AFTER, AFTER_DASH, PADDING, HEAD_LF, HEAD, EPILOGUE, FAILED };

struct multipart {
	multipart_handler handler;
	void *user;
	const char *error;
	unsigned parts_left;
	enum state state;
	size_t matched; /* bytes of the delimiter seen so far */
	size_t delimiter_len;
	char delimiter[BOUNDARY_MAX + 5]; /* CR LF - - boundary */
	size_t head_len;
	char head[HEAD_MAX];
};

static int fail(multipart *m, const char *why)
{
	m->error = why;
	m->state = FAILED;
	return -1;
}

static bool is_boundary_char(unsigned char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c && strchr("'()+_,-./:=? ", c));
}

/* The boundary parameter of a Content-Type; its length, or 0. */
static size_t find_boundary(const char *content_type, char out[BOUNDARY_MAX + 1])
{
	char value[BOUNDARY_MAX + 2];
	size_t len;

	if (multipart__param(content_type, "boundary", value, sizeof(value)) != 1)
		return 0;
	len = strlen(value);
	if (len > BOUNDARY_MAX || !len || value[len - 1] == ' ')
		return 0;
	for (size_t i = 0; i < len; i++)
		if (!is_boundary_char((unsigned char)value[i]))
			return 0;
	memcpy(out, value, len + 1);
	return len;
}

static bool is_form_data(const char *content_type)
{
	static const char type[] = "multipart/form-data";
	size_t len = sizeof(type) - 1;

	return strncasecmp(content_type, type, len) == 0 && strchr("; \t", content_type[len]);
}

multipart *multipart_new(
    const char *content_type, unsigned max_parts, const multipart_handler *handler, void *user, const char **why)
{
	const char *dummy;
	char boundary[BOUNDARY_MAX + 1];
	size_t len = 0;
	multipart *m;

	why = why ? why : &dummy;
	*why = "no memory";
	if (!content_type || !is_form_data(content_type)) {
		*why = "Content-Type is not multipart/form-data";
		return NULL;
	}
	len = find_boundary(content_type, boundary);
	if (!len) {
		*why = "Content-Type has no good boundary";
		return NULL;
	}
	m = calloc(1, sizeof(*m));
	if (!m)
		return NULL;
	m->handler = *handler;
	m->user = user;
	m->parts_left = max_parts ? max_parts : 16;
	memcpy(m->delimiter, "\r\n--", 4);
	memcpy(m->delimiter + 4, boundary, len);
	m->delimiter_len = len + 4;
	m->matched = 2; /* the first one needs no line end before it */
	return m;
}

static int give(multipart *m, const char *data, size_t len)
{
	if (m->state != DATA || !len)
		return 0;
	if (m->handler.on_data(m->user, data, len)) {
		m->state = FAILED;
		return -1;
	}
	return 0;
}

/*
 * Data up to the next delimiter. CR stands in it at its start alone, so after a mismatch the search goes on with the
 * very same byte, and what had matched was data. Returns how many bytes were taken, or -1.
 */
static ssize_t search(multipart *m, const char *data, size_t len)
{
	const char *cr;
	size_t plain;

	if (m->matched) {
		if (*data == m->delimiter[m->matched]) {
			m->matched++;
			return 1;
		}
		plain = m->matched;
		m->matched = 0;
		return give(m, m->delimiter, plain) ? -1 : 0;
	}
	cr = memchr(data, '\r', len);
	plain = cr ? (size_t)(cr - data) : len;
	if (give(m, data, plain))
		return -1;
	m->matched = cr ? 1 : 0;
	return (ssize_t)(plain + m->matched);
}

static int part_over(multipart *m)
{
	bool had_part = m->state == DATA;

	m->matched = 0;
	m->state = AFTER;
	if (had_part && m->handler.on_part_end(m->user)) {
		m->state = FAILED;
		return -1;
	}
	return 0;
}

static ssize_t scan_data(multipart *m, const char *data, size_t len)
{
	ssize_t used = search(m, data, len);

	if (used >= 0 && m->matched == m->delimiter_len && part_over(m))
		return -1;
	return used;
}

/* The head is complete: "name: value" lines, an empty one at the end. */
static int begin_part(multipart *m)
{
	multipart_part part = { 0 };
	const char *why;

	if (!m->parts_left--)
		return fail(m, "too many parts");
	why = multipart__head_parse(m->head, m->head_len, &part);
	if (why)
		return fail(m, why);
	m->head_len = 0;
	m->state = DATA;
	if (m->handler.on_part(m->user, &part)) {
		m->state = FAILED;
		return -1;
	}
	return 0;
}

static int head_byte(multipart *m, char c)
{
	size_t n = m->head_len;

	if (n == HEAD_MAX - 1)
		return fail(m, "a part's headers are too long");
	if ((c == '\n') != (n && m->head[n - 1] == '\r'))
		return fail(m, "a bare CR or LF in a part's headers");
	m->head[m->head_len++] = c;
	n++;
	if (c == '\n' && (n == 2 || (n >= 4 && m->head[n - 3] == '\n')))
		return begin_part(m);
	return 0;
}

/* What follows a boundary: "--", or the line's end and a part's head. */
static int control_byte(multipart *m, char c)
{
	switch (m->state) {
	case AFTER:
		if (c == '-') {
			m->state = AFTER_DASH;
			return 0;
		}
		m->state = PADDING;
		return control_byte(m, c);
	case AFTER_DASH:
		m->state = EPILOGUE;
		return c == '-' ? 0 : fail(m, "a boundary is followed by something else");
	case PADDING:
		if (c == '\r')
			m->state = HEAD_LF;
		return c == '\r' || c == ' ' || c == '\t' ? 0 : fail(m, "a boundary is followed by something else");
	case HEAD_LF:
		m->state = HEAD;
		return c == '\n' ? 0 : fail(m, "a bare CR behind a boundary");
	default:
		return head_byte(m, c);
	}
}

int multipart_feed(multipart *m, const void *data, size_t len)
{
	const char *at = data;

	while (len && m->state != EPILOGUE) {
		ssize_t used = 1;

		if (m->state == FAILED)
			return -1;
		if (m->state == PREAMBLE || m->state == DATA)
			used = scan_data(m, at, len);
		else if (control_byte(m, *at))
			used = -1;
		if (used < 0)
			return -1;
		at += used;
		len -= (size_t)used;
	}
	return m->state == FAILED ? -1 : 0;
}

int multipart_end(multipart *m)
{
	if (m->state == EPILOGUE)
		return 0;
	return m->state == FAILED ? -1 : fail(m, "the body ends before its closing boundary");
}

const char *multipart_error(const multipart *m)
{
	return m->error;
}

void multipart_free(multipart *m)
{
	free(m);
}
