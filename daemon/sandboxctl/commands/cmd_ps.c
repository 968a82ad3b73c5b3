/* ps: sessions and what runs in them. */
#include "ctl.h"

#include <string.h>

#include "err.h"

#define PS_JSON_MAX (64u << 20)

/* Where rows go: a table, or with --json an array of sessions that hold their executions. */
struct ps {
	struct ctl *ctl;
	struct table *table;
	scp__json_writer json;
};

static bool over(const char *status)
{
	return !name_in("creating,running,pending", status);
}

static void write_members(scp__json_writer *w, const scp__json *object)
{
	for (size_t i = 0; i < scp__json_size(object); i++) {
		const scp__json *v = scp__json_at(object, i);
		scp__buf text;

		scp__buf_init(&text, PS_JSON_MAX);
		if (!scp__json_print(&text, v))
			scp__jw_raw(w, scp__json_key(v), text.data, text.len);
		scp__buf_free(&text);
	}
}

static void add_execution(struct ps *ps, const scp__json *e)
{
	static const char *const keys[] = { "execution_id", "status", "language", "created_at", "completed_at" };

	if (ps->ctl->args.json) {
		scp__jw_object(&ps->json, NULL);
		write_members(&ps->json, e);
		scp__jw_end_object(&ps->json);
		return;
	}
	table_cell(ps->table, "");
	for (size_t k = 0; k < 5; k++)
		table_cell(ps->table, answer_text(e, keys[k]));
}

static scp_status add_executions(struct ps *ps, const char *session, scp_error *err)
{
	struct listing l = { .limit = 200 };
	struct answer a = { 0 };
	scp_status rc = ps->ctl->target->ops->execution_list(ps->ctl->target, session, &l, &a, err);
	const scp__json *list = rc ? NULL : scp__json_get(a.json, "executions");

	for (size_t i = 0; list && i < scp__json_size(list); i++)
		if (ps->ctl->args.all || !over(answer_text(scp__json_at(list, i), "status")))
			add_execution(ps, scp__json_at(list, i));
	answer_free(&a);
	return rc;
}

static scp_status add_session(struct ps *ps, const scp__json *s, scp_error *err)
{
	static const char *const keys[] = { "status", "template_id", "created_at", "terminated_at" };
	const char *id = answer_text(s, "session_id");
	scp_status rc;

	if (ps->ctl->args.json) {
		scp__jw_object(&ps->json, NULL);
		write_members(&ps->json, s);
		scp__jw_array(&ps->json, "executions");
	} else {
		table_cell(ps->table, id);
		table_cell(ps->table, "");
		for (size_t k = 0; k < 4; k++)
			table_cell(ps->table, answer_text(s, keys[k]));
	}
	rc = add_executions(ps, id, err);
	if (ps->ctl->args.json) {
		scp__jw_end_array(&ps->json);
		scp__jw_end_object(&ps->json);
	}
	return rc;
}

static scp_status add_sessions(struct ps *ps, const char *status, scp_error *err)
{
	struct listing l = { .status = status, .limit = ps->ctl->args.limit == ARGS_UNSET ? 200 : ps->ctl->args.limit };
	struct answer a = { 0 };
	scp_status rc = ps->ctl->target->ops->session_list(ps->ctl->target, &l, &a, err);
	const scp__json *list = rc ? NULL : scp__json_get(a.json, "sessions");

	for (size_t i = 0; list && i < scp__json_size(list) && !rc; i++)
		rc = add_session(ps, scp__json_at(list, i), err);
	answer_free(&a);
	return rc;
}

static scp_status gather(struct ps *ps, scp_error *err)
{
	scp_status rc;

	if (ps->ctl->args.all)
		return add_sessions(ps, NULL, err);
	rc = add_sessions(ps, "creating", err);
	return rc ? rc : add_sessions(ps, "running", err);
}

static int ps_json(struct ps *ps, scp_error *err)
{
	struct answer a = { 0 };
	int rc = -1;

	scp__buf_init(&a.text, PS_JSON_MAX);
	scp__jw_init(&ps->json, &a.text);
	scp__jw_object(&ps->json, NULL);
	scp__jw_array(&ps->json, "sessions");
	if (!gather(ps, err)) {
		scp__jw_end_array(&ps->json);
		scp__jw_end_object(&ps->json);
		rc = a.text.status ? -1 : print_json(&a, err);
		if (a.text.status)
			scp__fail(err, a.text.status, "the list is too long; use --limit");
	}
	answer_free(&a);
	return rc;
}

int cmd_ps(struct ctl *ctl, scp_error *err)
{
	static const char *const heads[] = { "SESSION", "EXECUTION", "STATUS", "TEMPLATE/LANGUAGE", "CREATED",
		"ENDED" };
	struct ps ps = { .ctl = ctl };

	if (ctl->args.json)
		return ps_json(&ps, err);
	ps.table = table_new(6, heads);
	if (gather(&ps, err)) {
		table_free(ps.table);
		return -1;
	}
	return table_print(ps.table, err);
}
