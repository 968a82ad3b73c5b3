#include "help.h"

#include <stdio.h>

START_TEST(every_field_comes_back)
{
	static const scp_pair env[] = { { "PLAIN", "v\"\n\xc3\xa9" }, { "API_TOKEN", "hush" } };
	scp_error error = { .status = SCP_ECAPACITY, .code = "NoCapacity", .message = "full", .hint = "wait" };
	scp__session in = plain_session("sess_a"), *s;

	in.pub.mode = SCP_EPHEMERAL;
	in.pub.runtime_type = "oci";
	in.pub.runtime_node = "node-1";
	in.pub.container_id = "scp-1";
	in.pub.pod_name = "pod";
	in.pub.timeout_s = 300;
	in.pub.agent_id = "agent";
	in.pub.network_enabled = true;
	in.pub.error = &error;
	in.pub.started_us = 101;
	in.pub.expires_us = 102;
	in.pub.terminated_us = 103;
	in.env = env;
	in.env_count = 2;
	in.workspace_id = "ws_1";
	in.read_only_root = true;
	in.request_id = "req";
	in.actor = "me";
	in.execution_count = 7;
	WRITE(insert_session, &in);
	s = get_session("sess_a");
	ck_assert_ptr_nonnull(s);
	ck_assert_str_eq(s->pub.id, "sess_a");
	ck_assert_str_eq(s->pub.template_id, "tmpl");
	ck_assert_int_eq(s->pub.status, SCP_SESSION_CREATING);
	ck_assert_int_eq(s->pub.mode, SCP_EPHEMERAL);
	ck_assert_str_eq(s->pub.runtime_type, "oci");
	ck_assert_str_eq(s->pub.runtime_node, "node-1");
	ck_assert_str_eq(s->pub.container_id, "scp-1");
	ck_assert_str_eq(s->pub.pod_name, "pod");
	ck_assert_str_eq(s->pub.workspace_path, "/workspace");
	ck_assert_uint_eq(s->pub.resources->cpu_millis, 1000);
	ck_assert_uint_eq(s->pub.resources->memory_bytes, 512ull << 20);
	ck_assert_uint_eq(s->pub.resources->disk_bytes, 1ull << 30);
	ck_assert_uint_eq(s->pub.resources->max_processes, 64);
	ck_assert_uint_eq(s->pub.timeout_s, 300);
	ck_assert_str_eq(s->pub.agent_id, "agent");
	ck_assert(s->pub.network_enabled && s->read_only_root);
	ck_assert_int_eq(s->pub.error->status, SCP_ECAPACITY);
	ck_assert_str_eq(s->pub.error->code, "NoCapacity");
	ck_assert_str_eq(s->pub.error->message, "full");
	ck_assert_str_eq(s->pub.error->hint, "wait");
	ck_assert_int_eq(s->pub.created_us, 100);
	ck_assert_int_eq(s->pub.started_us, 101);
	ck_assert_int_eq(s->pub.updated_us, 100);
	ck_assert_int_eq(s->pub.last_activity_us, 100);
	ck_assert_int_eq(s->pub.expires_us, 102);
	ck_assert_int_eq(s->pub.terminated_us, 103);
	ck_assert_str_eq(s->workspace_id, "ws_1");
	ck_assert_str_eq(s->image, "host:");
	ck_assert_str_eq(s->request_id, "req");
	ck_assert_str_eq(s->actor, "me");
	ck_assert_uint_eq(s->execution_count, 7);
	ck_assert_uint_eq(s->env_count, 2);
	ck_assert_str_eq(s->env[0].value, "v\"\n\xc3\xa9");
	scp_session_free(&s->pub);
}
END_TEST

START_TEST(secrets_are_masked_in_the_snapshot_alone)
{
	static const scp_pair env[] = { { "PLAIN", "v" }, { "API_TOKEN", "hush" } };
	scp__session in = plain_session("sess_a"), *s;

	in.env = env;
	in.env_count = 2;
	WRITE(insert_session, &in);
	s = get_session("sess_a");
	ck_assert_uint_eq(s->pub.env_count, 2);
	ck_assert_str_eq(s->pub.env[0]->value, "v");
	ck_assert_str_eq(s->pub.env[1]->value, "***");
	ck_assert_str_eq(s->env[1].value, "hush");
	scp_session_free(&s->pub);
}
END_TEST

START_TEST(what_could_not_be_read_back_is_not_written)
{
	static const scp_pair env[] = { { "BAD", "\xff\xfe" } };
	scp__session in = plain_session("sess_a");
	scp_error err = { 0 };

	in.env = env;
	in.env_count = 1;
	ck_assert_int_eq(transact(SCP_DB_WRITE, insert_session, &in, &err), SCP_EINVAL);
	ck_assert_ptr_nonnull(strstr(err.message, "BAD"));
	ck_assert_ptr_null(get_session("sess_a"));
}
END_TEST

BODY(get_missing)
{
	scp__session *s = arg;
	scp_status rc = scp__store_session_get(tx, "sess_none", &s, err);

	ck_assert_ptr_null(s);
	return rc;
}

START_TEST(a_missing_session_is_not_found_by_its_code)
{
	scp_error err = { 0 };

	ck_assert_int_eq(transact(SCP_DB_READ, get_missing, NULL, &err), SCP_ENOTFOUND);
	ck_assert_str_eq(err.code, "SessionNotFound");
}
END_TEST

START_TEST(a_second_session_of_one_id_is_a_conflict)
{
	scp__session s = plain_session("sess_a");

	seed_session("sess_a");
	ck_assert_int_eq(transact(SCP_DB_WRITE, insert_session, &s, NULL), SCP_ECONFLICT);
}
END_TEST

typedef struct change {
	const char *id;
	uint32_t from;
	scp_session_status to;
	const scp_error *error;
	int64_t now;
	bool changed;
} change;

BODY(set_status)
{
	change *c = arg;

	return scp__store_session_set_status(tx, c->id, c->from, c->to, c->error, c->now, &c->changed, err);
}

START_TEST(only_the_status_expected_is_left)
{
	change run = { "sess_a", SCP__BIT(SCP_SESSION_CREATING), SCP_SESSION_RUNNING, NULL, 200, false };
	change again = run;
	scp__session *s;

	seed_session("sess_a");
	WRITE(set_status, &run);
	again.now = 300;
	WRITE(set_status, &again);
	ck_assert(run.changed);
	ck_assert(!again.changed);
	s = get_session("sess_a");
	ck_assert_int_eq(s->pub.status, SCP_SESSION_RUNNING);
	ck_assert_int_eq(s->pub.started_us, 200);
	ck_assert_int_eq(s->pub.updated_us, 200);
	ck_assert_int_eq(s->pub.terminated_us, 0);
	scp_session_free(&s->pub);
}
END_TEST

START_TEST(an_end_has_its_time_and_its_reason)
{
	scp_error why = { .status = SCP_EUNAVAIL, .code = "BackendUnavailable", .message = "gone \xc3" };
	change end = { "sess_a", SCP__BIT(SCP_SESSION_CREATING) | SCP__BIT(SCP_SESSION_RUNNING), SCP_SESSION_FAILED,
		&why, 400, false };
	scp__session *s;

	seed_session("sess_a");
	WRITE(set_status, &end);
	ck_assert(end.changed);
	s = get_session("sess_a");
	ck_assert_int_eq(s->pub.terminated_us, 400);
	ck_assert_int_eq(s->pub.started_us, 0);
	ck_assert_ptr_nonnull(s->pub.error);
	ck_assert_str_eq(s->pub.error->code, "BackendUnavailable");
	ck_assert_ptr_nonnull(strstr(s->pub.error->message, "gone "));
	scp_session_free(&s->pub);
}
END_TEST

typedef struct container_change {
	const char *from, *to;
	bool changed;
} container_change;

BODY(set_container)
{
	container_change *c = arg;

	return scp__store_session_set_container(tx, "sess_a", c->from, c->to, 500, &c->changed, err);
}

START_TEST(a_container_is_set_against_the_one_expected)
{
	container_change first = { NULL, "c1", false }, twin = { NULL, "c2", false }, next = { "c1", "c3", false };
	container_change none = { "c3", NULL, false }, late = { NULL, "c4", false };
	change end = { "sess_a", SCP__BIT(SCP_SESSION_CREATING), SCP_SESSION_TERMINATED, NULL, 600, false };

	seed_session("sess_a");
	WRITE(set_container, &first);
	WRITE(set_container, &twin);
	WRITE(set_container, &next);
	WRITE(set_container, &none);
	WRITE(set_status, &end);
	WRITE(set_container, &late);
	ck_assert(first.changed && !twin.changed && next.changed && none.changed && !late.changed);
}
END_TEST

BODY(touch_back_and_forth)
{
	scp_status rc = scp__store_session_touch(tx, "sess_a", 900, 1000, err);

	(void)arg;
	if (!rc)
		rc = scp__store_session_touch(tx, "sess_a", 800, 0, err);
	if (!rc)
		rc = scp__store_session_count_execution(tx, "sess_a", err);
	if (!rc)
		rc = scp__store_session_place(tx, "sess_a", "n1", "oci", 950, &(bool){ false }, err);
	return rc;
}

START_TEST(activity_never_goes_backwards)
{
	scp__session *s;

	seed_session("sess_a");
	WRITE(touch_back_and_forth, NULL);
	s = get_session("sess_a");
	ck_assert_int_eq(s->pub.last_activity_us, 900);
	ck_assert_int_eq(s->pub.expires_us, 1000);
	ck_assert_uint_eq(s->execution_count, 1);
	ck_assert_str_eq(s->pub.runtime_node, "n1");
	ck_assert_str_eq(s->pub.runtime_type, "oci");
	scp_session_free(&s->pub);
}
END_TEST

typedef struct touched {
	int64_t now;
	bool live;
} touched;

BODY(touch_live)
{
	touched *t = arg;

	return scp__store_session_touch_live(tx, "sess_a", t->now, &t->live, err);
}

START_TEST(who_touches_a_session_that_ended_is_told)
{
	touched before = { 900, false }, after = { 1100, true };
	change end = { "sess_a", SCP__BIT(SCP_SESSION_CREATING), SCP_SESSION_TERMINATED, NULL, 1000, false };
	scp__session *s;

	seed_session("sess_a");
	WRITE(touch_live, &before);
	WRITE(set_status, &end);
	WRITE(touch_live, &after);
	ck_assert(before.live && !after.live);
	s = get_session("sess_a");
	ck_assert_int_eq(s->pub.last_activity_us, 900);
	ck_assert_int_eq(s->pub.updated_us, 1000);
	scp_session_free(&s->pub);
}
END_TEST

/* ---- lists ---- */

typedef struct listing {
	scp_session_query q;
	scp_session_page *page;
} listing;

BODY(list)
{
	listing *l = arg;

	return scp__store_session_list(tx, &l->q, &l->page, err);
}

/* s0 … s4: created 100, 101, 101, 102, 103; running when odd; agent "x" from s2 on. */
static void five_sessions(void)
{
	static const int64_t created[] = { 100, 101, 101, 102, 103 };
	char id[8];

	for (int i = 0; i < 5; i++) {
		scp__session s = plain_session(id);

		snprintf(id, sizeof(id), "s%d", i);
		s.pub.created_us = created[i];
		s.pub.status = i % 2 ? SCP_SESSION_RUNNING : SCP_SESSION_CREATING;
		s.pub.agent_id = i >= 2 ? "x" : NULL;
		WRITE(insert_session, &s);
	}
}

static void expect(listing l, const char *ids, uint64_t total, const char *next)
{
	char got[32] = "";

	READ(list, &l);
	for (size_t i = 0; i < l.page->count; i++)
		strcat(got, l.page->items[i]->id + 1);
	ck_assert_str_eq(got, ids);
	ck_assert_uint_eq(l.page->total, total);
	if (next)
		ck_assert_str_eq(l.page->next, next);
	else
		ck_assert_ptr_null(l.page->next);
	scp_session_page_free(l.page);
}

START_TEST(lists_go_newest_first_and_say_where_they_go_on)
{
	listing all = { .q = { .limit = 2 } };

	five_sessions();
	expect(all, "43", 5, "2");
	all.q.offset = 2;
	expect(all, "21", 5, "4");
	all.q.offset = 4;
	expect(all, "0", 5, NULL);
	all.q.offset = 9;
	expect(all, "", 5, NULL);
}
END_TEST

START_TEST(every_filter_counts_in_list_and_total)
{
	five_sessions();
	expect((listing){ .q = { .status = SCP_SESSION_RUNNING } }, "31", 2, NULL);
	expect((listing){ .q = { .template_id = "tmpl" } }, "43210", 5, NULL);
	expect((listing){ .q = { .template_id = "other" } }, "", 0, NULL);
	expect((listing){ .q = { .agent_id = "x" } }, "432", 3, NULL);
	expect((listing){ .q = { .status = SCP_SESSION_CREATING, .template_id = "tmpl" } }, "420", 3, NULL);
	expect((listing){ .q = { .status = SCP_SESSION_CREATING, .agent_id = "x" } }, "42", 2, NULL);
	expect((listing){ .q = { .template_id = "tmpl", .agent_id = "x" } }, "432", 3, NULL);
	expect((listing){ .q = { .status = SCP_SESSION_RUNNING, .template_id = "tmpl", .agent_id = "x", .limit = 1 } },
	    "3", 1, NULL);
}
END_TEST

/* ---- upkeep's questions ---- */

typedef struct found {
	scp__ids ids;
	int64_t time;
	const char *node;
	uint64_t active;
} found;

BODY(ask_expired)
{
	found *f = arg;

	scp__ids_clear(&f->ids);
	return scp__store_session_expired(tx, f->time, 10, &f->ids, err);
}

BODY(ask_idle)
{
	found *f = arg;

	scp__ids_clear(&f->ids);
	return scp__store_session_idle(tx, f->time, 10, &f->ids, err);
}

BODY(ask_in)
{
	found *f = arg;

	scp__ids_clear(&f->ids);
	return scp__store_session_in(tx, SCP__BIT(SCP_SESSION_RUNNING), f->node, "s1", 10, &f->ids, err);
}

BODY(ask_count)
{
	return scp__store_session_count(tx, &((found *)arg)->active, err);
}

START_TEST(expired_sessions_come_oldest_first)
{
	found f = { .time = 500 };

	five_sessions();
	raw_sql(
	    "UPDATE session SET expires_us = 500 WHERE id = 's1'; UPDATE session SET expires_us = 400 WHERE id = 's2';"
	    "UPDATE session SET expires_us = 501 WHERE id = 's3'; UPDATE session SET expires_us = 1, status = 6 WHERE "
	    "id = 's4'");
	READ(ask_expired, &f);
	ck_assert_uint_eq(f.ids.count, 2);
	ck_assert_str_eq(f.ids.ids[0], "s2");
	ck_assert_str_eq(f.ids.ids[1], "s1");
	scp__ids_free(&f.ids);
}
END_TEST

START_TEST(a_session_with_a_live_execution_is_not_idle)
{
	found f = { .time = 100 };

	five_sessions(); /* s1 and s3 run */
	seed_execution("e1", "s1", 100);
	READ(ask_idle, &f);
	ck_assert_uint_eq(f.ids.count, 1);
	ck_assert_str_eq(f.ids.ids[0], "s3");
	raw_sql("UPDATE execution SET status = 3");
	READ(ask_idle, &f);
	ck_assert_uint_eq(f.ids.count, 2);
	f.time = 99;
	READ(ask_idle, &f);
	ck_assert_uint_eq(f.ids.count, 0);
	scp__ids_free(&f.ids);
}
END_TEST

START_TEST(sessions_in_a_state_come_by_id_behind_the_last)
{
	found f = { .node = NULL };

	five_sessions();
	READ(ask_in, &f);
	ck_assert_uint_eq(f.ids.count, 1);
	ck_assert_str_eq(f.ids.ids[0], "s3");
	f.node = "n1";
	READ(ask_in, &f);
	ck_assert_uint_eq(f.ids.count, 0);
	raw_sql("UPDATE session SET node = 'n1'");
	READ(ask_in, &f);
	ck_assert_uint_eq(f.ids.count, 1);
	READ(ask_count, &f);
	ck_assert_uint_eq(f.active, 5);
	scp__ids_free(&f.ids);
}
END_TEST

Suite *session_suite(void)
{
	Suite *s = suite_create("session");
	TCase *c = tcase_create("session");

	tcase_add_checked_fixture(c, fixture_open, fixture_close);
	tcase_add_test(c, every_field_comes_back);
	tcase_add_test(c, secrets_are_masked_in_the_snapshot_alone);
	tcase_add_test(c, what_could_not_be_read_back_is_not_written);
	tcase_add_test(c, a_missing_session_is_not_found_by_its_code);
	tcase_add_test(c, a_second_session_of_one_id_is_a_conflict);
	tcase_add_test(c, only_the_status_expected_is_left);
	tcase_add_test(c, an_end_has_its_time_and_its_reason);
	tcase_add_test(c, a_container_is_set_against_the_one_expected);
	tcase_add_test(c, activity_never_goes_backwards);
	tcase_add_test(c, who_touches_a_session_that_ended_is_told);
	tcase_add_test(c, lists_go_newest_first_and_say_where_they_go_on);
	tcase_add_test(c, every_filter_counts_in_list_and_total);
	tcase_add_test(c, expired_sessions_come_oldest_first);
	tcase_add_test(c, a_session_with_a_live_execution_is_not_idle);
	tcase_add_test(c, sessions_in_a_state_come_by_id_behind_the_last);
	suite_add_tcase(s, c);
	return s;
}
