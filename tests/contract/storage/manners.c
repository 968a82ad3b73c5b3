/* How a storage behaves to its caller: who owns what, what may be repeated, what it says when it fails or is away. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "storage_suite.h"

#define BLOCK 8192

START_TEST(a_put_may_be_repeated)
{
	for (int i = 0; i < 3; i++)
		put("d/f", "x");
	assert_list("", "", LIST_OPTIONS(.recursive = true), "d/f\n");
	assert_holds("d/f", "x");
}
END_TEST

static scp_object_writer *begin(const char *text)
{
	scp_object_writer *w;

	assert_ok(scp__storage_put_open(at.st, "f", NULL, &w, &at.err));
	assert_ok(scp__storage_put_write(at.st, w, text, strlen(text), &at.err));
	return w;
}

START_TEST(of_several_writers_the_last_commit_counts)
{
	scp_object_writer *first = begin("first"), *second = begin("2nd");

	assert_ok(scp__storage_put_commit(at.st, second, NULL, &at.err));
	assert_holds("f", "2nd");
	assert_ok(scp__storage_put_commit(at.st, first, NULL, &at.err));
	assert_holds("f", "first");
	scp__storage_put_close(at.st, first);
	scp__storage_put_close(at.st, second);
	assert_holds("f", "first");
}
END_TEST

static atomic_bool enough;

static void *write_blocks(void *arg)
{
	char data[BLOCK];
	bool bad = false;

	for (int i = 0; !bad && !atomic_load(&enough); i++) {
		memset(data, 'a' + i % 2, sizeof(data));
		bad = scp__storage_put_bytes(at.st, "f", data, sizeof(data), NULL) != SCP_OK;
	}
	return bad ? arg : NULL;
}

START_TEST(a_reader_beside_a_writer_sees_an_object_whole)
{
	pthread_t writer;
	void *data, *bad;
	size_t len;

	data = calloc(1, BLOCK);
	assert_ok(scp__storage_put_bytes(at.st, "f", memset(data, 'a', BLOCK), BLOCK, &at.err));
	free(data);
	ck_assert_int_eq(pthread_create(&writer, NULL, write_blocks, &at), 0);
	for (int i = 0; i < 30; i++) {
		assert_ok(scp__storage_get_bytes(at.st, "f", BLOCK, &data, &len, &at.err));
		ck_assert_uint_eq(len, BLOCK);
		ck_assert(!memcmp(data, (char *)data + 1, BLOCK - 1));
		free(data);
	}
	atomic_store(&enough, true);
	pthread_join(writer, &bad);
	ck_assert_ptr_null(bad);
}
END_TEST

START_TEST(what_was_given_is_the_callers_again)
{
	char key[] = "d/f", data[] = "some text", next[1401];
	scp_put_options put_options = *PUT_OPTIONS(.max_bytes = 100);
	scp_object_writer *w;
	scp_object object;

	assert_ok(scp__storage_put_open(at.st, key, &put_options, &w, &at.err));
	memset(key, 'k', sizeof(key) - 1);
	memset(&put_options, 0xff, sizeof(put_options));
	assert_ok(scp__storage_put_write(at.st, w, data, strlen(data), &at.err));
	memset(data, 'd', sizeof(data) - 1);
	assert_ok(scp__storage_put_commit(at.st, w, &object, &at.err));
	ck_assert_str_eq(object.key, "d/f");
	scp__storage_put_close(at.st, w);
	assert_holds("d/f", "some text");
	free(list("", "", LIST_OPTIONS(.recursive = true, .limit = 1), next));
	ck_assert_str_eq(next, "");
}
END_TEST

/* Freed by whoever asked, as often as it asked. */
START_TEST(what_is_given_is_the_callers)
{
	char *first, *second;

	put("d/f", "x");
	if (at.st->ops->presign) {
		assert_ok(scp__storage_presign(at.st, "d/f", "GET", 60, &first, &at.err));
		assert_ok(scp__storage_presign(at.st, "d/f", "GET", 60, &second, &at.err));
		ck_assert_ptr_ne(first, second);
		free(first);
		free(second);
	}
	if (at.st->ops->local_folder) {
		assert_ok(scp__storage_local_folder(at.st, "w", -1, -1, &first, &at.err));
		assert_ok(scp__storage_local_folder(at.st, "w", -1, -1, &second, &at.err));
		ck_assert_ptr_ne(first, second);
		ck_assert_str_eq(first, second);
		free(first);
		free(second);
	}
	free(get("d/f"));
	assert_holds("d/f", "x");
}
END_TEST

static void assert_told(scp_status got, scp_status wanted)
{
	assert_status(got, wanted);
	ck_assert_int_eq(at.err.status, wanted);
	ck_assert_str_ne(at.err.message, "");
	/* A row of the table: it becomes the REST error. */
	ck_assert_int_eq(scp_error_kind_get(at.err.code)->status, wanted);
	memset(&at.err, 0, sizeof(at.err));
}

START_TEST(errors_are_told_and_hand_out_nothing)
{
	scp_object_writer *w = (scp_object_writer *)&at;
	scp_object_reader *r = (scp_object_reader *)&at;
	scp_object object;

	put("d/f", "12345");
	ck_assert_int_eq(at.err.status, SCP_OK);
	assert_told(scp__storage_put_open(at.st, "d/f/g", NULL, &w, &at.err), SCP_ECONFLICT);
	ck_assert_ptr_null(w);
	assert_told(scp__storage_get_open(at.st, "d/f", 6, 0, &r, &object, &at.err), SCP_EINVAL);
	ck_assert_ptr_null(r);
	assert_told(scp__storage_get_open(at.st, "none", 0, 0, &r, &object, &at.err), SCP_ENOTFOUND);
	ck_assert_ptr_null(r);
	assert_told(scp__storage_get_open(at.st, "d", 0, 0, &r, &object, &at.err), SCP_ECONFLICT);
	ck_assert_ptr_null(r);
	assert_told(scp__storage_stat(at.st, "none", &object, &at.err), SCP_ENOTFOUND);
	assert_told(scp__storage_remove(at.st, "none", &at.err), SCP_ENOTFOUND);
	assert_told(scp__storage_remove(at.st, "d", &at.err), SCP_ECONFLICT);
}
END_TEST

START_TEST(nobody_must_want_to_know_why)
{
	scp_object_writer *w;
	scp_object_reader *r;
	scp_object object;

	put("d/f", "x");
	assert_status(scp__storage_put_open(at.st, "d", NULL, &w, NULL), SCP_ECONFLICT);
	assert_status(scp__storage_get_open(at.st, "none", 0, 0, &r, &object, NULL), SCP_ENOTFOUND);
	assert_status(scp__storage_stat(at.st, "none", &object, NULL), SCP_ENOTFOUND);
	assert_status(scp__storage_remove(at.st, "none", NULL), SCP_ENOTFOUND);
	assert_ok(scp__storage_remove_prefix(at.st, "none", NULL));
}
END_TEST

START_TEST(a_removal_may_be_repeated)
{
	put("d/f", "x");
	put("d/g", "x");
	assert_ok(scp__storage_remove(at.st, "d/f", &at.err));
	assert_status(scp__storage_remove(at.st, "d/f", &at.err), SCP_ENOTFOUND);
	for (int i = 0; i < 2; i++)
		assert_ok(scp__storage_remove_prefix(at.st, "d", &at.err));
	assert_list("", "", LIST_OPTIONS(.recursive = true), "");
}
END_TEST

START_TEST(long_keys_are_kept)
{
	char key[901];

	for (size_t i = 0; i < sizeof(key) - 1; i++)
		key[i] = i % 101 == 100 ? '/' : (char)('a' + i % 26);
	key[sizeof(key) - 1] = '\0';
	put(key, "x");
	assert_holds(key, "x");
	assert_ok(scp__storage_remove(at.st, key, &at.err));
}
END_TEST

static void assert_health(scp_status wanted)
{
	int64_t before = scp__mono_us();
	char detail[16];

	memset(detail, 'x', sizeof(detail));
	assert_status(scp__storage_health(at.st, 500, detail, sizeof(detail), &at.err), wanted);
	ck_assert_ptr_nonnull(memchr(detail, '\0', sizeof(detail)));
	ck_assert_int_lt(scp__mono_us() - before, 2000000);
}

/* Nothing is known of what can't be asked: no answer may be taken for "it isn't there". */
START_TEST(a_storage_that_is_away_knows_nothing)
{
	scp_object_writer *unfinished, *w = NULL;
	scp_object_reader *r;
	scp_object object;
	char next[1401];
	scp_status rc;

	put("d/f", "x");
	assert_health(SCP_OK);
	if (!storage_subject->away || !storage_subject->away(true))
		return;
	assert_status(scp__storage_stat(at.st, "d/f", &object, &at.err), SCP_EUNAVAIL);
	assert_status(scp__storage_stat(at.st, "none", &object, &at.err), SCP_EUNAVAIL);
	assert_status(scp__storage_get_open(at.st, "d/f", 0, 0, &r, &object, &at.err), SCP_EUNAVAIL);
	assert_status(scp__storage_list(at.st, "d", "", NULL, NULL, NULL, next, sizeof(next), &at.err), SCP_EUNAVAIL);
	assert_status(scp__storage_remove(at.st, "d/f", &at.err), SCP_EUNAVAIL);
	assert_status(scp__storage_remove_prefix(at.st, "d", &at.err), SCP_EUNAVAIL);
	assert_health(SCP_EUNAVAIL);
	rc = scp__storage_put_open(at.st, "d/g", PUT_OPTIONS(.unchecked = true), &w, &at.err);
	rc = rc ? rc : scp__storage_put_write(at.st, w, "x", 1, &at.err);
	assert_status(rc ? rc : scp__storage_put_commit(at.st, w, NULL, &at.err), SCP_EUNAVAIL);
	scp__storage_put_close(at.st, w);
	ck_assert(storage_subject->away(false));
	assert_list("", "", LIST_OPTIONS(.recursive = true), "d/f\n");
	assert_ok(scp__storage_put_open(at.st, "d/h", NULL, &unfinished, &at.err));
	assert_ok(scp__storage_put_write(at.st, unfinished, "x", 1, &at.err));
	ck_assert(storage_subject->away(true));
	assert_status(scp__storage_put_commit(at.st, unfinished, NULL, &at.err), SCP_EUNAVAIL);
	scp__storage_put_close(at.st, unfinished);
	ck_assert(storage_subject->away(false));
	assert_list("", "", LIST_OPTIONS(.recursive = true), "d/f\n");
}
END_TEST

Suite *manners_suite(void)
{
	Suite *suite = suite_create("storage contract: manners");
	TCase *tc = tcase_create("manners");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, open_place, close_place);
	add_case(tc, a_put_may_be_repeated);
	add_case(tc, of_several_writers_the_last_commit_counts);
	add_case(tc, a_reader_beside_a_writer_sees_an_object_whole);
	add_case(tc, what_was_given_is_the_callers_again);
	add_case(tc, what_is_given_is_the_callers);
	add_case(tc, errors_are_told_and_hand_out_nothing);
	add_case(tc, nobody_must_want_to_know_why);
	add_case(tc, a_removal_may_be_repeated);
	add_case(tc, long_keys_are_kept);
	add_case(tc, a_storage_that_is_away_knows_nothing);
	suite_add_tcase(suite, tc);
	return suite;
}
