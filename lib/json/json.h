/*
 * Strict JSON over cJSON; the only includer of cJSON.h. Reading refuses what cJSON lets through: trailing bytes,
 * duplicate keys, invalid UTF-8, \u0000, numbers that aren't integers where one is wanted, NaN, depth over 64.
 * Integers of any length are printed as they were read; their number is the nearest double.
 */
#ifndef SCP_JSON_JSON_H
#define SCP_JSON_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include <sandboxcp/plane.h>

#define SCP__JSON_DEPTH 64
#define SCP__JSON_DEPTH_MAX 96 /* that bounds may ask for */

typedef struct scp__json scp__json; /* a value; the root owns all */

typedef enum scp__json_type {
	SCP__JSON_NULL,
	SCP__JSON_BOOL,
	SCP__JSON_NUMBER,
	SCP__JSON_STRING,
	SCP__JSON_ARRAY,
	SCP__JSON_OBJECT
} scp__json_type;

/** Parse one value. `what` names it in errors ("body", "event"). SCP_EINVAL says what is wrong and where. */
scp_status scp__json_parse(scp__json **out, const char *text, size_t len, const char *what, scp_error *err);

/** How much is taken. */
typedef struct scp__json_bounds {
	unsigned depth; /* levels; at most SCP__JSON_DEPTH_MAX */
	size_t values;	/* in all: each costs some hundred bytes, also where it is two in the text; 0: any number */
} scp__json_bounds;

/** As scp__json_parse(), which takes 64 levels and any number of values. */
scp_status scp__json_parse_within(
    scp__json **out, const char *text, size_t len, const char *what, const scp__json_bounds *bounds, scp_error *err);

/** Only check it: as strict as scp__json_parse(). */
scp_status scp__json_check(const char *text, size_t len, const char *what, scp_error *err);

void scp__json_free(scp__json *root);

scp__json_type scp__json_typeof(const scp__json *v);
const scp__json *scp__json_get(const scp__json *object, const char *key); /* exact case; NULL: not there */
size_t scp__json_size(const scp__json *v);				  /* of an array or object */
const scp__json *scp__json_at(const scp__json *v, size_t index);	  /* of an array or object */
const char *scp__json_key(const scp__json *member);			  /* of a member got by scp__json_at() */
const char *scp__json_string(const scp__json *v);			  /* NULL if it is none */
bool scp__json_bool(const scp__json *v);
double scp__json_number(const scp__json *v);

/* Typed members of an object: a missing key leaves *out alone and is SCP_OK; JSON null counts as missing; a wrong
 * type or range is SCP_EINVAL naming the key, what it is and what is allowed. Strings are borrowed. Integers are
 * refused from 2^53 on: a double can't tell 2^53 from 2^53 + 1. */
scp_status scp__json_get_string(const scp__json *object, const char *key, const char **out, scp_error *err);
scp_status scp__json_get_int(
    const scp__json *object, const char *key, int64_t min, int64_t max, int64_t *out, scp_error *err);
scp_status scp__json_get_bool(const scp__json *object, const char *key, bool *out, scp_error *err);

/** SCP_EINVAL naming the first member of `object` that isn't in `names` (NULL-terminated). Not an object: SCP_EINVAL.
 */
scp_status scp__json_only(const scp__json *object, const char *what, const char *const *names, scp_error *err);

/** Append the value as compact JSON text: integers as integers, other numbers in the fewest digits that read the same.
 */
scp_status scp__json_print(scp__buf *out, const scp__json *v);

/*
 * Writing: a small streaming writer that appends to a buffer and keeps the commas. Errors are sticky in the buffer.
 */
typedef struct scp__json_writer {
	scp__buf *out;
	uint64_t comma; /* a bit a level: something stands there already; deeper than 64 is SCP_EINTERNAL */
	unsigned depth;
} scp__json_writer;

void scp__jw_init(scp__json_writer *w, scp__buf *out);
void scp__jw_object(scp__json_writer *w, const char *key); /* opens one; key NULL: in an array, or the root */
void scp__jw_array(scp__json_writer *w, const char *key);
void scp__jw_end_object(scp__json_writer *w);
void scp__jw_end_array(scp__json_writer *w);
void scp__jw_string(scp__json_writer *w, const char *key, const char *value); /* NULL writes null */
void scp__jw_bytes(
    scp__json_writer *w, const char *key, const void *data, size_t len, bool *lossy); /* bad UTF-8 → U+FFFD */
void scp__jw_int(scp__json_writer *w, const char *key, int64_t value);
void scp__jw_uint(scp__json_writer *w, const char *key, uint64_t value);
void scp__jw_real(scp__json_writer *w, const char *key, double value); /* not finite writes null */
void scp__jw_bool(scp__json_writer *w, const char *key, bool value);
void scp__jw_null(scp__json_writer *w, const char *key);
void scp__jw_raw(scp__json_writer *w, const char *key, const char *json, size_t len); /* JSON text as it is */
void scp__jw_time(scp__json_writer *w, const char *key, int64_t time_us);	      /* 0 writes null */

#endif
