/* session create, list, get, keepalive, delete */
#include "ctl.h"
#include "values.h"

#include <stdio.h>
#include <stdlib.h>

#include "err.h"

static scp_status fill_spec(scp_session_spec *spec, scp_resources *resources, const struct args *a, scp_error *err)
{
	bool given;
	scp_status rc = resources_of(resources, &given, a, err);

	spec->template_id = a->template_id ? a->template_id : "python-basic";
	spec->timeout_s = a->timeout_s == ARGS_UNSET ? 0 : a->timeout_s;
	spec->resources = given ? resources : NULL;
	spec->mode = a->ephemeral ? SCP_EPHEMERAL : SCP_MODE_DEFAULT;
	spec->network = a->network ? SCP_ON : SCP_DEFAULT;
	spec->agent_id = a->agent_id;
	spec->idempotency_key = a->key;
	return rc;
}

scp_status make_session(
    struct ctl *ctl, struct answer *answer, uint32_t wait_ms, const char *template_id, scp_error *err)
{
	scp_session_spec spec = SCP_SESSION_SPEC_INIT;
	scp_resources resources = SCP_RESOURCES_INIT;
	scp_pair env[ARGS_LIST_MAX];
	char *storage = NULL;
	scp_status rc = fill_spec(&spec, &resources, &ctl->args, err);

	if (template_id)
		spec.template_id = template_id;
	if (!rc)
		rc = env_pairs(env, &storage, &ctl->args.env, err);
	spec.env = env;
	spec.env_count = ctl->args.env.count;
	if (!rc)
		rc = ctl->target->ops->session_create(ctl->target, &spec, wait_ms, answer, err);
	free(storage);
	return rc;
}

/* A session that failed while it was waited for: its own error is the command's. */
static scp_status refused(const scp__json *session, scp_error *err)
{
	const scp__json *why = scp__json_get(session, "error");

	return scp__fail(err, SCP_EBACKEND, "%s: %s", answer_text(session, "session_id"),
	    why && *answer_text(why, "error_detail") ? answer_text(why, "error_detail") : "the session failed");
}

int cmd_session_create(struct ctl *ctl, scp_error *err)
{
	struct answer a = { 0 };
	uint32_t wait_s = ctl->args.wait_s == ARGS_UNSET ? 0 : ctl->args.wait_s;
	int rc = -1;

	if (!make_session(ctl, &a, wait_s * 1000, NULL, err)) {
		if (ctl->args.json)
			rc = print_json(&a, err);
		else
			rc = puts(answer_text(a.json, "session_id")) < 0 ? EXIT_ERROR : 0;
		if (name_in("failed", answer_text(a.json, "status")))
			rc = refused(a.json, err) ? -1 : 0;
	}
	answer_free(&a);
	return rc;
}

static int print_sessions(const scp__json *list, scp_error *err)
{
	static const char *const heads[] = { "SESSION", "STATUS", "TEMPLATE", "MODE", "CREATED", "EXPIRES" };
	static const char *const keys[] = { "session_id", "status", "template_id", "mode", "created_at", "expires_at" };
	struct table *t = table_new(6, heads);

	for (size_t i = 0; i < scp__json_size(list); i++)
		for (size_t k = 0; k < 6; k++)
			table_cell(t, answer_text(scp__json_at(list, i), keys[k]));
	return table_print(t, err);
}

int cmd_session_list(struct ctl *ctl, scp_error *err)
{
	const struct args *o = &ctl->args;
	struct listing l = { o->status, o->template_id, o->limit == ARGS_UNSET ? 50 : o->limit,
		o->offset == ARGS_UNSET ? 0 : o->offset };
	struct answer a = { 0 };
	int rc = -1;

	if (!ctl->target->ops->session_list(ctl->target, &l, &a, err))
		rc = o->json ? print_json(&a, err) : print_sessions(scp__json_get(a.json, "sessions"), err);
	answer_free(&a);
	return rc;
}

static int print_one(struct ctl *ctl, struct answer *a, scp_status status, scp_error *err)
{
	int rc = -1;

	if (!status)
		rc = ctl->args.json ? print_json(a, err) : print_object(a->json, err);
	answer_free(a);
	return rc;
}

int cmd_session_get(struct ctl *ctl, scp_error *err)
{
	struct answer a = { 0 };

	return print_one(ctl, &a, ctl->target->ops->session_get(ctl->target, ctl->word[0], &a, err), err);
}

int cmd_session_keepalive(struct ctl *ctl, scp_error *err)
{
	struct answer a = { 0 };
	uint32_t extend_s = ctl->args.extend_s == ARGS_UNSET ? 0 : ctl->args.extend_s;

	return print_one(
	    ctl, &a, ctl->target->ops->session_keepalive(ctl->target, ctl->word[0], extend_s, &a, err), err);
}

int cmd_session_delete(struct ctl *ctl, scp_error *err)
{
	int rc = 0;

	for (size_t i = 0; i < ctl->words && !rc; i++) {
		struct answer a = { 0 };

		if (ctl->target->ops->session_delete(ctl->target, ctl->word[i], &a, err))
			rc = -1;
		else if (ctl->args.json)
			rc = print_json(&a, err);
		else
			printf("%s %s\n", ctl->word[i], answer_text(a.json, "status"));
		answer_free(&a);
	}
	return rc;
}
