#include "protocol.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static scp_status next(const char *text, scp__record *r, size_t *used)
{
	/* A heap copy without a NUL: reading past the end is seen by the sanitizer. */
	static char *copy;
	size_t len = strlen(text);

	free(copy);
	copy = malloc(len ? len : 1);
	memcpy(copy, text, len);
	return scp__record_next(copy, len, r, used);
}

START_TEST(what_was_put_comes_back)
{
	scp__buf b;
	scp__record r;
	size_t used = 0;

	scp__buf_init(&b, 1 << 20);
	ck_assert_int_eq(scp__record_put(&b, "sha256", UINT64_MAX, "a\0\n b", 5), SCP_OK);
	ck_assert_int_eq(scp__record_next(b.data, b.len, &r, &used), SCP_OK);
	ck_assert_str_eq(r.name, "sha256");
	ck_assert_uint_eq(r.seq, UINT64_MAX);
	ck_assert_uint_eq(r.len, 5);
	ck_assert_mem_eq(r.data, "a\0\n b", 5);
	ck_assert_uint_eq(used, b.len);
	scp__buf_free(&b);
}
END_TEST

START_TEST(the_wire_is_name_seq_length_bytes)
{
	scp__buf b;

	scp__buf_init(&b, 1 << 20);
	scp__record_put(&b, "started", 1, NULL, 0);
	scp__record_put_text(&b, "status", "completed");
	scp__record_put_uint(&b, "exit_code", 0);
	scp__record_put_uint(&b, "cpu_us", UINT64_MAX);
	ck_assert_str_eq(b.data, "started 1 0\nstatus 0 9\ncompletedexit_code 0 1\n0cpu_us 0 20\n18446744073709551615");
	scp__buf_free(&b);
}
END_TEST

START_TEST(every_prefix_of_a_record_asks_for_more)
{
	const char *whole = "stdout 12 5\nhello";
	scp__record r;
	size_t used = 0;

	for (size_t n = 0; n < strlen(whole); n++) {
		char *part = malloc(n + 1);

		memcpy(part, whole, n);
		ck_assert_int_eq(scp__record_next(part, n, &r, &used), SCP_EAGAIN);
		free(part);
	}
	ck_assert_int_eq(scp__record_next(whole, strlen(whole), &r, &used), SCP_OK);
}
END_TEST

START_TEST(what_follows_a_record_is_left_alone)
{
	scp__record r;
	size_t used = 0;

	ck_assert_int_eq(next("a 0 1\nxb 0 0\n", &r, &used), SCP_OK);
	ck_assert_uint_eq(used, 7);
}
END_TEST

START_TEST(malformed_headers_are_refused)
{
	static const char *const bad[] = {
		"\n",
		" 0 0\n",
		"a\n",
		"a 0\n",
		"a 0 \n",
		"a  0\n",
		"a 0 0 \n",
		"a 0 0\r\n",
		"A 0 0\n",
		"1a 0 0\n",
		"a-b 0 0\n",
		"a -1 0\n",
		"a +1 0\n",
		"a 01 0\n",
		"a 0 00\n",
		"a 0 01\nx",
		"a 0x1 0\n",
		"a 0 -1\n",
		"a 0 1 2\n",
		"a 18446744073709551616 0\n",
		"a 99999999999999999999 0\n",
		"a 0 18446744073709551615\n",
		"a 0 4194305\n",
		"aaaaaaaaaaaaaaaaaaaaaaaaa 0 0\n",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	};
	scp__record r;
	size_t used = 0;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(next(bad[i], &r, &used) == SCP_EINVAL, "accepted: %s", bad[i]);
}
END_TEST

START_TEST(the_longest_header_fits)
{
	char header[SCP__RECORD_HEADER_MAX];
	size_t len = scp__record_header(header, "aaaaaaaaaaaaaaaaaaaaaaaa", UINT64_MAX, SIZE_MAX);

	ck_assert_uint_eq(len, strlen(header));
	ck_assert_uint_lt(len, SCP__RECORD_HEADER_MAX);
}
END_TEST

START_TEST(a_full_buffer_gets_no_half_record)
{
	scp__buf b;

	scp__buf_init(&b, 17);
	ck_assert_int_eq(scp__record_put(&b, "a", 0, "0123456789", 10), SCP_OK);
	ck_assert_int_eq(scp__record_put(&b, "a", 0, "0123456789", 10), SCP_ETOOBIG);
	ck_assert_uint_eq(b.len, 17);
	scp__buf_free(&b);
}
END_TEST

START_TEST(bad_names_are_never_written)
{
	scp__buf b;

	scp__buf_init(&b, 1024);
	ck_assert_int_eq(scp__record_put(&b, "Bad name\n", 0, NULL, 0), SCP_EINVAL);
	ck_assert_int_eq(scp__record_put(&b, "", 0, NULL, 0), SCP_EINVAL);
	ck_assert_uint_eq(b.len, 0);
	scp__buf_free(&b);
}
END_TEST

START_TEST(numbers_are_bounded)
{
	scp__record r;
	size_t used = 0;
	uint64_t value = 7;

	ck_assert_int_eq(next("n 0 3\n255", &r, &used), SCP_OK);
	ck_assert(scp__record_uint(&r, 255, &value));
	ck_assert_uint_eq(value, 255);
	ck_assert(!scp__record_uint(&r, 254, &value));
	ck_assert_int_eq(next("n 0 0\n", &r, &used), SCP_OK);
	ck_assert(!scp__record_uint(&r, 255, &value));
	ck_assert_int_eq(next("n 0 2\n1 ", &r, &used), SCP_OK);
	ck_assert(!scp__record_uint(&r, 255, &value));
	ck_assert_uint_eq(value, 255);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("protocol");
	TCase *t = tcase_create("records");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, t);
	tcase_add_test(t, what_was_put_comes_back);
	tcase_add_test(t, the_wire_is_name_seq_length_bytes);
	tcase_add_test(t, every_prefix_of_a_record_asks_for_more);
	tcase_add_test(t, what_follows_a_record_is_left_alone);
	tcase_add_test(t, malformed_headers_are_refused);
	tcase_add_test(t, the_longest_header_fits);
	tcase_add_test(t, a_full_buffer_gets_no_half_record);
	tcase_add_test(t, bad_names_are_never_written);
	tcase_add_test(t, numbers_are_bounded);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
