#include <stdio.h>
#include <string.h>
#include <time.h>

#include "report.h"

#define SECOND_US INT64_C(1000000)
#define COUNT_MAX ((int64_t)1 << 52)
#define RETURN_TEXT_MAX (2u * MIB) /* the library says what is too long */
#define ARTIFACTS_MAX 1000u
#define KEY_MAX 255u

/* ---- times ---- */

/* ".123" and whatever digits follow; *at moves behind them. False: a point without digits. */
static bool parse_fraction(const char **at, int64_t *us)
{
	int64_t unit = SECOND_US / 10;
	const char *digits = *at + 1;

	*us = 0;
	if (**at != '.')
		return true;
	for (*at = digits; **at >= '0' && **at <= '9'; (*at)++, unit /= 10)
		*us += (**at - '0') * unit;
	return *at > digits;
}

static bool parse_offset(const char *at, int64_t *offset_s)
{
	int hours, minutes, used = 0;

	*offset_s = 0;
	if ((*at == 'Z' || *at == 'z') && !at[1])
		return true;
	if ((*at != '+' && *at != '-') || strspn(at + 1, "0123456789:") != 5 ||
	    sscanf(at + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2 || used != 5 || hours > 23 || minutes > 59)
		return false;
	*offset_s = (hours * 60 + minutes) * (*at == '-' ? -60 : 60);
	return true;
}

bool time_parse(const char *text, int64_t *time_us)
{
	struct tm tm = { 0 };
	char date[20];
	const char *at;
	int64_t fraction_us, offset_s;

	if (strlen(text) < 20 || strlen(text) > 40 || (text[10] != 'T' && text[10] != 't'))
		return false;
	(void)snprintf(date, sizeof(date), "%.19s", text);
	date[10] = 'T';
	at = strptime(date, "%Y-%m-%dT%H:%M:%S", &tm);
	if (!at || *at)
		return false;
	at = text + 19;
	if (!parse_fraction(&at, &fraction_us) || !parse_offset(at, &offset_s))
		return false;
	*time_us = ((int64_t)timegm(&tm) - offset_s) * SECOND_US + fraction_us;
	return true;
}

static scp_status get_time(const scp__json *o, const char *key, int64_t *time_us, scp_error *err)
{
	const char *text = NULL;
	scp_status rc = scp__json_get_string(o, key, &text, err);

	if (!rc && text && !time_parse(text, time_us))
		rc = scp__fail(err, SCP_EINVAL, "%s: '%.40s' is no time like 2026-01-31T12:00:00.000Z", key, text);
	if (!rc && text && *time_us <= 0)
		*time_us = 1; /* files may be that old; 0 is "not known" */
	return rc;
}

/* Nothing hangs on it here, as the first result is the result; but what is no key anywhere is none here. */
static scp_status check_key(const char *key, scp_error *err)
{
	size_t len = key ? strlen(key) : 1;

	if (!len || len > KEY_MAX)
		return scp__fail(err, SCP_EINVAL, "Idempotency-Key must have 1 to %u characters", KEY_MAX);
	for (; key && *key; key++)
		if (*key < 0x21 || *key > 0x7e)
			return scp__fail(
			    err, SCP_EINVAL, "Idempotency-Key may hold printable ASCII without spaces only");
	return SCP_OK;
}

/* ---- numbers ---- */

static scp_status get_count(const scp__json *o, const char *key, uint64_t *out, scp_error *err)
{
	int64_t n = 0;
	scp_status rc = scp__json_get_int(o, key, 0, COUNT_MAX, &n, err);

	if (!rc && n)
		*out = (uint64_t)n;
	return rc;
}

static scp_status get_int(const scp__json *o, const char *key, int64_t min, int64_t max, int *out, scp_error *err)
{
	int64_t n = *out;
	scp_status rc = scp__json_get_int(o, key, min, max, &n, err);

	*out = (int)n;
	return rc;
}

/* In the arena; NULL where it is missing or null. */
static scp_status get_exit_code(const struct request *q, const int **out, scp_error *err)
{
	const scp__json *v = scp__json_get(q->json, "exit_code");
	int *code;
	scp_status rc;

	if (!v || scp__json_typeof(v) == SCP__JSON_NULL)
		return SCP_OK;
	code = scp__arena_alloc(q->arena, sizeof(*code));
	if (!code)
		return scp__nomem(err);
	rc = get_int(q->json, "exit_code", 0, 255, code, err);
	*out = code;
	return rc;
}

static scp_status get_real(const scp__json *o, const char *key, double *out, scp_error *err)
{
	const scp__json *v = scp__json_get(o, key);

	if (!v || scp__json_typeof(v) == SCP__JSON_NULL)
		return SCP_OK;
	if (scp__json_typeof(v) != SCP__JSON_NUMBER || scp__json_number(v) < 0)
		return scp__fail(err, SCP_EINVAL, "%s: must be a number from 0", key);
	*out = scp__json_number(v);
	return SCP_OK;
}

static scp_status get_attempt(const scp__json *o, uint32_t *attempt, scp_error *err)
{
	return decode_u32(o, "attempt", 0, 1000000, attempt, err);
}

/* ---- a result ---- */

static scp_status get_stream(const scp__json *o, const char *key, const void **data, size_t *len, scp_error *err)
{
	const char *text = NULL;
	scp_status rc = scp__json_get_string(o, key, &text, err);

	*data = text;
	*len = text ? strlen(text) : 0;
	return rc;
}

static scp_status read_metrics(const struct request *q, const scp_metrics **out, scp_error *err)
{
	static const char *const names[] = { "duration_ms", "cpu_time_ms", "peak_memory_mb", "io_read_bytes",
		"io_write_bytes", "source", NULL };
	const scp__json *o = scp__json_get(q->json, "metrics");
	scp_metrics *m = scp__arena_alloc(q->arena, sizeof(*m));
	double seconds = 0;
	scp_status rc = m ? get_real(q->json, "execution_time", &seconds, err) : scp__nomem(err);

	if (rc)
		return rc;
	m->duration_ms = seconds * 1000;
	*out = m;
	if (!o || scp__json_typeof(o) == SCP__JSON_NULL)
		return SCP_OK;
	rc = scp__json_only(o, "metrics", names, err);
	if (!rc)
		rc = get_real(o, "duration_ms", &m->duration_ms, err);
	if (!rc)
		rc = get_real(o, "cpu_time_ms", &m->cpu_time_ms, err);
	if (!rc)
		rc = get_real(o, "peak_memory_mb", &m->peak_memory_mb, err);
	if (!rc)
		rc = get_count(o, "io_read_bytes", &m->io_read_bytes, err);
	if (!rc)
		rc = get_count(o, "io_write_bytes", &m->io_write_bytes, err);
	return rc ? rc : scp__json_get_string(o, "source", &m->source, err);
}

static scp_status get_artifact(const scp__json *o, scp_artifact *a, scp_error *err)
{
	static const char *const names[] = { "path", "size", "mime_type", "type", "sha256", "created_at", NULL };
	scp_status rc = scp__json_only(o, "artifacts", names, err);

	if (!rc)
		rc = scp__json_get_string(o, "path", &a->path, err);
	if (!rc && !a->path)
		rc = scp__fail(err, SCP_EINVAL, "path: is required");
	if (!rc)
		rc = get_count(o, "size", &a->size_bytes, err);
	if (!rc)
		rc = scp__json_get_string(o, "mime_type", &a->mime_type, err);
	if (!rc)
		rc = scp__json_get_string(o, "type", &a->type, err);
	if (!rc)
		rc = scp__json_get_string(o, "sha256", &a->sha256, err);
	return rc ? rc : get_time(o, "created_at", &a->created_us, err);
}

static scp_status get_artifacts(const struct request *q, const scp_artifact *const **out, size_t *count, scp_error *err)
{
	const scp__json *list = scp__json_get(q->json, "artifacts");
	const scp_artifact **to;
	scp_artifact *items;
	scp_status rc = SCP_OK;

	if (!list || scp__json_typeof(list) == SCP__JSON_NULL)
		return SCP_OK;
	if (scp__json_typeof(list) != SCP__JSON_ARRAY || scp__json_size(list) > ARTIFACTS_MAX)
		return scp__fail(err, SCP_EINVAL, "artifacts: must be an array of at most %u", ARTIFACTS_MAX);
	*count = scp__json_size(list);
	to = scp__arena_alloc(q->arena, (*count + 1) * sizeof(*to));
	items = scp__arena_alloc(q->arena, (*count + 1) * sizeof(*items));
	if (!to || !items)
		return scp__nomem(err);
	for (size_t i = 0; !rc && i < *count; i++) {
		to[i] = &items[i];
		rc = get_artifact(scp__json_at(list, i), &items[i], err);
		if (rc)
			rc = scp__prefix(err, "artifacts[%zu]", i);
	}
	*out = to;
	return rc;
}

static scp_status get_return(const struct request *q, const char **json, scp_error *err)
{
	const scp__json *v = scp__json_get(q->json, "return_value");
	scp__buf text;
	scp_status rc;

	if (!v || scp__json_typeof(v) == SCP__JSON_NULL)
		return SCP_OK;
	scp__buf_init(&text, RETURN_TEXT_MAX);
	rc = scp__json_print(&text, v);
	if (rc == SCP_ETOOBIG)
		rc = scp__fail(err, SCP_EINVAL, "return_value: longer than 1 MiB");
	if (!rc) {
		*json = scp__arena_memdup(q->arena, text.data, text.len);
		rc = *json ? SCP_OK : scp__nomem(err);
	}
	scp__buf_free(&text);
	return rc;
}

static scp_status check_subject(const struct request *q, scp_error *err)
{
	const char *id = NULL;
	scp_status rc = scp__json_get_string(q->json, "execution_id", &id, err);

	if (!rc && id && strcmp(id, q->param[0]) != 0)
		rc = scp__fail(err, SCP_EINVAL, "execution_id: '%.64s' is another than the address says", id);
	return rc;
}

static scp_status decode_numbers(const struct request *q, scp_report *r, scp_error *err)
{
	scp_status rc = get_attempt(q->json, &r->attempt, err);

	if (!rc)
		rc = get_count(q->json, "stdout_bytes", &r->out_bytes, err);
	if (!rc)
		rc = get_count(q->json, "stderr_bytes", &r->err_bytes, err);
	if (!rc)
		rc = get_exit_code(q, &r->exit_code, err);
	if (!rc)
		rc = get_int(q->json, "signal", 0, 64, &r->signal, err);
	return rc ? rc : read_metrics(q, &r->metrics, err);
}

scp_status decode_result_report(const struct request *q, scp_report *r, scp_error *err)
{
	static const char *const names[] = { "execution_id", "attempt", "status", "stdout", "stderr", "stdout_bytes",
		"stderr_bytes", "stdout_truncated", "stderr_truncated", "exit_code", "signal", "execution_time",
		"return_value", "metrics", "artifacts", "sync", "error", "encoding", NULL };
	scp_status rc = decode_object(q, names, err);

	if (!rc)
		rc = check_subject(q, err);
	if (!rc)
		rc = check_key(q->idempotency_key, err);
	if (!rc)
		rc = scp__json_get_string(q->json, "status", &r->status, err);
	if (!rc)
		rc = get_stream(q->json, "stdout", &r->out, &r->out_len, err);
	if (!rc)
		rc = get_stream(q->json, "stderr", &r->err, &r->err_len, err);
	if (!rc)
		rc = decode_numbers(q, r, err);
	if (!rc)
		rc = get_return(q, &r->return_json, err);
	if (!rc)
		rc = get_artifacts(q, &r->artifacts, &r->artifact_count, err);
	return rc ? rc : scp__json_get_string(q->json, "error", &r->error, err);
}

/* ---- the others ---- */

scp_status decode_status_report(
    const struct request *q, uint32_t *attempt, const char **status, int64_t *started_us, scp_error *err)
{
	static const char *const names[] = { "status", "started_at", "attempt", NULL };
	scp_status rc = decode_object(q, names, err);

	if (!rc)
		rc = scp__json_get_string(q->json, "status", status, err);
	if (!rc)
		rc = get_attempt(q->json, attempt, err);
	return rc ? rc : get_time(q->json, "started_at", started_us, err);
}

/* The time that counts is ours, and nobody asks for the progress yet. */
scp_status decode_heartbeat_report(const struct request *q, uint32_t *attempt, scp_error *err)
{
	static const char *const names[] = { "timestamp", "progress", "attempt", NULL };
	int64_t ignored;
	scp_status rc = q->json ? scp__json_only(q->json, "body", names, err) : SCP_OK;

	if (rc || !q->json)
		return rc;
	rc = get_attempt(q->json, attempt, err);
	return rc ? rc : get_time(q->json, "timestamp", &ignored, err);
}

scp_status decode_artifacts_report(
    const struct request *q, uint32_t *attempt, const scp_artifact *const **list, size_t *count, scp_error *err)
{
	static const char *const names[] = { "artifacts", "attempt", NULL };
	scp_status rc = decode_object(q, names, err);

	if (!rc)
		rc = get_attempt(q->json, attempt, err);
	if (!rc)
		rc = get_artifacts(q, list, count, err);
	if (!rc && !*list)
		rc = scp__fail(err, SCP_EINVAL, "artifacts: is required");
	return rc;
}

scp_status decode_container_report(const struct request *q, bool exited, scp_container_report *r, scp_error *err)
{
	static const char *const of_ready[] = { "container_id", "executor_port", "ready_at", NULL };
	static const char *const of_exited[] = { "container_id", "exit_code", "exit_reason", "exited_at", NULL };
	scp_status rc = q->json ? scp__json_only(q->json, "body", exited ? of_exited : of_ready, err) : SCP_OK;

	if (rc || !q->json)
		return rc;
	rc = scp__json_get_string(q->json, "container_id", &r->container_id, err);
	if (!rc && !exited)
		rc = decode_u32(q->json, "executor_port", 1, 65535, &r->executor_port, err);
	if (!rc && exited)
		rc = get_exit_code(q, &r->exit_code, err);
	if (!rc && exited)
		rc = scp__json_get_string(q->json, "exit_reason", &r->exit_reason, err);
	return rc ? rc : get_time(q->json, exited ? "exited_at" : "ready_at", &r->time_us, err);
}
