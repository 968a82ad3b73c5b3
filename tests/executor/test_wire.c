/* The protocol: what is refused, attached to, replayed, kept and forgotten. */
#include "box.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct box box;
static struct outcome o;

static void set_up(void)
{
	box_start(&box, NULL);
}

static void set_up_small(void)
{
	box_start(&box, (const char *const[]){ "--max-running=2", "--max-queued=2", NULL });
}

static void set_up_tiny_spool(void)
{
	box_start(&box, (const char *const[]){ "--spool-mib=5", NULL });
}

static void tear_down(void)
{
	outcome_free(&o);
	box_stop(&box);
}

static const char *text(const scp__buf *b)
{
	return b->data ? b->data : "";
}

static void read_attached(const char *target)
{
	struct stream s;

	stream_open(&s, &box, "GET", target, NULL, 0);
	outcome_read(&o, &s);
	stream_close(&s);
}

START_TEST(info_says_what_there_is)
{
	struct stream s;
	scp__record r;
	unsigned languages = 0;
	bool version = false;

	stream_open(&s, &box, "GET", "/v1/info", NULL, 0);
	while (stream_next(&s, &r)) {
		languages += scp__record_is(&r, SCP__INFO_LANGUAGE);
		version |=
		    scp__record_is(&r, SCP__INFO_PROTOCOL) && r.len == 1 && !memcmp(r.data, SCP__PROTOCOL_VERSION, 1);
		if (scp__record_is(&r, SCP__INFO_UID_MODE))
			ck_assert_mem_eq(r.data, geteuid() ? "same-uid" : "separate", r.len);
	}
	stream_close(&s);
	ck_assert(version);
	ck_assert_uint_eq(languages, 3);
}
END_TEST

#define GOOD "execution 0 1\nxattempt 0 1\n0language 0 5\nshelltimeout_ms 0 4\n1000"

static const char *const bad_requests[] = {
	"",
	"garbage",
	GOOD,					 /* no code */
	GOOD "code 0 5\nexi",			 /* cut off */
	GOOD "code 0 6\nexit 0code 0 6\nexit 0", /* twice */
	GOOD "code 0 6\nexit 0env 0 3\nA-B",
	GOOD "code 0 6\nexit 0env 0 4\nA-B=",
	GOOD "code 0 6\nexit 0env 0 2\n=x",
	GOOD "code 0 6\nexit 0seq 0 2\n-1",
	"execution 0 2\n..attempt 0 1\n0language 0 5\nshelltimeout_ms 0 4\n1000code 0 1\n:",
	"execution 0 1\nxattempt 0 2\n-1language 0 5\nshelltimeout_ms 0 4\n1000code 0 1\n:",
	"execution 0 1\nxattempt 0 1\n0language 0 4\nrubytimeout_ms 0 4\n1000code 0 1\n:",
	"execution 0 1\nxattempt 0 1\n0language 0 5\nshelltimeout_ms 0 1\n0code 0 1\n:",
};

START_TEST(bad_requests_start_nothing)
{
	struct stream s;

	stream_open(&s, &box, "POST", "/v1/run", bad_requests[_i], strlen(bad_requests[_i]));
	ck_assert_int_eq(s.status, 400);
	stream_close(&s);
	ck_assert_int_eq(ask(&box, "GET", "/v1/runs/x/0"), 404);
}
END_TEST

START_TEST(too_long_code_and_nul_in_a_shell_are_refused)
{
	static char code[SCP__CODE_MAX + 2];
	struct stream s;

	memset(code, 'x', SCP__CODE_MAX + 1);
	run_open(&s, &box, &(struct spec){ .code = code });
	ck_assert_int_eq(s.status, 400);
	stream_close(&s);
	run_open(&s, &box, &(struct spec){ .code = "a\0b", .code_len = 3 });
	ck_assert_int_eq(s.status, 400);
	stream_close(&s);
}
END_TEST

START_TEST(unknown_routes_and_runs_are_404)
{
	ck_assert_int_eq(ask(&box, "GET", "/"), 404);
	ck_assert_int_eq(ask(&box, "GET", "/v1/run"), 404);
	ck_assert_int_eq(ask(&box, "GET", "/v1/runs/nobody/0"), 404);
	ck_assert_int_eq(ask(&box, "GET", "/v1/runs/nobody/x"), 404);
	ck_assert_int_eq(ask(&box, "POST", "/v1/runs/nobody/0/cancel"), 404);
	ck_assert_int_eq(ask(&box, "POST", "/v1/runs/nobody/0/ack"), 204);
}
END_TEST

START_TEST(events_count_on_from_the_requests_seq)
{
	run(&o, &box, &(struct spec){ .code = "echo x", .seq = 41, .attempt = 2 });
	ck_assert_uint_eq(o.first_seq, 42);
	ck_assert(o.over);
}
END_TEST

START_TEST(a_known_run_is_attached_to_and_never_started_again)
{
	run(&o, &box, &(struct spec){ .code = "echo once >> count; echo out" });
	outcome_free(&o);
	run(&o, &box, &(struct spec){ .code = "echo once >> count; echo out" });
	ck_assert_str_eq(text(&o.out), "out\n");
	outcome_free(&o);
	run(&o, &box, &(struct spec){ .attempt = 1, .code = "wc -l < count" });
	ck_assert_str_eq(text(&o.out), "1\n");
}
END_TEST

START_TEST(two_clients_see_the_same)
{
	struct stream first, second;
	struct outcome other;

	run_open(&first, &box, &(struct spec){ .code = "echo up; while [ ! -e go ]; do sleep 0.02; done; echo down" });
	await_output(&first, "up");
	stream_open(&second, &box, "GET", "/v1/runs/exec_1/0?after=0", NULL, 0);
	await_output(&second, "up");
	box_write_file(&box, "go", "");
	outcome_read(&o, &first);
	outcome_read(&other, &second);
	ck_assert_str_eq(text(&o.out), "down\n");
	ck_assert_str_eq(text(&other.out), "down\n");
	ck_assert_uint_eq(o.last_seq, other.last_seq);
	ck_assert(o.over && other.over);
	outcome_free(&other);
	stream_close(&first);
	stream_close(&second);
}
END_TEST

START_TEST(what_is_replayed_is_what_was_sent)
{
	uint64_t last;
	char target[64];

	run(&o, &box, &(struct spec){ .code = "echo a; echo b >&2; head -c 300000 /dev/zero; echo 1 >&3" });
	last = o.last_seq;
	outcome_free(&o);
	read_attached("/v1/runs/exec_1/0");
	ck_assert_uint_eq(o.first_seq, 1);
	ck_assert_uint_eq(o.last_seq, last);
	ck_assert_uint_eq(o.out.len, 300002);
	ck_assert_str_eq(text(&o.returned), "1\n");
	outcome_free(&o);
	(void)snprintf(target, sizeof(target), "/v1/runs/exec_1/0?after=%llu", (unsigned long long)last - 1);
	read_attached(target);
	ck_assert_uint_eq(o.first_seq, last);
	ck_assert(o.over);
	outcome_free(&o);
	(void)snprintf(target, sizeof(target), "/v1/runs/exec_1/0?after=%llu", (unsigned long long)last);
	read_attached(target);
	ck_assert_uint_eq(o.last_seq, 0);
	ck_assert_int_eq(ask(&box, "GET", "/v1/runs/exec_1/0?after=x"), 400);
}
END_TEST

START_TEST(an_acknowledged_run_is_forgotten_and_not_started_again)
{
	run(&o, &box, &(struct spec){ .code = "echo x" });
	ck_assert_int_eq(ask(&box, "POST", "/v1/runs/exec_1/0/ack"), 204);
	ck_assert_int_eq(ask(&box, "POST", "/v1/runs/exec_1/0/ack"), 204);
	ck_assert_int_eq(ask(&box, "GET", "/v1/runs/exec_1/0"), 404);
	outcome_free(&o);
	run(&o, &box, &(struct spec){ .code = "echo x" });
	ck_assert_int_eq(o.http, 410);
}
END_TEST

START_TEST(a_run_that_runs_is_not_acknowledged)
{
	struct stream s;

	run_open(&s, &box, &(struct spec){ .code = "sleep 60" });
	await_started(&s);
	ck_assert_int_eq(ask(&box, "POST", "/v1/runs/exec_1/0/ack"), 409);
	ck_assert_int_eq(ask(&box, "POST", "/v1/runs/exec_1/0/cancel"), 202);
	outcome_read(&o, &s);
	ck_assert_str_eq(o.status, "cancelled");
	stream_close(&s);
}
END_TEST

START_TEST(runs_are_listed)
{
	struct stream s;
	scp__record r;

	run(&o, &box, &(struct spec){ .code = "echo x" });
	stream_open(&s, &box, "GET", "/v1/runs", NULL, 0);
	ck_assert(stream_next(&s, &r));
	ck_assert_str_eq(r.name, "run");
	ck_assert_uint_eq(r.len, strlen("exec_1 0 over"));
	ck_assert_mem_eq(r.data, "exec_1 0 over", r.len);
	ck_assert(!stream_next(&s, &r));
	stream_close(&s);
}
END_TEST

START_TEST(heartbeats_come_while_nothing_else_does)
{
	struct stream s;
	scp__record r;

	run_open(&s, &box, &(struct spec){ .code = "sleep 60" });
	await_started(&s);
	ck_assert(stream_next(&s, &r));
	ck_assert_str_eq(r.name, SCP__EVENT_HEARTBEAT);
	ck_assert_uint_eq(r.seq, 0);
	stream_close(&s);
}
END_TEST

static void open_waiting(struct stream *s, const char *id)
{
	run_open(s, &box, &(struct spec){ .execution = id, .code = "echo up; while [ ! -e go ]; do sleep 0.02; done" });
}

START_TEST(a_queue_has_its_order_and_its_end)
{
	struct stream s[4];
	struct stream beyond;
	struct outcome each;

	open_waiting(&s[0], "a");
	open_waiting(&s[1], "b");
	await_output(&s[0], "up");
	await_output(&s[1], "up");
	open_waiting(&s[2], "c");
	open_waiting(&s[3], "d");
	ck_assert_int_eq(s[3].status, 200);
	open_waiting(&beyond, "e");
	ck_assert_int_eq(beyond.status, 429);
	stream_close(&beyond);
	ck_assert_int_eq(ask(&box, "POST", "/v1/runs/c/0/cancel"), 202);
	outcome_read(&o, &s[2]);
	ck_assert_str_eq(o.status, "cancelled");
	ck_assert(!o.started);
	box_write_file(&box, "go", "");
	for (unsigned i = 0; i < 4; i++) {
		if (i != 2) {
			outcome_read(&each, &s[i]);
			ck_assert_str_eq(each.status, "completed");
			outcome_free(&each);
		}
		stream_close(&s[i]);
	}
}
END_TEST

START_TEST(eight_run_at_once)
{
	struct stream s[8];
	struct outcome each;
	char id[8];

	for (unsigned i = 0; i < 8; i++) {
		(void)snprintf(id, sizeof(id), "r%u", i);
		open_waiting(&s[i], id);
	}
	for (unsigned i = 0; i < 8; i++)
		await_output(&s[i], "up");
	box_write_file(&box, "go", "");
	for (unsigned i = 0; i < 8; i++) {
		outcome_read(&each, &s[i]);
		ck_assert_str_eq(each.status, "completed");
		outcome_free(&each);
		stream_close(&s[i]);
	}
}
END_TEST

START_TEST(a_full_spool_refuses_until_results_are_acknowledged)
{
	run(&o, &box,
	    &(struct spec){ .execution = "a", .code = "head -c 2000000 /dev/zero; head -c 2000000 /dev/zero >&2" });
	ck_assert_str_eq(o.status, "completed");
	outcome_free(&o);
	run(&o, &box, &(struct spec){ .execution = "b", .code = "echo x" });
	ck_assert_int_eq(o.http, 503);
	ck_assert_int_eq(ask(&box, "POST", "/v1/runs/a/0/ack"), 204);
	outcome_free(&o);
	run(&o, &box, &(struct spec){ .execution = "b", .code = "echo x" });
	ck_assert_str_eq(o.status, "completed");
}
END_TEST

START_TEST(a_slow_reader_holds_up_nobody)
{
	struct stream slow;

	run_open(&slow, &box,
	    &(struct spec){ .execution = "slow", .code = "head -c 1048576 /dev/zero; head -c 1048576 /dev/zero >&2" });
	run(&o, &box, &(struct spec){ .execution = "other", .code = "echo x" });
	ck_assert_str_eq(o.status, "completed");
	outcome_free(&o);
	outcome_read(&o, &slow);
	ck_assert_str_eq(o.status, "completed");
	ck_assert_uint_eq(o.out.len, 1048576);
	ck_assert_uint_eq(o.errors.len, 1048576);
	stream_close(&slow);
}
END_TEST

static void add(Suite *suite, TCase *t, SFun fixture)
{
	suite_add_tcase(suite, t);
	tcase_add_checked_fixture(t, fixture, tear_down);
	tcase_set_timeout(t, 120);
}

Suite *wire_suite(void)
{
	Suite *suite = suite_create("executor wire");
	TCase *t = tcase_create("wire");
	TCase *small = tcase_create("two at once");
	TCase *tiny = tcase_create("a small spool");

	add(suite, t, set_up);
	add(suite, small, set_up_small);
	add(suite, tiny, set_up_tiny_spool);
	tcase_add_test(t, info_says_what_there_is);
	tcase_add_loop_test(t, bad_requests_start_nothing, 0, sizeof(bad_requests) / sizeof(bad_requests[0]));
	tcase_add_test(t, too_long_code_and_nul_in_a_shell_are_refused);
	tcase_add_test(t, unknown_routes_and_runs_are_404);
	tcase_add_test(t, events_count_on_from_the_requests_seq);
	tcase_add_test(t, a_known_run_is_attached_to_and_never_started_again);
	tcase_add_test(t, two_clients_see_the_same);
	tcase_add_test(t, what_is_replayed_is_what_was_sent);
	tcase_add_test(t, an_acknowledged_run_is_forgotten_and_not_started_again);
	tcase_add_test(t, a_run_that_runs_is_not_acknowledged);
	tcase_add_test(t, runs_are_listed);
	tcase_add_test(t, heartbeats_come_while_nothing_else_does);
	tcase_add_test(t, eight_run_at_once);
	tcase_add_test(t, a_slow_reader_holds_up_nobody);
	tcase_add_test(small, a_queue_has_its_order_and_its_end);
	tcase_add_test(tiny, a_full_spool_refuses_until_results_are_acknowledged);
	return suite;
}
