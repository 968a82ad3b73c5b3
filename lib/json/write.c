#include "json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "plain_locale.h"
#include "utf8.h"
#include "value.h"

#define WRITER_DEPTH 64
#define EXACT_MAX 9007199254740992.0 /* 2^53 */

static void put_escape(scp__buf *out, unsigned char c)
{
	static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt", digits[] = "0123456789abcdef";
	const char *simple = c ? strchr(from, c) : NULL;

	if (simple)
		scp__buf_append(out, (char[]){ '\\', to[simple - from] }, 2);
	else
		scp__buf_append(out, (char[]){ '\\', 'u', '0', '0', digits[c >> 4], digits[c & 15] }, 6);
}

/* Good UTF-8, whose control characters, quotes and backslashes are escaped; what lies between goes in one piece. */
static void put_text(scp__buf *out, const unsigned char *p, size_t len)
{
	size_t plain = 0;

	for (size_t i = 0; i < len && !out->status; i++) {
		if (p[i] >= 0x20 && p[i] != '"' && p[i] != '\\')
			continue;
		scp__buf_append(out, p + plain, i - plain);
		put_escape(out, p[i]);
		plain = i + 1;
	}
	scp__buf_append(out, p + plain, len - plain);
}

static void put_string(scp__buf *out, const void *data, size_t len, bool *lossy)
{
	const unsigned char *p = data;
	size_t good;

	scp__buf_append(out, "\"", 1);
	while (len && !out->status) {
		good = scp__utf8_valid_prefix(p, len);
		put_text(out, p, good);
		p += good;
		len -= good;
		if (!len)
			break;
		scp__buf_puts(out, "\xef\xbf\xbd");
		if (lossy)
			*lossy = true;
		p++;
		len--;
	}
	scp__buf_append(out, "\"", 1);
}

/* The shortest that is read as the same number again. */
static void format_real(char *text, size_t size, double value)
{
	locale_t before = plain_locale_enter();

	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, size, "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	plain_locale_leave(before);
}

static void put_real(scp__buf *out, double value)
{
	char text[48];

	if (!isfinite(value)) {
		scp__buf_puts(out, "null");
		return;
	}
	if (value == floor(value) && fabs(value) <= EXACT_MAX && !(value == 0 && signbit(value))) {
		scp__buf_printf(out, "%lld", (long long)value);
		return;
	}
	format_real(text, sizeof(text), value);
	scp__buf_puts(out, text);
}

/* The root stands alone: it needs none. */
static uint64_t comma_bit(const scp__json_writer *w)
{
	return w->depth && w->depth <= WRITER_DEPTH ? 1ULL << (w->depth - 1) : 0;
}

/* What goes before a value: a comma if it isn't the first, and its key. */
static void begin(scp__json_writer *w, const char *key)
{
	uint64_t bit = comma_bit(w);

	if (w->comma & bit)
		scp__buf_append(w->out, ",", 1);
	w->comma |= bit;
	if (!key)
		return;
	put_string(w->out, key, strlen(key), NULL);
	scp__buf_append(w->out, ":", 1);
}

static void open_level(scp__json_writer *w, const char *key, const char *bracket)
{
	begin(w, key);
	scp__buf_puts(w->out, bracket);
	w->depth++;
	if (w->depth > WRITER_DEPTH && !w->out->status)
		w->out->status = SCP_EINTERNAL;
	w->comma &= ~comma_bit(w);
}

static void close_level(scp__json_writer *w, const char *bracket)
{
	w->depth--;
	scp__buf_puts(w->out, bracket);
}

void scp__jw_init(scp__json_writer *w, scp__buf *out)
{
	*w = (scp__json_writer){ .out = out };
}

void scp__jw_object(scp__json_writer *w, const char *key)
{
	open_level(w, key, "{");
}

void scp__jw_array(scp__json_writer *w, const char *key)
{
	open_level(w, key, "[");
}

void scp__jw_end_object(scp__json_writer *w)
{
	close_level(w, "}");
}

void scp__jw_end_array(scp__json_writer *w)
{
	close_level(w, "]");
}

void scp__jw_string(scp__json_writer *w, const char *key, const char *value)
{
	if (value)
		scp__jw_bytes(w, key, value, strlen(value), NULL);
	else
		scp__jw_null(w, key);
}

void scp__jw_bytes(scp__json_writer *w, const char *key, const void *data, size_t len, bool *lossy)
{
	begin(w, key);
	put_string(w->out, data, len, lossy);
}

void scp__jw_int(scp__json_writer *w, const char *key, int64_t value)
{
	begin(w, key);
	scp__buf_printf(w->out, "%lld", (long long)value);
}

void scp__jw_uint(scp__json_writer *w, const char *key, uint64_t value)
{
	begin(w, key);
	scp__buf_printf(w->out, "%llu", (unsigned long long)value);
}

void scp__jw_real(scp__json_writer *w, const char *key, double value)
{
	begin(w, key);
	put_real(w->out, value);
}

void scp__jw_bool(scp__json_writer *w, const char *key, bool value)
{
	begin(w, key);
	scp__buf_puts(w->out, value ? "true" : "false");
}

void scp__jw_null(scp__json_writer *w, const char *key)
{
	begin(w, key);
	scp__buf_puts(w->out, "null");
}

void scp__jw_raw(scp__json_writer *w, const char *key, const char *json, size_t len)
{
	if (!json || !len) {
		scp__jw_null(w, key);
		return;
	}
	begin(w, key);
	scp__buf_append(w->out, json, len);
}

void scp__jw_time(scp__json_writer *w, const char *key, int64_t time_us)
{
	char text[SCP__TIME_SIZE];

	scp__jw_string(w, key, time_us ? scp__time_format(text, time_us) : NULL);
}

static void print_members(scp__json_writer *w, const char *key, const scp__json *v);

/* Recursion ends at SCP__JSON_DEPTH_MAX. */
static void print(scp__json_writer *w, const char *key, const scp__json *v)
{
	switch (scp__json_typeof(v)) {
	case SCP__JSON_NULL:
		scp__jw_null(w, key);
		break;
	case SCP__JSON_BOOL:
		scp__jw_bool(w, key, v->boolean);
		break;
	case SCP__JSON_NUMBER:
		if (v->string)
			scp__jw_raw(w, key, v->string, strlen(v->string));
		else
			scp__jw_real(w, key, v->number);
		break;
	case SCP__JSON_STRING:
		scp__jw_string(w, key, v->string);
		break;
	case SCP__JSON_ARRAY:
	case SCP__JSON_OBJECT:
		print_members(w, key, v);
	}
}

static void print_members(scp__json_writer *w, const char *key, const scp__json *v)
{
	bool object = v->type == SCP__JSON_OBJECT;

	open_level(w, key, object ? "{" : "[");
	for (size_t i = 0; i < v->size; i++)
		print(w, object ? v->members[i].key : NULL, &v->members[i]);
	close_level(w, object ? "}" : "]");
}

scp_status scp__json_print(scp__buf *out, const scp__json *v)
{
	scp__json_writer w;

	scp__jw_init(&w, out);
	print(&w, NULL, v);
	return out->status;
}
