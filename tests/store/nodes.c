/* Nodes that are heard of and that aren't, and what is placed on them. */
#include <stdlib.h>
#include <time.h>

#include "help.h"

typedef struct node_test {
	int64_t now;
	bool changed, lost;
	uint64_t count;
	scp__ids ids;
} node_test;

/* n1 says that it may be silent for 10 µs, n_old is of a release that says nothing. */
BODY(put_nodes)
{
	scp__node n = { .id = "n1",
		.runtime_type = "oci",
		.url = "oci:",
		.status = "ready",
		.heartbeat_us = 100,
		.lost_after_us = 10 };
	scp_status rc = scp__store_node_put(tx, &n, err);

	(void)arg;
	n.id = "n_old";
	n.lost_after_us = 0;
	return rc ? rc : scp__store_node_put(tx, &n, err);
}

BODY(ask_silent)
{
	node_test *t = arg;

	scp__ids_clear(&t->ids);
	return scp__store_node_silent(tx, t->now, &t->ids, err);
}

BODY(lose)
{
	node_test *t = arg;

	return scp__store_node_lose(tx, "n1", t->now, &t->changed, err);
}

BODY(beat)
{
	node_test *t = arg;

	return scp__store_node_heartbeat(tx, "n1", t->now, &t->changed, err);
}

BODY(find_again)
{
	node_test *t = arg;

	return scp__store_node_find_again(tx, "n1", t->now, err);
}

BODY(look)
{
	node_test *t = arg;
	scp_status rc = scp__store_node_hold(tx, "n1", &t->lost, err);

	scp__ids_clear(&t->ids);
	if (!rc)
		rc = scp__store_node_lost(tx, &t->ids, err);
	return rc ? rc : scp__store_node_count(tx, "lost", &t->count, err);
}

START_TEST(a_node_is_lost_when_it_said_it_would_be)
{
	node_test t = { .now = 110 };

	WRITE(put_nodes, NULL);
	READ(ask_silent, &t);
	ck_assert_uint_eq(t.ids.count, 0);
	t.now = 111;
	READ(ask_silent, &t);
	ck_assert_uint_eq(t.ids.count, 1);
	ck_assert_str_eq(t.ids.ids[0], "n1");
	t.now = 100 + 60000000;
	READ(ask_silent, &t);
	ck_assert_uint_eq(t.ids.count, 1);
	t.now++;
	READ(ask_silent, &t);
	ck_assert_uint_eq(t.ids.count, 2); /* the old one after the minute that it meant */
	scp__ids_free(&t.ids);
}
END_TEST

START_TEST(one_that_was_heard_of_meanwhile_is_not_lost)
{
	node_test t = { .now = 109 };

	WRITE(put_nodes, NULL);
	WRITE(beat, &t);
	ck_assert(t.changed);
	t.now = 115;
	WRITE(lose, &t);
	ck_assert(!t.changed);
	READ(look, &t);
	ck_assert(!t.lost);
	scp__ids_free(&t.ids);
}
END_TEST

START_TEST(what_runs_on_a_lost_node_is_nobodys_at_once_and_the_other_nodes_are_left_alone)
{
	node_test t = { .now = 200 };
	scp__execution *e;

	WRITE(put_nodes, NULL);
	seed_session("sess_a");
	seed_session("sess_b");
	seed_execution("exec_a", "sess_a", 1);
	seed_execution("exec_b", "sess_b", 1);
	raw_sql("UPDATE session SET node = 'n1' WHERE id = 'sess_a'");
	raw_sql("UPDATE session SET node = 'n_old' WHERE id = 'sess_b'");
	raw_sql("UPDATE execution SET owner = 'p1', epoch = 7, lease_until_us = 999, status = 2");
	WRITE(lose, &t);
	ck_assert(t.changed);
	e = get_execution("exec_a", 0);
	ck_assert_str_eq(e->owner, "");
	ck_assert_int_eq(e->epoch, 8);
	ck_assert_int_eq(e->lease_until_us, 0);
	scp_execution_free(&e->pub);
	e = get_execution("exec_b", 0);
	ck_assert_str_eq(e->owner, "p1");
	ck_assert_int_eq(e->epoch, 7);
	scp_execution_free(&e->pub);
	WRITE(lose, &t);
	ck_assert(!t.changed); /* once */
}
END_TEST

START_TEST(a_lost_node_is_not_heard_of_before_it_has_come_back)
{
	node_test t = { .now = 200 };

	WRITE(put_nodes, NULL);
	WRITE(lose, &t);
	WRITE(beat, &t);
	ck_assert(!t.changed);
	WRITE(put_nodes, NULL); /* nor when its process starts anew */
	READ(look, &t);
	ck_assert(t.lost);
	ck_assert_uint_eq(t.count, 1);
	ck_assert_uint_eq(t.ids.count, 1);
	READ(ask_silent, &t);
	ck_assert_uint_eq(t.ids.count, 0); /* known already */
	WRITE(find_again, &t);
	READ(look, &t);
	ck_assert(!t.lost);
	ck_assert_uint_eq(t.ids.count, 0);
	WRITE(beat, &t);
	ck_assert(t.changed);
	scp__ids_free(&t.ids);
}
END_TEST

/* ---- sessions ---- */

typedef struct place_test {
	const char *node;
	bool changed;
	scp__ids ids;
} place_test;

BODY(place)
{
	place_test *t = arg;

	return scp__store_session_place(tx, "sess_a", t->node, "oci", 500, &t->changed, err);
}

BODY(leave)
{
	place_test *t = arg;

	return scp__store_session_move(tx, "sess_a", t->node, 500, &t->changed, err);
}

BODY(ask_unmade)
{
	place_test *t = arg;

	scp__ids_clear(&t->ids);
	return scp__store_session_unmade(tx, t->node, 10, &t->ids, err);
}

BODY(ask_over)
{
	place_test *t = arg;

	scp__ids_clear(&t->ids);
	return scp__store_container_of_over(tx, t->node, 10, &t->ids, err);
}

START_TEST(a_session_has_one_node_until_it_leaves_it)
{
	place_test t = { .node = "n1" };
	scp__session *s;

	seed_session("sess_a");
	WRITE(place, &t);
	ck_assert(t.changed);
	WRITE(place, &t);
	ck_assert(t.changed); /* again is fine */
	t.node = "n2";
	WRITE(place, &t);
	ck_assert(!t.changed);
	WRITE(leave, &t);
	ck_assert(!t.changed);
	raw_sql("UPDATE session SET container_id = 'c1'");
	t.node = "n1";
	WRITE(leave, &t);
	ck_assert(t.changed);
	s = get_session("sess_a");
	ck_assert_ptr_null(s->pub.runtime_node);
	ck_assert_ptr_null(s->pub.container_id);
	scp_session_free(&s->pub);
	raw_sql("UPDATE session SET status = 4");
	WRITE(place, &t);
	ck_assert(!t.changed); /* over */
}
END_TEST

START_TEST(whoever_may_make_a_session_finds_it)
{
	place_test t = { .node = "n1" };

	seed_session("sess_a");
	raw_sql("UPDATE session SET status = 1, node = NULL, container_id = NULL");
	READ(ask_unmade, &t);
	ck_assert_uint_eq(t.ids.count, 1);
	raw_sql("UPDATE session SET node = 'n1'");
	READ(ask_unmade, &t);
	ck_assert_uint_eq(t.ids.count, 1);
	t.node = "n2";
	READ(ask_unmade, &t);
	ck_assert_uint_eq(t.ids.count, 0);
	t.node = "n1";
	raw_sql("UPDATE session SET container_id = 'c1'");
	READ(ask_unmade, &t);
	ck_assert_uint_eq(t.ids.count, 0);
	scp__ids_free(&t.ids);
}
END_TEST

BODY(insert_container)
{
	scp__container c = plain_container("c1");

	(void)arg;
	c.node = "n1";
	c.session_id = "sess_a";
	c.status = SCP_CONTAINER_RUNNING;
	return scp__store_container_insert(tx, &c, err);
}

START_TEST(containers_of_sessions_that_others_ended_are_found_by_their_node)
{
	place_test t = { .node = "n1" };

	seed_session("sess_a");
	WRITE(insert_container, NULL);
	raw_sql("UPDATE session SET status = 2");
	READ(ask_over, &t);
	ck_assert_uint_eq(t.ids.count, 0);
	raw_sql("UPDATE session SET status = 6");
	READ(ask_over, &t);
	ck_assert_uint_eq(t.ids.count, 1);
	ck_assert_str_eq(t.ids.ids[0], "sess_a");
	t.node = "n2";
	READ(ask_over, &t);
	ck_assert_uint_eq(t.ids.count, 0);
	t.node = "n1";
	raw_sql("UPDATE container SET status = 5");
	READ(ask_over, &t);
	ck_assert_uint_eq(t.ids.count, 0);
	scp__ids_free(&t.ids);
}
END_TEST

BODY(ask_now)
{
	return scp__store_now(tx, arg, err);
}

START_TEST(the_time_is_told)
{
	int64_t first, second, mine = (int64_t)time(NULL) * 1000000;

	READ(ask_now, &first);
	READ(ask_now, &second);
	ck_assert_int_ge(second, first);
	ck_assert_int_lt(llabs(first - mine), 60000000);
}
END_TEST

Suite *nodes_suite(void)
{
	Suite *s = suite_create("nodes");
	TCase *c = tcase_create("nodes");

	tcase_set_timeout(c, 120);
	tcase_add_checked_fixture(c, fixture_open, fixture_close);
	tcase_add_test(c, a_node_is_lost_when_it_said_it_would_be);
	tcase_add_test(c, one_that_was_heard_of_meanwhile_is_not_lost);
	tcase_add_test(c, what_runs_on_a_lost_node_is_nobodys_at_once_and_the_other_nodes_are_left_alone);
	tcase_add_test(c, a_lost_node_is_not_heard_of_before_it_has_come_back);
	tcase_add_test(c, a_session_has_one_node_until_it_leaves_it);
	tcase_add_test(c, whoever_may_make_a_session_finds_it);
	tcase_add_test(c, containers_of_sessions_that_others_ended_are_found_by_their_node);
	tcase_add_test(c, the_time_is_told);
	suite_add_tcase(s, c);
	return s;
}
