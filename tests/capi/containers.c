/* Containers, their logs, and nodes, through the C API. */
#include <stdio.h>

#include "capi.h"

static scp_container *container_of(const scp_session *s)
{
	scp_session *now = NULL;
	scp_container *c = NULL;

	OK(scp_session_get(&now, plane, s->id, err));
	ck_assert_ptr_nonnull(now->container_id);
	OK(scp_container_get(&c, plane, now->container_id, err));
	scp_session_free(now);
	return c;
}

START_TEST(a_container_that_runs_shows_what_it_uses)
{
	scp_session *s = make_session("shell-basic");
	scp_container *c = container_of(s);

	ck_assert_int_eq(c->status, SCP_CONTAINER_RUNNING);
	ck_assert_str_eq(scp_container_status_name(c->status), "running");
	ck_assert_str_eq(scp_container_status_name(0), "?");
	ck_assert_str_eq(c->session_id, s->id);
	ck_assert_str_eq(c->template_id, "shell-basic");
	ck_assert_str_eq(c->runtime_type, "oci");
	ck_assert_str_eq(c->image, "host:");
	ck_assert_uint_eq(c->resources->max_processes, 128);
	ck_assert_int_eq(c->exit_code, -1);
	ck_assert_ptr_null(c->exit_reason);
	ck_assert(c->started_us >= c->created_us && c->uptime_s > 0);
	ck_assert_ptr_nonnull(c->usage);
	ck_assert_uint_ge(c->usage->processes, 1);
	ck_assert_uint_gt(c->usage->memory_bytes, 0);
	ck_assert(c->usage->cpu_percent >= 0);
	scp_container_free(c);
	ck_assert_int_eq(scp_container_get(&c, plane, "scp-none", NULL), SCP_ENOTFOUND);
	ck_assert_ptr_null(c);
	ck_assert_int_eq(scp_container_get(NULL, plane, "scp-none", NULL), SCP_EINVAL);
	scp_session_free(s);
}
END_TEST

/* Ends the session and waits until its container is gone. */
static scp_container *end(const scp_session *s, const char *container_id)
{
	scp_container *c = NULL;

	OK(scp_session_terminate(NULL, plane, s->id, err));
	for (;;) {
		OK(scp_container_get(&c, plane, container_id, err));
		if (c->status == SCP_CONTAINER_REMOVED)
			return c;
		scp_container_free(c);
	}
}

START_TEST(a_container_that_was_removed_says_how_it_ended)
{
	scp_session *s = make_session("shell-basic");
	scp_container *running = container_of(s), *c = end(s, running->id);

	ck_assert_str_eq(c->exit_reason, "sigkill");
	ck_assert_ptr_null(c->usage);
	ck_assert(c->exited_us >= c->started_us && c->uptime_s > 0);
	scp_container_free(c);
	scp_container_free(running);
	scp_session_free(s);
}
END_TEST

static size_t list(const scp_container_query *q, uint64_t *total)
{
	scp_container_page *page = NULL;
	size_t count;

	OK(scp_container_list(&page, plane, q, err));
	count = page->count;
	*total = page->total;
	for (size_t i = 1; i < count; i++)
		ck_assert_int_ge(page->items[i - 1]->created_us, page->items[i]->created_us);
	scp_container_page_free(page);
	return count;
}

START_TEST(containers_are_listed_by_what_they_are)
{
	scp_session *a = make_session("shell-basic"), *b = make_session("shell-basic");
	scp_container *c = container_of(a);
	scp_container_query q = SCP_CONTAINER_QUERY_INIT;
	uint64_t total = 0;

	scp_container_free(end(a, c->id));
	ck_assert_uint_eq(list(NULL, &total), 2);
	q.limit = 1;
	ck_assert_uint_eq(list(&q, &total), 1);
	ck_assert_uint_eq(total, 2);
	q.status = SCP_CONTAINER_RUNNING;
	ck_assert_uint_eq(list(&q, &total), 1);
	ck_assert_uint_eq(total, 1);
	q.session_id = a->id;
	ck_assert_uint_eq(list(&q, &total), 0);
	q.status = 0;
	q.runtime_type = "oci";
	ck_assert_uint_eq(list(&q, &total), 1);
	q.runtime_type = "docker";
	ck_assert_uint_eq(list(&q, &total), 0);
	q.status = (scp_container_status)9;
	ck_assert_int_eq(scp_container_list(&(scp_container_page *){ NULL }, plane, &q, NULL), SCP_EINVAL);
	q.status = 0;
	q.limit = 201;
	ck_assert_int_eq(scp_container_list(&(scp_container_page *){ NULL }, plane, &q, NULL), SCP_EINVAL);
	ck_assert_int_eq(scp_container_list(NULL, plane, NULL, NULL), SCP_EINVAL);
	scp_container_free(c);
	scp_session_free(a);
	scp_session_free(b);
}
END_TEST

static scp_container_log *log_of(const char *id, uint32_t tail, int64_t since_us)
{
	scp_log_query q = SCP_LOG_QUERY_INIT;
	scp_container_log *log = NULL;

	q.tail = tail;
	q.since_us = since_us;
	OK(scp_container_logs(&log, plane, id, &q, err));
	ck_assert_uint_eq(strlen(log->text), log->len);
	return log;
}

static size_t count_of(const char *text, const char *part)
{
	size_t n = 0;

	while ((text = strstr(text, part))) {
		n++;
		text += strlen(part);
	}
	return n;
}

START_TEST(a_log_has_the_executors_lines_and_the_codes)
{
	scp_session *s = make_session("shell-basic");
	scp_container *c = container_of(s);
	scp_execution *e = run(s->id, SCP_SHELL, "echo one; printf 'two\\033[31m\\rx\\n'; echo bad >&2; printf last");
	scp_container_log *log = log_of(c->id, 0, 0);
	char source[96];

	(void)snprintf(source, sizeof(source), " %s stdout one\n", e->id);
	ck_assert_msg(strstr(log->text, source) != NULL, "%s", log->text);
	(void)snprintf(source, sizeof(source), " %s stderr bad\n", e->id);
	ck_assert_msg(strstr(log->text, source) != NULL, "%s", log->text);
	ck_assert_msg(strstr(log->text, "stdout two?[31m x\n") != NULL, "%s", log->text);
	ck_assert_msg(strstr(log->text, "stdout last\n") != NULL, "%s", log->text);
	ck_assert_msg(strstr(log->text, " executor ") != NULL, "%s", log->text);
	ck_assert(strstr(log->text, "stdout one") < strstr(log->text, "stdout two"));
	ck_assert(strstr(log->text, " executor ") < strstr(log->text, "stdout one"));
	ck_assert_uint_eq(log->line_count, count_of(log->text, "\n"));
	scp_container_log_free(log);
	scp_execution_free(e);
	scp_container_free(c);
	scp_session_free(s);
}
END_TEST

START_TEST(a_log_ends_with_its_tail_and_begins_with_since)
{
	scp_session *s = make_session("shell-basic");
	scp_container *c = container_of(s);
	scp_execution *first = run(s->id, SCP_SHELL, "for i in 1 2 3 4 5 6 7 8 9; do echo a$i; done");
	scp_execution *second = run(s->id, SCP_SHELL, "echo b1; echo b2");
	scp_container_log *log = log_of(c->id, 4, 0);

	ck_assert_uint_eq(log->line_count, 4);
	ck_assert(!strstr(log->text, "stdout a7") && strstr(log->text, "stdout a8") && strstr(log->text, "stdout b2"));
	scp_container_log_free(log);
	log = log_of(c->id, 0, second->completed_us);
	ck_assert_uint_eq(log->line_count, 2);
	ck_assert_ptr_nonnull(strstr(log->text, "stdout b1"));
	scp_container_log_free(log);
	log = log_of(c->id, 0, second->completed_us + 1000000);
	ck_assert_uint_eq(log->len, 0);
	scp_container_log_free(log);
	scp_container_free(end(s, c->id));
	log = log_of(c->id, 10000, 0); /* what the code said outlives its container */
	ck_assert_uint_eq(log->line_count, 11);
	scp_container_log_free(log);
	scp_execution_free(first);
	scp_execution_free(second);
	scp_container_free(c);
	scp_session_free(s);
}
END_TEST

START_TEST(a_log_is_bounded)
{
	scp_session *s = make_session("shell-basic");
	scp_container *c = container_of(s);
	scp_execution *e = run(s->id, SCP_SHELL,
	    "head -c 20000 /dev/zero | tr '\\0' x; echo; i=0; while [ $i -lt 12000 ]; do echo "
	    "0123456789012345678901234567890123456789012345678901234567890123456789; i=$((i+1)); done");
	scp_container_log *log = log_of(c->id, 10000, 0);

	ck_assert_uint_gt(log->line_count, 5000);
	ck_assert_uint_le(log->len, (1 << 20) + (64 << 10));
	scp_container_log_free(log);
	scp_execution_free(e);
	e = run(s->id, SCP_SHELL, "head -c 20000 /dev/zero | tr '\\0' x");
	log = log_of(c->id, 1, 0);
	ck_assert_uint_gt(log->len, 8000);
	ck_assert_uint_lt(log->len, 9000);
	scp_container_log_free(log);
	scp_execution_free(e);
	scp_container_free(c);
	scp_session_free(s);
}
END_TEST

START_TEST(what_still_runs_is_in_the_log)
{
	scp_session *s = make_session("shell-basic");
	scp_container *c = container_of(s);
	scp_execution_spec spec = SCP_EXECUTION_SPEC_INIT;
	scp_execution *e = NULL;
	bool seen = false;

	spec.language = SCP_SHELL;
	spec.code = "echo early; sleep 60";
	OK(scp_execute(&e, plane, s->id, &spec, err));
	while (!seen) {
		scp_container_log *log = log_of(c->id, 0, 0);

		seen = strstr(log->text, "stdout early") != NULL;
		scp_container_log_free(log);
	}
	scp_execution_free(e);
	scp_container_free(c);
	scp_session_free(s);
}
END_TEST

START_TEST(a_bad_question_about_a_log_is_refused)
{
	scp_log_query q = SCP_LOG_QUERY_INIT;
	scp_container_log *log = NULL;
	scp_error e = { 0 };

	q.tail = 10001;
	ck_assert_int_eq(scp_container_logs(&log, plane, "scp-none", &q, &e), SCP_EINVAL);
	ck_assert_ptr_nonnull(strstr(e.message, "tail"));
	q.tail = 1;
	q.since_us = -1;
	ck_assert_int_eq(scp_container_logs(&log, plane, "scp-none", &q, &e), SCP_EINVAL);
	ck_assert_ptr_nonnull(strstr(e.message, "since"));
	ck_assert_int_eq(scp_container_logs(&log, plane, "scp-none", NULL, &e), SCP_ENOTFOUND);
	ck_assert_str_eq(e.code, "ContainerNotFound");
	ck_assert_ptr_null(log);
	ck_assert_int_eq(scp_container_logs(NULL, plane, "scp-none", NULL, NULL), SCP_EINVAL);
}
END_TEST

START_TEST(a_node_that_drains_takes_no_new_session_but_keeps_its_own)
{
	scp_session *s = make_session("shell-basic");
	scp_session_spec spec = SCP_SESSION_SPEC_INIT;
	scp_node_page *page = NULL;
	scp_session *none = NULL;
	scp_node *n = NULL;
	scp_execution *e;
	scp_error why = { 0 };
	char id[128];

	OK(scp_node_list(&page, plane, NULL, err));
	ck_assert_uint_eq(page->count, 1);
	ck_assert_uint_eq(page->total, 1);
	ck_assert_str_eq(page->items[0]->status, "ready");
	ck_assert_uint_gt(page->items[0]->capacity->cpu_millis, 0);
	ck_assert_uint_eq(page->items[0]->allocated->containers, 1);
	ck_assert_uint_eq(page->items[0]->allocated->cpu_millis, 1000);
	ck_assert_uint_eq(page->items[0]->cached_image_count, 1);
	ck_assert_str_eq(page->items[0]->cached_images[0], "host:");
	(void)snprintf(id, sizeof(id), "%s", page->items[0]->id);
	scp_node_page_free(page);
	OK(scp_node_drain(&n, plane, id, true, err));
	ck_assert_str_eq(n->status, "draining");
	scp_node_free(n);
	spec.template_id = "shell-basic";
	ck_assert_int_eq(scp_session_create(&none, plane, &spec, &why), SCP_ECAPACITY);
	ck_assert_ptr_nonnull(strstr(why.message, "draining"));
	ck_assert_uint_gt(why.retry_after_ms, 0);
	e = run(s->id, SCP_SHELL, "kill -9 1; true");
	ck_assert_str_eq(e->result, "success");
	scp_execution_free(e);
	OK(scp_node_drain(NULL, plane, id, false, err));
	scp_session_free(make_session("shell-basic"));
	ck_assert_int_eq(scp_node_drain(&n, plane, "nowhere", true, NULL), SCP_ENOTFOUND);
	ck_assert_int_eq(scp_node_drain(&n, plane, NULL, true, NULL), SCP_EINVAL);
	ck_assert_int_eq(scp_node_list(NULL, plane, NULL, NULL), SCP_EINVAL);
	scp_session_free(s);
}
END_TEST

static void *awaited(struct slot *s, unsigned calls)
{
	slot_await(s, calls);
	ck_assert_msg(s->status == SCP_OK, "%s", s->text);
	return s->result;
}

START_TEST(the_asynchronous_twins_answer_too)
{
	scp_session *s = make_session("shell-basic");
	scp_container *c = container_of(s), *got;
	struct slot slot = SLOT_INIT;
	scp_container_page *containers;
	scp_container_log *log;
	scp_node_page *nodes;
	scp_node *n;

	OK(scp_container_get_async(NULL, plane, c->id, slot_done, &slot, err));
	got = awaited(&slot, 1);
	ck_assert_str_eq(got->id, c->id);
	OK(scp_container_list_async(NULL, plane, NULL, slot_done, &slot, err));
	containers = awaited(&slot, 2);
	ck_assert_uint_eq(containers->count, 1);
	OK(scp_container_logs_async(NULL, plane, c->id, NULL, slot_done, &slot, err));
	log = awaited(&slot, 3);
	ck_assert_uint_gt(log->len, 0);
	OK(scp_node_list_async(NULL, plane, NULL, slot_done, &slot, err));
	nodes = awaited(&slot, 4);
	ck_assert_uint_eq(nodes->count, 1);
	OK(scp_node_drain_async(NULL, plane, nodes->items[0]->id, true, slot_done, &slot, err));
	n = awaited(&slot, 5);
	ck_assert_str_eq(n->status, "draining");
	scp_node_free(n);
	scp_node_page_free(nodes);
	scp_container_log_free(log);
	scp_container_page_free(containers);
	scp_container_free(got);
	scp_container_free(c);
	scp_session_free(s);
}
END_TEST

Suite *suite_containers(void)
{
	Suite *s = suite_create("containers");
	TCase *t = tcase_create("containers");

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, open_plane, close_plane);
	tcase_add_test(t, a_container_that_runs_shows_what_it_uses);
	tcase_add_test(t, a_container_that_was_removed_says_how_it_ended);
	tcase_add_test(t, containers_are_listed_by_what_they_are);
	tcase_add_test(t, a_log_has_the_executors_lines_and_the_codes);
	tcase_add_test(t, a_log_ends_with_its_tail_and_begins_with_since);
	tcase_add_test(t, a_log_is_bounded);
	tcase_add_test(t, what_still_runs_is_in_the_log);
	tcase_add_test(t, a_bad_question_about_a_log_is_refused);
	tcase_add_test(t, a_node_that_drains_takes_no_new_session_but_keeps_its_own);
	tcase_add_test(t, the_asynchronous_twins_answer_too);
	suite_add_tcase(s, t);
	return s;
}
