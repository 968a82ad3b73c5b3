/* Where sessions go, over nodes that only say yes or no. */
#include <check.h>
#include <stdlib.h>

#include "err.h"
#include "placement.h"

struct node {
	scp_runtime base;
	const char *name;
	scp_status answer; /* to what asks for an image */
	unsigned asked;
	bool absent; /* the image is to be fetched */
	scp_status fetched;
	scp_status network;
};

static const char *name_of(scp_runtime *rt)
{
	return ((struct node *)rt)->name;
}

static scp_status prepare(scp_runtime *rt, const char *image, char *digest, size_t digest_size, scp_error *err)
{
	struct node *n = (struct node *)rt;

	(void)digest;
	(void)digest_size;
	n->asked++;
	return n->answer ? scp__fail(err, n->answer, "%s on %s", image, n->name) : SCP_OK;
}

static scp_status look(scp_runtime *rt, const char *image, bool *here, scp_error *err)
{
	struct node *n = (struct node *)rt;

	*here = !n->absent && !n->answer;
	return n->answer ? scp__fail(err, n->answer, "%s on %s", image, n->name) : SCP_OK;
}

static scp_status fetch(scp_runtime *rt, const char *image, scp_runtime_progress_fn *fn, void *user, scp_error *err)
{
	struct node *n = (struct node *)rt;

	n->asked++;
	fn(user, "layer", "step", 1, 2);
	return n->fetched ? scp__fail(err, n->fetched, "%s on %s", image, n->name) : SCP_OK;
}

static scp_status network(scp_runtime *rt, scp_error *err)
{
	struct node *n = (struct node *)rt;

	return n->network ? scp__fail(err, n->network, "no network on %s", n->name) : SCP_OK;
}

static void count(void *user, const char *layer, const char *step, uint64_t done, uint64_t total)
{
	ck_assert_str_eq(layer, "layer");
	ck_assert_str_eq(step, "step");
	ck_assert(done == 1 && total == 2);
	++*(unsigned *)user;
}

static const scp_runtime_ops fetching = { .struct_size = sizeof(fetching),
	.type = "fetching",
	.node_name = name_of,
	.image_prepare = prepare,
	.image_look = look,
	.image_fetch = fetch,
	.network = network };
static const scp_runtime_ops ops = {
	.struct_size = sizeof(ops), .type = "plain", .node_name = name_of, .image_prepare = prepare
};
static struct node first, second;
static scp__schedule_node nodes[2];
static scp_runtime *chosen;
static scp_error err;
static scp__schedule_want want;
static unsigned counted;

static void setup(void)
{
	first = (struct node){ .base = { &ops }, .name = "first" };
	second = (struct node){ .base = { &ops }, .name = "second" };
	nodes[0] = (scp__schedule_node){ .runtime = &first.base };
	nodes[1] = (scp__schedule_node){ .runtime = &second.base };
	chosen = &first.base;
	err = (scp_error){ 0 };
	want = (scp__schedule_want){ .image = "image:1" };
}

static scp_status place(const char *node)
{
	want.node = node;
	return scp__schedule_place(&chosen, nodes, 2, &want, &err);
}

START_TEST(among_equals_the_operators_order_decides)
{
	ck_assert_int_eq(place(NULL), SCP_OK);
	ck_assert_ptr_eq(chosen, &first.base);
	ck_assert_uint_eq(second.asked, 0);
}
END_TEST

START_TEST(a_node_without_the_image_is_passed_over)
{
	first.answer = SCP_ENOTFOUND;
	ck_assert_int_eq(place(NULL), SCP_OK);
	ck_assert_ptr_eq(chosen, &second.base);
	ck_assert_int_eq(err.status, SCP_OK);
}
END_TEST

START_TEST(a_draining_node_takes_no_new_session)
{
	nodes[0].draining = true;
	ck_assert_int_eq(place(NULL), SCP_OK);
	ck_assert_ptr_eq(chosen, &second.base);
	ck_assert_uint_eq(first.asked, 0);
}
END_TEST

START_TEST(a_session_stays_on_its_node_while_that_drains)
{
	nodes[1].draining = true;
	ck_assert_int_eq(place("second"), SCP_OK);
	ck_assert_ptr_eq(chosen, &second.base);
	ck_assert_uint_eq(second.asked, 0);
}
END_TEST

START_TEST(a_session_goes_to_no_other_node_than_its_own)
{
	ck_assert_int_eq(place("third"), SCP_EUNAVAIL);
	ck_assert_ptr_null(chosen);
	ck_assert_str_eq(err.message, "node third is out of reach for this process");
	ck_assert_uint_gt(err.retry_after_ms, 0);
}
END_TEST

START_TEST(where_all_drain_it_is_to_be_tried_later)
{
	nodes[0].draining = nodes[1].draining = true;
	ck_assert_int_eq(place(NULL), SCP_ECAPACITY);
	ck_assert_ptr_null(chosen);
	ck_assert_uint_gt(err.retry_after_ms, 0);
}
END_TEST

START_TEST(an_image_that_nobody_has_is_not_found)
{
	first.answer = SCP_ENOTSUP;
	second.answer = SCP_ENOTFOUND;
	ck_assert_int_eq(place(NULL), SCP_ENOTSUP);
	ck_assert_str_eq(err.message, "image:1 on first");
	first.answer = SCP_ENOTFOUND;
	ck_assert_int_eq(place(NULL), SCP_ENOTFOUND);
	ck_assert_ptr_null(chosen);
}
END_TEST

/* Else a session would fail for good because of a node that was away for a second. */
START_TEST(a_node_that_could_not_tell_outweighs_one_that_has_not_the_image)
{
	first.answer = SCP_EUNAVAIL;
	second.answer = SCP_ENOTFOUND;
	ck_assert_int_eq(place(NULL), SCP_EUNAVAIL);
	ck_assert_str_eq(err.message, "image:1 on first");
	second.answer = SCP_EBACKEND;
	ck_assert_int_eq(place(NULL), SCP_EUNAVAIL);
	first.answer = SCP_ENOTFOUND;
	second.answer = SCP_ECAPACITY;
	ck_assert_int_eq(place(NULL), SCP_ECAPACITY);
	ck_assert_str_eq(err.message, "image:1 on second");
}
END_TEST

START_TEST(of_those_with_the_image_the_least_loaded_is_taken)
{
	nodes[0].load = 0.5;
	nodes[1].load = 0.25;
	ck_assert_int_eq(place(NULL), SCP_OK);
	ck_assert_ptr_eq(chosen, &second.base);
	nodes[1].load = 0.75;
	ck_assert_int_eq(place(NULL), SCP_OK);
	ck_assert_ptr_eq(chosen, &first.base);
}
END_TEST

static void both_fetch(void)
{
	first.base.ops = second.base.ops = &fetching;
	want.progress = count;
	want.user = &counted;
	counted = 0;
}

START_TEST(one_that_has_the_image_is_preferred_to_a_less_loaded_one)
{
	both_fetch();
	first.absent = true;
	nodes[1].load = 0.9;
	ck_assert_int_eq(place(NULL), SCP_OK);
	ck_assert_ptr_eq(chosen, &second.base);
	ck_assert_uint_eq(counted, 0);
}
END_TEST

START_TEST(an_image_that_nobody_has_is_fetched_by_the_least_loaded)
{
	both_fetch();
	first.absent = second.absent = true;
	nodes[0].load = 0.9;
	ck_assert_int_eq(place(NULL), SCP_OK);
	ck_assert_ptr_eq(chosen, &second.base);
	ck_assert_uint_eq(counted, 1);
	ck_assert_uint_eq(first.asked, 0);
}
END_TEST

START_TEST(one_that_can_t_fetch_it_is_passed_over_and_a_draining_one_isn_t_asked)
{
	both_fetch();
	first.absent = second.absent = true;
	first.fetched = SCP_ENOTFOUND;
	ck_assert_int_eq(place(NULL), SCP_OK);
	ck_assert_ptr_eq(chosen, &second.base);
	nodes[1].draining = true;
	ck_assert_int_eq(place(NULL), SCP_ENOTFOUND);
	ck_assert_str_eq(err.message, "image:1 on first");
	ck_assert_uint_eq(second.asked, 1);
}
END_TEST

START_TEST(one_that_is_fetching_it_is_waited_for)
{
	both_fetch();
	first.absent = second.absent = true;
	first.fetched = SCP_EAGAIN;
	ck_assert_int_eq(place(NULL), SCP_EAGAIN);
	ck_assert_uint_eq(second.asked, 0);
}
END_TEST

START_TEST(who_wants_a_network_goes_where_there_is_one)
{
	both_fetch();
	want.network = true;
	first.network = SCP_ENOTSUP;
	ck_assert_int_eq(place(NULL), SCP_OK);
	ck_assert_ptr_eq(chosen, &second.base);
	second.base.ops = &ops; /* which doesn't know what that is */
	ck_assert_int_eq(place(NULL), SCP_ENOTSUP);
	ck_assert_str_eq(err.message, "no network on first");
	want.network = false;
	ck_assert_int_eq(place(NULL), SCP_OK);
}
END_TEST

START_TEST(the_load_is_that_of_what_is_scarcer)
{
	ck_assert(scp__schedule_load(1, 4, 3, 4) > 0.74 && scp__schedule_load(1, 4, 3, 4) < 0.76);
	ck_assert(scp__schedule_load(3, 4, 1, 4) > 0.74);
	ck_assert(scp__schedule_load(3, 0, 1, 0) < 0.01);
}
END_TEST

START_TEST(the_error_may_be_left_out)
{
	first.answer = second.answer = SCP_EUNAVAIL;
	ck_assert_int_eq(
	    scp__schedule_place(&chosen, nodes, 2, &(scp__schedule_want){ NULL, "image:1" }, NULL), SCP_EUNAVAIL);
	ck_assert_int_eq(
	    scp__schedule_place(&chosen, nodes, 2, &(scp__schedule_want){ "third", "image:1" }, NULL), SCP_EUNAVAIL);
	ck_assert_int_eq(
	    scp__schedule_place(&chosen, nodes, 0, &(scp__schedule_want){ NULL, "image:1" }, NULL), SCP_ECAPACITY);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("placement");
	Suite *suite = suite_create("schedule");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, among_equals_the_operators_order_decides);
	tcase_add_test(tc, a_node_without_the_image_is_passed_over);
	tcase_add_test(tc, a_draining_node_takes_no_new_session);
	tcase_add_test(tc, a_session_stays_on_its_node_while_that_drains);
	tcase_add_test(tc, a_session_goes_to_no_other_node_than_its_own);
	tcase_add_test(tc, where_all_drain_it_is_to_be_tried_later);
	tcase_add_test(tc, an_image_that_nobody_has_is_not_found);
	tcase_add_test(tc, a_node_that_could_not_tell_outweighs_one_that_has_not_the_image);
	tcase_add_test(tc, of_those_with_the_image_the_least_loaded_is_taken);
	tcase_add_test(tc, one_that_has_the_image_is_preferred_to_a_less_loaded_one);
	tcase_add_test(tc, an_image_that_nobody_has_is_fetched_by_the_least_loaded);
	tcase_add_test(tc, one_that_can_t_fetch_it_is_passed_over_and_a_draining_one_isn_t_asked);
	tcase_add_test(tc, one_that_is_fetching_it_is_waited_for);
	tcase_add_test(tc, who_wants_a_network_goes_where_there_is_one);
	tcase_add_test(tc, the_load_is_that_of_what_is_scarcer);
	tcase_add_test(tc, the_error_may_be_left_out);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
