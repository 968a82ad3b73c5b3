#include "help.h"

#include <pthread.h>
#include <stdio.h>

#define LIVE_BITS (SCP__BIT(SCP_EXECUTION_PENDING) | SCP__BIT(SCP_EXECUTION_RUNNING))

/* One of everything that changes an execution, so that a body can be run with any of them. */
typedef struct step {
	const char *id;
	const char *who;
	uint32_t attempt;
	int64_t epoch;
	int64_t now, until;
	bool changed;
	scp__finish finish;
	uint32_t from;
} step;

BODY(claim)
{
	step *s = arg;

	return scp__store_execution_claim(tx, s->id, s->who, s->now, s->until, &s->changed, &s->epoch, err);
}

BODY(sent)
{
	step *s = arg;

	return scp__store_execution_sent(tx, s->id, s->epoch, s->who, &s->changed, err);
}

BODY(started)
{
	step *s = arg;

	return scp__store_execution_started(tx, s->id, s->attempt, s->epoch, s->now, s->until, &s->changed, err);
}

BODY(retry)
{
	step *s = arg;

	return scp__store_execution_retry(tx, s->id, s->attempt, s->epoch, s->until, 17, &s->changed, err);
}

BODY(finish)
{
	step *s = arg;

	return scp__store_execution_finish(tx, s->id, s->from, s->attempt == UINT32_MAX ? -1 : (int64_t)s->attempt,
	    s->epoch, &s->finish, &s->changed, err);
}

static step do_claim(const char *who, int64_t now, int64_t until)
{
	step s = { .id = "e1", .who = who, .now = now, .until = until };

	WRITE(claim, &s);
	return s;
}

static void one_pending(void)
{
	seed_session("sess_1");
	seed_execution("e1", "sess_1", 100);
}

START_TEST(every_field_comes_back)
{
	static const scp_pair env[] = { { "A", "b" }, { "MY_KEY", "hush" } };
	scp__execution in = plain_execution("e1", "sess_1"), *e;

	seed_session("sess_1");
	in.env = env;
	in.env_count = 2;
	in.stdin_data = "in\0put";
	in.stdin_len = 6;
	in.not_before_us = 5;
	in.request_id = "req";
	in.actor = "me";
	WRITE(insert_execution, &in);
	e = get_execution("e1", SCP__LOAD_CODE | SCP__LOAD_RESULT);
	ck_assert_str_eq(e->pub.id, "e1");
	ck_assert_str_eq(e->pub.session_id, "sess_1");
	ck_assert_int_eq(e->pub.status, SCP_EXECUTION_PENDING);
	ck_assert_int_eq(e->pub.language, SCP_PYTHON);
	ck_assert_uint_eq(e->pub.timeout_s, 30);
	ck_assert_str_eq(e->pub.code, "pass");
	ck_assert_uint_eq(e->pub.code_len, 4);
	ck_assert_str_eq(e->pub.event_json, "{}");
	ck_assert_mem_eq(e->stdin_data, "in\0put", 7);
	ck_assert_uint_eq(e->stdin_len, 6);
	ck_assert_str_eq(e->pub.env[1]->value, "***");
	ck_assert_str_eq(e->env[1].value, "hush");
	ck_assert_uint_eq(e->pub.max_retries, 3);
	ck_assert_int_eq(e->pub.created_us, 100);
	ck_assert_int_eq(e->pub.exit_code, -1);
	ck_assert_int_eq(e->not_before_us, 5);
	ck_assert_str_eq(e->owner, "");
	ck_assert_str_eq(e->request_id, "req");
	ck_assert_str_eq(e->actor, "me");
	ck_assert_ptr_null(e->pub.result);
	ck_assert_ptr_null(e->pub.out);
	ck_assert_ptr_null(e->container_id);
	scp_execution_free(&e->pub);
}
END_TEST

START_TEST(large_code_and_event_come_back_from_their_own_place)
{
	size_t len = 100000;
	char *code = malloc(len + 1), *event = malloc(len + 1);
	scp__execution in = plain_execution("e1", "sess_1"), *e;

	memset(code, 'c', len);
	memset(event, '1', len);
	code[len] = event[len] = '\0';
	seed_session("sess_1");
	in.pub.code = code;
	in.pub.code_len = len;
	in.pub.event_json = event;
	WRITE(insert_execution, &in);
	e = get_execution("e1", SCP__LOAD_CODE);
	ck_assert_uint_eq(e->pub.code_len, len);
	ck_assert_mem_eq(e->pub.code, code, len + 1);
	ck_assert_str_eq(e->pub.event_json, event);
	scp_execution_free(&e->pub);
	e = get_execution("e1", 0);
	ck_assert_ptr_null(e->pub.code);
	scp_execution_free(&e->pub);
	free(code);
	free(event);
}
END_TEST

START_TEST(an_execution_without_session_is_refused)
{
	scp__execution e = plain_execution("e1", "sess_none");

	ck_assert_int_eq(transact(SCP_DB_WRITE, insert_execution, &e, NULL), SCP_EBACKEND);
}
END_TEST

/* ---- claims ---- */

START_TEST(a_claim_holds_until_its_lease_is_over)
{
	one_pending();
	ck_assert(do_claim("a", 10, 100).changed);
	ck_assert(!do_claim("b", 50, 200).changed);
	ck_assert(do_claim("b", 101, 200).changed);
	ck_assert(!do_claim("a", 102, 200).changed);
}
END_TEST

START_TEST(each_claim_has_an_epoch_of_its_own)
{
	one_pending();
	ck_assert_int_eq(do_claim("a", 10, 100).epoch, 1);
	ck_assert_int_eq(do_claim("a", 20, 100).epoch, 2);
	ck_assert_int_eq(do_claim("b", 20, 100).epoch, 0);
	ck_assert_int_eq(do_claim("b", 101, 200).epoch, 3);
}
END_TEST

START_TEST(what_is_over_can_not_be_claimed)
{
	one_pending();
	raw_sql("UPDATE execution SET status = 3");
	ck_assert(!do_claim("a", 10, 100).changed);
}
END_TEST

typedef struct racer {
	pthread_t thread;
	char who[16];
	bool won;
} racer;

static void *race(void *arg)
{
	racer *r = arg;
	step s = { .id = "e1", .who = r->who, .now = 10, .until = 100 };

	r->won = !transact(SCP_DB_WRITE, claim, &s, NULL) && s.changed;
	return NULL;
}

START_TEST(of_many_that_claim_at_once_one_wins)
{
	racer racers[8] = { 0 };
	int winners = 0;

	one_pending();
	for (int i = 0; i < 8; i++) {
		snprintf(racers[i].who, sizeof(racers[i].who), "r%d", i);
		pthread_create(&racers[i].thread, NULL, race, &racers[i]);
	}
	for (int i = 0; i < 8; i++) {
		pthread_join(racers[i].thread, NULL);
		winners += racers[i].won;
	}
	ck_assert_int_eq(winners, 1);
}
END_TEST

BODY(renew)
{
	return scp__store_execution_renew(tx, arg, 500, err);
}

BODY(orphan)
{
	return scp__store_execution_orphan(tx, "n1", arg, err);
}

START_TEST(a_renewed_lease_holds_longer)
{
	char owner[] = "a";

	one_pending();
	do_claim("a", 10, 100);
	WRITE(renew, owner);
	ck_assert(!do_claim("b", 400, 900).changed);
	ck_assert(do_claim("b", 501, 900).changed);
}
END_TEST

START_TEST(what_a_dead_owner_drove_on_a_node_is_free_at_once)
{
	char me[] = "b";

	one_pending();
	raw_sql("UPDATE session SET node = 'n1'");
	do_claim("a", 10, 1000);
	WRITE(orphan, me);
	ck_assert(do_claim("b", 20, 1000).changed);
	WRITE(orphan, me);
	ck_assert(!do_claim("c", 30, 1000).changed);
}
END_TEST

/* ---- attempts ---- */

START_TEST(sent_and_started_want_the_present_epoch_and_attempt)
{
	step s = { .id = "e1", .who = "c1", .epoch = 1, .now = 200, .until = 300 };
	scp__execution *e;

	one_pending();
	do_claim("a", 10, 100);
	s.epoch = 0;
	WRITE(sent, &s);
	ck_assert(!s.changed);
	s.epoch = 1;
	WRITE(sent, &s);
	ck_assert(s.changed);
	s.attempt = 1;
	WRITE(started, &s);
	ck_assert(!s.changed);
	s.attempt = 0;
	WRITE(started, &s);
	ck_assert(s.changed);
	WRITE(started, &s);
	ck_assert(!s.changed);
	e = get_execution("e1", 0);
	ck_assert_int_eq(e->pub.status, SCP_EXECUTION_RUNNING);
	ck_assert_int_eq(e->pub.started_us, 200);
	ck_assert_int_eq(e->pub.last_heartbeat_us, 200);
	ck_assert_int_eq(e->deadline_us, 300);
	ck_assert_str_eq(e->container_id, "c1");
	scp_execution_free(&e->pub);
}
END_TEST

START_TEST(a_retry_is_pending_again_with_the_next_attempt)
{
	step s = { .id = "e1", .who = "c1", .epoch = 1, .now = 200, .until = 300 };
	scp__execution *e;

	one_pending();
	do_claim("a", 10, 100);
	WRITE(sent, &s);
	WRITE(started, &s);
	WRITE(retry, &s);
	ck_assert(s.changed);
	WRITE(retry, &s);
	ck_assert(!s.changed);
	e = get_execution("e1", 0);
	ck_assert_int_eq(e->pub.status, SCP_EXECUTION_PENDING);
	ck_assert_uint_eq(e->attempt, 1);
	ck_assert_uint_eq(e->pub.retry_count, 1);
	ck_assert_int_eq(e->not_before_us, 300);
	ck_assert_uint_eq(e->seq, 17);
	ck_assert_ptr_null(e->container_id);
	ck_assert_str_eq(e->owner, "a");
	ck_assert_int_eq(e->deadline_us, 0);
	scp_execution_free(&e->pub);
}
END_TEST

BODY(heartbeat_and_cancel)
{
	scp_status rc = scp__store_execution_heartbeat(tx, "e1", *(int64_t *)arg, 777, err);

	return rc ? rc : scp__store_execution_request_cancel(tx, "e1", err);
}

START_TEST(a_heartbeat_of_an_old_epoch_is_ignored)
{
	int64_t old = 0, present = 1;
	scp__execution *e;

	one_pending();
	do_claim("a", 10, 100);
	WRITE(heartbeat_and_cancel, &old);
	e = get_execution("e1", 0);
	ck_assert_int_eq(e->pub.last_heartbeat_us, 0);
	ck_assert(e->cancel_requested);
	scp_execution_free(&e->pub);
	WRITE(heartbeat_and_cancel, &present);
	e = get_execution("e1", 0);
	ck_assert_int_eq(e->pub.last_heartbeat_us, 777);
	scp_execution_free(&e->pub);
}
END_TEST

/* ---- the end ---- */

static const scp_metrics metrics = { 1.5, 2.25, 3.125, 4, 5, "cgroup" };
static const scp_artifact artifacts[] = {
	{ "b.csv", 3, "text/csv", "artifact", "abc", 7 },
	{ "a.txt", 4, "text/plain", "artifact", "", 8 },
};

static step full_finish(void)
{
	return (step){ .id = "e1",
		.epoch = 1,
		.from = LIVE_BITS,
		.finish = { .to = SCP_EXECUTION_COMPLETED,
		    .exit_code = 0,
		    .return_json = "{\"x\":1}",
		    .metrics = &metrics,
		    .out = "ou\0t",
		    .out_len = 4,
		    .out_bytes = 9,
		    .err = "e",
		    .err_len = 1,
		    .err_bytes = 1,
		    .index = "\1\2",
		    .index_len = 2,
		    .seq = 42,
		    .artifacts = artifacts,
		    .artifact_count = 2,
		    .now_us = 900 } };
}

static void claimed_and_running(void)
{
	step s = { .id = "e1", .who = "c1", .epoch = 1, .now = 200, .until = 300 };

	one_pending();
	do_claim("a", 10, 100);
	WRITE(started, &s);
}

START_TEST(a_result_comes_back_whole)
{
	step s = full_finish();
	scp__execution *e;

	claimed_and_running();
	WRITE(finish, &s);
	ck_assert(s.changed);
	e = get_execution("e1", SCP__LOAD_RESULT);
	ck_assert_str_eq(e->pub.result, "success");
	ck_assert_int_eq(e->pub.completed_us, 900);
	ck_assert_int_eq(e->pub.exit_code, 0);
	ck_assert_str_eq(e->pub.return_json, "{\"x\":1}");
	ck_assert_mem_eq(e->pub.out, "ou\0t", 5);
	ck_assert_uint_eq(e->pub.out_len, 4);
	ck_assert_uint_eq(e->pub.out_bytes, 9);
	ck_assert(e->pub.out_truncated && !e->pub.err_truncated);
	ck_assert_str_eq(e->pub.err, "e");
	ck_assert_mem_eq(e->index, "\1\2", 2);
	ck_assert_uint_eq(e->index_len, 2);
	ck_assert_uint_eq(e->seq, 42);
	ck_assert_double_eq(e->pub.metrics->duration_ms, 1.5);
	ck_assert_double_eq(e->pub.metrics->cpu_time_ms, 2.25);
	ck_assert_double_eq(e->pub.metrics->peak_memory_mb, 3.125);
	ck_assert_uint_eq(e->pub.metrics->io_read_bytes, 4);
	ck_assert_uint_eq(e->pub.metrics->io_write_bytes, 5);
	ck_assert_str_eq(e->pub.metrics->source, "cgroup");
	ck_assert_uint_eq(e->pub.artifact_count, 2);
	ck_assert_str_eq(e->pub.artifacts[0]->path, "b.csv");
	ck_assert_uint_eq(e->pub.artifacts[1]->size_bytes, 4);
	ck_assert_str_eq(e->pub.artifacts[0]->mime_type, "text/csv");
	ck_assert_str_eq(e->pub.artifacts[0]->sha256, "abc");
	ck_assert_int_eq(e->pub.artifacts[1]->created_us, 8);
	ck_assert_str_eq(e->owner, "");
	scp_execution_free(&e->pub);
}
END_TEST

START_TEST(a_second_result_changes_nothing)
{
	step first = full_finish(), second = full_finish();
	scp__execution *e;

	claimed_and_running();
	second.finish.to = SCP_EXECUTION_FAILED;
	second.finish.out = "other";
	second.finish.out_len = 5;
	WRITE(finish, &first);
	WRITE(finish, &second);
	ck_assert(!second.changed);
	e = get_execution("e1", SCP__LOAD_RESULT);
	ck_assert_str_eq(e->pub.result, "success");
	ck_assert_uint_eq(e->pub.out_len, 4);
	scp_execution_free(&e->pub);
	ck_assert_int_eq(raw_number("SELECT count(*) FROM artifact"), 2);
}
END_TEST

START_TEST(a_result_of_another_attempt_or_epoch_is_refused)
{
	step s = full_finish();

	claimed_and_running();
	s.attempt = 1;
	WRITE(finish, &s);
	ck_assert(!s.changed);
	s = full_finish();
	s.epoch = 2;
	WRITE(finish, &s);
	ck_assert(!s.changed);
	s.epoch = -1;
	s.attempt = UINT32_MAX;
	WRITE(finish, &s);
	ck_assert(s.changed);
}
END_TEST

START_TEST(every_end_has_its_word)
{
	static const struct {
		scp_execution_status to;
		const char *word;
	} ends[] = { { SCP_EXECUTION_COMPLETED, "success" }, { SCP_EXECUTION_FAILED, "failed" },
		{ SCP_EXECUTION_TIMEOUT, "timeout" }, { SCP_EXECUTION_CRASHED, "crashed" },
		{ SCP_EXECUTION_CANCELLED, "cancelled" } };
	scp__execution *e;
	char sql[64];

	one_pending();
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		snprintf(sql, sizeof(sql), "UPDATE execution SET status = %d", ends[i].to);
		raw_sql(sql);
		e = get_execution("e1", 0);
		ck_assert_str_eq(e->pub.result, ends[i].word);
		scp_execution_free(&e->pub);
	}
}
END_TEST

START_TEST(silence_needs_no_row_and_reads_as_empty)
{
	step s = { .id = "e1",
		.epoch = -1,
		.attempt = UINT32_MAX,
		.from = SCP__BIT(SCP_EXECUTION_PENDING),
		.finish = { .to = SCP_EXECUTION_CANCELLED, .exit_code = -1, .error = "cancelled", .now_us = 5 } };
	scp__execution *e;

	one_pending();
	WRITE(finish, &s);
	ck_assert(s.changed);
	ck_assert_int_eq(raw_number("SELECT count(*) FROM output"), 0);
	e = get_execution("e1", SCP__LOAD_RESULT);
	ck_assert_str_eq(e->pub.result, "cancelled");
	ck_assert_str_eq(e->pub.error, "cancelled");
	ck_assert_str_eq(e->pub.out, "");
	ck_assert_str_eq(e->pub.err, "");
	ck_assert_ptr_null(e->pub.return_json);
	ck_assert_ptr_null(e->pub.metrics);
	scp_execution_free(&e->pub);
}
END_TEST

START_TEST(output_in_storage_is_a_key_and_a_length)
{
	step s = full_finish();
	scp__execution *e;

	claimed_and_running();
	s.finish.out = NULL;
	s.finish.out_len = 1000;
	s.finish.out_bytes = 1000;
	s.finish.stdout_key = "sessions/x/out";
	WRITE(finish, &s);
	e = get_execution("e1", SCP__LOAD_RESULT);
	ck_assert_str_eq(e->stdout_key, "sessions/x/out");
	ck_assert_ptr_null(e->pub.out);
	ck_assert_uint_eq(e->pub.out_len, 1000);
	ck_assert_ptr_null(e->stderr_key);
	ck_assert_str_eq(e->pub.err, "e");
	scp_execution_free(&e->pub);
}
END_TEST

START_TEST(a_session_takes_its_executions_along)
{
	step s = full_finish();

	claimed_and_running();
	WRITE(finish, &s);
	raw_sql("DELETE FROM session WHERE id = 'sess_1'");
	ck_assert_int_eq(raw_number("SELECT count(*) FROM execution"), 0);
	ck_assert_int_eq(raw_number("SELECT count(*) FROM output"), 0);
	ck_assert_int_eq(raw_number("SELECT count(*) FROM artifact"), 0);
}
END_TEST

/* ---- which ---- */

typedef struct found {
	scp__ids ids, asked;
	const char *node;
	int64_t now;
	uint64_t pending, live;
	scp_execution_query q;
	scp_execution_page *page;
} found;

BODY(due)
{
	found *f = arg;

	scp__ids_clear(&f->ids);
	return scp__store_execution_due(tx, f->node, f->now, 10, &f->ids, err);
}

BODY(live)
{
	found *f = arg;

	scp__ids_clear(&f->ids);
	return scp__store_execution_live(tx, "sess_1", LIVE_BITS, 10, &f->ids, err);
}

BODY(over)
{
	found *f = arg;

	scp__ids_clear(&f->ids);
	return scp__store_execution_over(tx, &f->asked, &f->ids, err);
}

BODY(counts)
{
	found *f = arg;

	return scp__store_execution_counts(tx, "sess_1", &f->pending, &f->live, err);
}

BODY(list)
{
	found *f = arg;

	return scp__store_execution_list(tx, &f->q, &f->page, err);
}

START_TEST(due_are_the_pending_that_nobody_drives_here_or_nowhere)
{
	found f = { .node = "n1", .now = 1000 };

	seed_session("sess_1");
	seed_session("sess_2");
	seed_execution("later", "sess_1", 300);
	seed_execution("first", "sess_1", 200);
	seed_execution("away", "sess_2", 100);
	seed_execution("held", "sess_1", 100);
	seed_execution("waits", "sess_1", 100);
	seed_execution("over", "sess_1", 100);
	raw_sql("UPDATE session SET node = 'n2' WHERE id = 'sess_2';"
		"UPDATE execution SET owner = 'a', lease_until_us = 1000 WHERE id = 'held';"
		"UPDATE execution SET owner = 'a', lease_until_us = 999 WHERE id = 'later';"
		"UPDATE execution SET not_before_us = 1001 WHERE id = 'waits';"
		"UPDATE execution SET status = 4 WHERE id = 'over'");
	READ(due, &f);
	ck_assert_uint_eq(f.ids.count, 2);
	ck_assert_str_eq(f.ids.ids[0], "first");
	ck_assert_str_eq(f.ids.ids[1], "later");
	f.node = "n2";
	raw_sql("UPDATE session SET node = 'n1' WHERE id = 'sess_1'");
	READ(due, &f);
	ck_assert_uint_eq(f.ids.count, 1);
	ck_assert_str_eq(f.ids.ids[0], "away");
	scp__ids_free(&f.ids);
}
END_TEST

START_TEST(live_ones_come_oldest_first_and_are_counted)
{
	found f = { 0 };

	seed_session("sess_1");
	seed_session("sess_2");
	seed_execution("b", "sess_1", 300);
	seed_execution("a", "sess_1", 200);
	seed_execution("x", "sess_2", 100);
	raw_sql("UPDATE execution SET status = 2 WHERE id = 'b'");
	READ(live, &f);
	ck_assert_uint_eq(f.ids.count, 2);
	ck_assert_str_eq(f.ids.ids[0], "a");
	READ(counts, &f);
	ck_assert_uint_eq(f.pending, 1);
	ck_assert_uint_eq(f.live, 3);
	scp__ids_free(&f.ids);
}
END_TEST

START_TEST(of_many_asked_for_those_that_are_over_are_told)
{
	found f = { 0 };
	char id[SCP__ID_SIZE];

	seed_session("sess_1");
	f.asked.ids = calloc(40, sizeof(f.asked.ids[0]));
	f.asked.count = f.asked.capacity = 40;
	for (int i = 0; i < 40; i++) {
		snprintf(id, sizeof(id), "e%02d", i);
		strcpy(f.asked.ids[i], id);
		seed_execution(id, "sess_1", i);
	}
	READ(over, &f);
	ck_assert_uint_eq(f.ids.count, 0);
	raw_sql("UPDATE execution SET status = 3 WHERE id IN ('e00', 'e16', 'e39'); UPDATE execution SET status = 2 "
		"WHERE id = 'e01'");
	READ(over, &f);
	ck_assert_uint_eq(f.ids.count, 3);
	scp__ids_free(&f.ids);
	scp__ids_free(&f.asked);
}
END_TEST

START_TEST(lists_filter_by_session_and_status)
{
	static const struct {
		scp_execution_query q;
		const char *ids;
	} cases[] = {
		{ { .limit = 10 }, "cxba" },
		{ { .session_id = "sess_1" }, "cba" },
		{ { .status = SCP_EXECUTION_RUNNING }, "xa" },
		{ { .session_id = "sess_1", .status = SCP_EXECUTION_PENDING }, "cb" },
	};
	found f = { 0 };
	char got[16];

	seed_session("sess_1");
	seed_session("sess_2");
	seed_execution("a", "sess_1", 100);
	seed_execution("b", "sess_1", 200);
	seed_execution("c", "sess_1", 300);
	seed_execution("x", "sess_2", 250);
	raw_sql("UPDATE execution SET status = 2 WHERE id IN ('a', 'x')");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		f.q = cases[i].q;
		READ(list, &f);
		got[0] = '\0';
		for (size_t k = 0; k < f.page->count; k++)
			strcat(got, f.page->items[k]->id);
		ck_assert_str_eq(got, cases[i].ids);
		ck_assert_uint_eq(f.page->total, strlen(got));
		ck_assert_ptr_null(f.page->items[0]->code);
		scp_execution_page_free(f.page);
	}
}
END_TEST

Suite *execution_suite(void)
{
	Suite *s = suite_create("execution");
	TCase *c = tcase_create("execution");

	tcase_add_checked_fixture(c, fixture_open, fixture_close);
	tcase_add_test(c, every_field_comes_back);
	tcase_add_test(c, large_code_and_event_come_back_from_their_own_place);
	tcase_add_test(c, an_execution_without_session_is_refused);
	tcase_add_test(c, a_claim_holds_until_its_lease_is_over);
	tcase_add_test(c, each_claim_has_an_epoch_of_its_own);
	tcase_add_test(c, what_is_over_can_not_be_claimed);
	tcase_add_test(c, of_many_that_claim_at_once_one_wins);
	tcase_add_test(c, a_renewed_lease_holds_longer);
	tcase_add_test(c, what_a_dead_owner_drove_on_a_node_is_free_at_once);
	tcase_add_test(c, sent_and_started_want_the_present_epoch_and_attempt);
	tcase_add_test(c, a_retry_is_pending_again_with_the_next_attempt);
	tcase_add_test(c, a_heartbeat_of_an_old_epoch_is_ignored);
	tcase_add_test(c, a_result_comes_back_whole);
	tcase_add_test(c, a_second_result_changes_nothing);
	tcase_add_test(c, a_result_of_another_attempt_or_epoch_is_refused);
	tcase_add_test(c, every_end_has_its_word);
	tcase_add_test(c, silence_needs_no_row_and_reads_as_empty);
	tcase_add_test(c, output_in_storage_is_a_key_and_a_length);
	tcase_add_test(c, a_session_takes_its_executions_along);
	tcase_add_test(c, due_are_the_pending_that_nobody_drives_here_or_nowhere);
	tcase_add_test(c, live_ones_come_oldest_first_and_are_counted);
	tcase_add_test(c, of_many_asked_for_those_that_are_over_are_told);
	tcase_add_test(c, lists_filter_by_session_and_status);
	suite_add_tcase(s, c);
	return s;
}
