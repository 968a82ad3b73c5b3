/* Containers, their logs, and nodes. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "handle.h"

static const char *status_name(int status)
{
	return scp_container_status_name((scp_container_status)status);
}

static scp_status read_query(const struct request *q, scp_container_query *query, scp_error *err)
{
	int status = 0;
	scp_status rc = query_page(q, &query->limit, &query->offset, err);

	if (!rc)
		rc = query_state(q, status_name, SCP_CONTAINER_REMOVED, &status, err);
	if (!rc)
		rc = query_text(q, "runtime_type", &query->runtime_type, err);
	if (!rc)
		rc = query_text(q, "session_id", &query->session_id, err);
	query->status = (scp_container_status)status;
	return rc;
}

scp_status get_containers(struct request *q, struct reply *r, scp_error *err)
{
	scp_container_query query = SCP_CONTAINER_QUERY_INIT;
	scp_container_page *page = NULL;
	scp__json_writer w;
	scp_status rc = read_query(q, &query, err);

	if (!rc)
		rc = scp_container_list(&page, q->plane, &query, err);
	if (rc)
		return rc;
	scp__jw_init(&w, &r->body);
	scp__jw_object(&w, NULL);
	scp__jw_array(&w, "containers");
	for (size_t i = 0; i < page->count; i++)
		encode_container(&w, NULL, page->items[i]);
	scp__jw_end_array(&w);
	encode_page(&w, page->total, query.limit, query.offset, page->next);
	scp__jw_end_object(&w);
	scp_container_page_free(page);
	return SCP_OK;
}

scp_status get_container(struct request *q, struct reply *r, scp_error *err)
{
	scp_container *c = NULL;
	scp__json_writer w;
	scp_status rc = scp_container_get(&c, q->plane, q->param[0], err);

	if (rc)
		return rc;
	scp__jw_init(&w, &r->body);
	encode_container(&w, NULL, c);
	scp_container_free(c);
	return SCP_OK;
}

/* ---- logs ---- */

static bool parse_date(const char *text, struct tm *tm, int *used)
{
	int year, month;

	if (sscanf(text, "%4d-%2d-%2d%*1[Tt ]%2d:%2d:%2d%n", &year, &month, &tm->tm_mday, &tm->tm_hour, &tm->tm_min,
		&tm->tm_sec, used) != 6)
		return false;
	tm->tm_year = year - 1900;
	tm->tm_mon = month - 1;
	return year >= 1970 && month >= 1 && month <= 12 && tm->tm_mday >= 1 && tm->tm_mday <= 31 &&
	       tm->tm_hour <= 23 && tm->tm_min <= 59 && tm->tm_sec <= 60;
}

static bool parse_fraction(const char **at, int64_t *us)
{
	int64_t unit = 100000;
	size_t digits;

	*us = 0;
	if (**at != '.')
		return true;
	digits = strspn(++*at, "0123456789");
	for (size_t i = 0; i < digits; i++, unit /= 10)
		*us += ((*at)[i] - '0') * unit;
	*at += digits;
	return digits > 0 && digits <= 9;
}

static bool parse_zone(const char *at, int64_t *offset_s)
{
	int hours, minutes, used = 0;
	char sign[2];

	*offset_s = 0;
	if (!strcmp(at, "Z") || !strcmp(at, "z"))
		return true;
	/* A plus that nobody escaped arrives as a blank. */
	if (sscanf(at, "%1[+ -]%2d:%2d%n", sign, &hours, &minutes, &used) != 3 || at[used])
		return false;
	*offset_s = (sign[0] == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
	return hours <= 23 && minutes <= 59;
}

/* RFC 3339. */
bool parse_time(const char *text, int64_t *time_us)
{
	struct tm tm = { 0 };
	int64_t us, zone_s;
	const char *at;
	int used = 0;

	if (!parse_date(text, &tm, &used))
		return false;
	at = text + used;
	if (!parse_fraction(&at, &us) || !parse_zone(at, &zone_s))
		return false;
	*time_us = ((int64_t)timegm(&tm) - zone_s) * 1000000 + us;
	return *time_us >= 0;
}

static scp_status read_log_query(const struct request *q, scp_log_query *query, scp_error *err)
{
	const char *since = NULL;
	int64_t tail = 100;
	scp_status rc = query_int(q, "tail", 1, 10000, &tail, err);

	if (!rc)
		rc = query_text(q, "since", &since, err);
	if (!rc && since && !parse_time(since, &query->since_us))
		rc = scp__fail(err, SCP_EINVAL, "since: '%.40s' is no time like 2026-01-31T12:00:00Z", since);
	query->tail = (uint32_t)tail;
	return rc;
}

scp_status get_container_logs(struct request *q, struct reply *r, scp_error *err)
{
	scp_log_query query = SCP_LOG_QUERY_INIT;
	scp_container_log *log = NULL;
	scp_status rc = read_log_query(q, &query, err);

	if (!rc)
		rc = scp_container_logs(&log, q->plane, q->param[0], &query, err);
	if (rc)
		return rc;
	scp__buf_append(&r->body, log->text, log->len);
	r->content_type = "text/plain; charset=utf-8";
	scp_container_log_free(log);
	return SCP_OK;
}

/* ---- nodes ---- */

scp_status get_nodes(struct request *q, struct reply *r, scp_error *err)
{
	scp_node_query query = SCP_NODE_QUERY_INIT;
	scp_node_page *page = NULL;
	scp__json_writer w;
	scp_status rc = query_page(q, &query.limit, &query.offset, err);

	if (!rc)
		rc = scp_node_list(&page, q->plane, &query, err);
	if (rc)
		return rc;
	scp__jw_init(&w, &r->body);
	scp__jw_object(&w, NULL);
	scp__jw_array(&w, "nodes");
	for (size_t i = 0; i < page->count; i++)
		encode_node(&w, NULL, page->items[i]);
	scp__jw_end_array(&w);
	encode_page(&w, page->total, query.limit, query.offset, page->next);
	scp__jw_end_object(&w);
	scp_node_page_free(page);
	return SCP_OK;
}

static scp_status drain(struct request *q, struct reply *r, bool on, scp_error *err)
{
	scp_node *n = NULL;
	scp__json_writer w;
	scp_status rc = decode_nothing(q, err);

	if (!rc)
		rc = scp_node_drain(&n, q->plane, q->param[0], on, err);
	if (rc)
		return rc;
	scp__jw_init(&w, &r->body);
	encode_node(&w, NULL, n);
	scp_node_free(n);
	return SCP_OK;
}

scp_status post_drain(struct request *q, struct reply *r, scp_error *err)
{
	return drain(q, r, true, err);
}

scp_status post_undrain(struct request *q, struct reply *r, scp_error *err)
{
	return drain(q, r, false, err);
}
