#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "buf.h"
#include "clock.h"
#include "digest.h"
#include "env.h"
#include "err.h"
#include "id.h"
#include "log.h"
#include "map.h"
#include "suites.h"
#include "utf8.h"

START_TEST(arena_memory_is_zeroed_aligned_and_apart)
{
	scp__arena *a = scp__arena_new();
	unsigned char *p[300];

	for (size_t i = 0; i < 300; i++) {
		p[i] = scp__arena_alloc(a, i * 7);
		ck_assert_uint_eq((uintptr_t)p[i] % _Alignof(max_align_t), 0);
		for (size_t k = 0; k < i * 7; k++)
			ck_assert_uint_eq(p[i][k], 0);
		memset(p[i], (int)i, i * 7);
	}
	for (size_t i = 1; i < 300; i++)
		ck_assert(p[i][0] == (unsigned char)i && p[i][i * 7 - 1] == (unsigned char)i);
	ck_assert_ptr_nonnull(scp__arena_alloc(a, 1 << 20));
	ck_assert_str_eq(scp__arena_memdup(a, "abc", 2), "ab");
	ck_assert_str_eq(scp__arena_memdup(a, NULL, 0), "");
	ck_assert_ptr_null(scp__arena_strdup(a, NULL));
	ck_assert_ptr_null(scp__arena_alloc(a, SIZE_MAX));
	ck_assert_ptr_null(scp__arena_memdup(a, "x", SIZE_MAX));
	scp__arena_free(a);
	scp__arena_free(NULL);
}
END_TEST

START_TEST(a_buffer_takes_its_maximum_and_not_a_byte_more)
{
	scp__buf b;

	scp__buf_init(&b, 10);
	ck_assert_int_eq(scp__buf_append(&b, "0123456789", 10), SCP_OK);
	ck_assert_str_eq(b.data, "0123456789");
	ck_assert_int_eq(scp__buf_append(&b, "x", 1), SCP_ETOOBIG);
	ck_assert_int_eq(scp__buf_puts(&b, ""), SCP_ETOOBIG);
	ck_assert_uint_eq(b.len, 10);
	ck_assert_ptr_null(scp__buf_detach(&b));
	ck_assert_int_eq(scp__buf_printf(&b, "%05d", 42), SCP_OK);
	ck_assert_int_eq(scp__buf_printf(&b, "%06d", 42), SCP_ETOOBIG);
	scp__buf_free(&b);
}
END_TEST

START_TEST(a_buffer_loses_its_front_and_keeps_the_rest)
{
	scp__buf b;
	char *s;

	scp__buf_init(&b, 1000);
	scp__buf_printf(&b, "%s-%d", "abc", 7);
	scp__buf_consume(&b, 2);
	ck_assert_str_eq(b.data, "c-7");
	scp__buf_consume(&b, 99);
	ck_assert_str_eq(b.data, "");
	s = scp__buf_detach(&b);
	ck_assert_str_eq(s, "");
	free(s);
	s = scp__buf_detach(&b);
	ck_assert_str_eq(s, "");
	free(s);
}
END_TEST

START_TEST(emptying_a_buffer_from_the_front_hides_no_failure)
{
	scp__buf b;

	scp__buf_init(&b, 2);
	scp__buf_puts(&b, "ab");
	scp__buf_puts(&b, "c");
	scp__buf_consume(&b, 2);
	ck_assert_int_eq(b.status, SCP_ETOOBIG);
	scp__buf_clear(&b);
	ck_assert_int_eq(scp__buf_puts(&b, "c"), SCP_OK);
	scp__buf_free(&b);
}
END_TEST

START_TEST(times_are_rfc_3339_in_utc)
{
	char text[SCP__TIME_SIZE];

	ck_assert_str_eq(scp__time_format(text, 1769860800123999), "2026-01-31T12:00:00.123Z");
	ck_assert_str_eq(scp__time_format(text, 0), "1970-01-01T00:00:00.000Z");
	ck_assert_str_eq(scp__time_format(text, -1), "1969-12-31T23:59:59.999Z");
	ck_assert_str_eq(scp__time_format(text, 951782400000000), "2000-02-29T00:00:00.000Z");
	ck_assert_uint_lt(strlen(scp__time_format(text, INT64_MAX)), SCP__TIME_SIZE);
}
END_TEST

START_TEST(sha256_gives_the_published_digests)
{
	char hex[SCP__SHA256_HEX_SIZE];
	scp__sha256 s;

	scp__sha256_hex("", 0, hex);
	ck_assert_str_eq(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	scp__sha256_init(&s);
	scp__sha256_update(&s, "a", 1);
	scp__sha256_update(&s, "bc", 2);
	scp__sha256_final_hex(&s, hex);
	ck_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}
END_TEST

START_TEST(secrets_are_the_same_only_if_every_byte_is)
{
	ck_assert(scp__same_secret("token", "token"));
	ck_assert(!scp__same_secret("token", "tokeN"));
	ck_assert(!scp__same_secret("token", "token2"));
	ck_assert(!scp__same_secret("token", NULL));
	ck_assert(!scp__same_secret(NULL, NULL));
}
END_TEST

START_TEST(environment_names_are_checked)
{
	ck_assert(scp__env_name_valid("_A9"));
	ck_assert(!scp__env_name_valid("9A"));
	ck_assert(!scp__env_name_valid(""));
	ck_assert(!scp__env_name_valid("A=B"));
	ck_assert(!scp__env_name_valid("\xc3\xa9"));
	ck_assert(scp__env_name_secret("my_Api_Key"));
	ck_assert(scp__env_name_secret("TOKENS"));
	ck_assert(!scp__env_name_secret("PATH"));
}
END_TEST

static scp_status check_env(const scp_pair *env, size_t count)
{
	scp_error err = { 0 };
	scp_status rc = scp__env_check(env, count, "env_vars", &err);

	ck_assert(!rc || strstr(err.message, "env_vars"));
	return rc;
}

START_TEST(an_environment_is_bounded_and_has_no_twins)
{
	static char big[10 * 1024];
	scp_pair env[65];
	char names[65][8];

	for (int i = 0; i < 65; i++) {
		snprintf(names[i], sizeof(names[i]), "N%d", i);
		env[i] = (scp_pair){ names[i], "v" };
	}
	ck_assert_int_eq(check_env(env, 64), SCP_OK);
	ck_assert_int_eq(check_env(env, 65), SCP_EINVAL);
	env[7].name = "N3";
	ck_assert_int_eq(check_env(env, 64), SCP_EINVAL);
	ck_assert_int_eq(check_env(&(scp_pair){ "A", NULL }, 1), SCP_EINVAL);
	ck_assert_int_eq(check_env(&(scp_pair){ NULL, "x" }, 1), SCP_EINVAL);
	memset(big, 'x', sizeof(big) - 1);
	ck_assert_int_eq(check_env(&(scp_pair){ "A", big }, 1), SCP_OK);
	ck_assert_int_eq(check_env(&(scp_pair){ "AB", big }, 1), SCP_EINVAL);
	ck_assert_int_eq(check_env(NULL, 0), SCP_OK);
}
END_TEST

START_TEST(ids_have_their_form)
{
	char id[SCP__ID_SIZE], other[SCP__ID_SIZE];

	ck_assert_int_eq(scp__id_session(id, NULL), SCP_OK);
	ck_assert_int_eq(scp__id_session(other, NULL), SCP_OK);
	ck_assert(scp__id_is_session(id));
	ck_assert_str_ne(id, other);
	ck_assert_int_eq(scp__id_execution(id, 1769860800000000, NULL), SCP_OK);
	ck_assert(scp__id_is_execution(id));
	ck_assert(!strncmp(id, "exec_20260131_", 14));
	ck_assert(!scp__id_is_session("sess_ABCDEFGHIJKLMNOP"));
	ck_assert(!scp__id_is_session("sess_abcdefghijklmno"));
	ck_assert(!scp__id_is_session("sess_abcdefghijklmnopq"));
	ck_assert(!scp__id_is_session(NULL));
	ck_assert(!scp__id_is_execution("exec_20260131_abcdefg/"));
	ck_assert(!scp__id_is_execution("exec_2026013x_abcdefgh"));
	ck_assert_int_eq(scp__id_make(id, "a-prefix-", 63, NULL), SCP_EINTERNAL);
}
END_TEST

/* With 360,000 draws a letter comes 10,000 times, give or take 100; a plain modulo would give the first four 11,250. */
START_TEST(every_letter_of_an_id_is_as_likely)
{
	enum { DRAWS = 360000 };
	static char text[DRAWS + 1];
	int count[256] = { 0 };

	ck_assert_int_eq(scp__id_random(text, DRAWS, NULL), SCP_OK);
	for (int i = 0; i < DRAWS; i++)
		count[(unsigned char)text[i]]++;
	for (const char *c = "abcdefghijklmnopqrstuvwxyz0123456789"; *c; c++) {
		ck_assert_int_gt(count[(unsigned char)*c], 9200);
		ck_assert_int_lt(count[(unsigned char)*c], 10800);
	}
}
END_TEST

struct heard {
	int count;
	scp_log_record last;
	char message[2048];
};

static void hear(const scp_log_record *record, void *user)
{
	struct heard *h = user;

	h->count++;
	h->last = *record;
	snprintf(h->message, sizeof(h->message), "%s", record->message);
}

START_TEST(log_records_below_the_level_are_not_made)
{
	struct heard h = { 0 };
	scp__log log = { hear, &h, SCP_LOG_DEFAULT };

	scp__log_write(&log, SCP_LOG_DEBUG, "core", NULL, NULL, "no");
	ck_assert_int_eq(h.count, 0);
	scp__log_write(&log, SCP_LOG_INFO, "core", &(scp__log_ids){ .session_id = "sess" },
	    (scp_pair[]){ { "a", "1" }, { "b", "2" }, { 0 } }, "n is %d", 5);
	ck_assert_int_eq(h.count, 1);
	ck_assert_str_eq(h.message, "n is 5");
	ck_assert_uint_eq(h.last.field_count, 2);
	ck_assert_str_eq(h.last.session_id, "sess");
	ck_assert_ptr_null(h.last.execution_id);
	log.level = SCP_LOG_OFF;
	scp__log_write(&log, SCP_LOG_ERROR, "core", NULL, NULL, "no");
	ck_assert_int_eq(h.count, 1);
	scp__log_write(NULL, SCP_LOG_ERROR, "core", NULL, NULL, "no");
}
END_TEST

START_TEST(a_log_message_is_cut_not_overrun)
{
	static char big[5000];
	struct heard h = { 0 };
	scp__log log = { hear, &h, SCP_LOG_DEBUG };

	memset(big, 'x', sizeof(big) - 1);
	scp__log_write(&log, SCP_LOG_INFO, "core", NULL, NULL, "%s", big);
	ck_assert_uint_eq(strlen(h.message), 1023);
}
END_TEST

static void add_up(void *user, const char *key, void *value)
{
	size_t *sum = user;

	ck_assert_str_eq(key, value);
	(*sum)++;
}

START_TEST(a_map_finds_what_was_put_and_nothing_else)
{
	scp__map *m = scp__map_new();
	static char keys[5000][12];
	size_t seen = 0;

	for (int i = 0; i < 5000; i++) {
		snprintf(keys[i], sizeof(keys[i]), "key %d", i);
		ck_assert(scp__map_put(m, keys[i], keys[i]));
	}
	for (int i = 0; i < 5000; i += 2)
		ck_assert_ptr_eq(scp__map_remove(m, keys[i]), keys[i]);
	ck_assert_uint_eq(scp__map_count(m), 2500);
	for (int i = 0; i < 5000; i++)
		ck_assert_ptr_eq(scp__map_get(m, keys[i]), i % 2 ? keys[i] : NULL);
	scp__map_each(m, add_up, &seen);
	ck_assert_uint_eq(seen, 2500);
	ck_assert(scp__map_put(m, "key 1", &seen));
	ck_assert_ptr_eq(scp__map_get(m, "key 1"), &seen);
	ck_assert_uint_eq(scp__map_count(m), 2500);
	ck_assert_ptr_null(scp__map_remove(m, "none"));
	scp__map_free(m);
	scp__map_free(NULL);
}
END_TEST

START_TEST(utf8_is_what_unicode_says)
{
	static const char *const bad[] = { "\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80",
		"\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xe2\x82", "\xc3(" };
	static const char *const good[] = { "", "a", "\xc2\x80", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
		"\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!scp__utf8_valid(bad[i], strlen(bad[i])), "bad %zu", i);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ck_assert_msg(scp__utf8_valid(good[i], strlen(good[i])), "good %zu", i);
	ck_assert(scp__utf8_valid("a\0b", 3));
}
END_TEST

START_TEST(an_unfinished_sequence_is_left_for_later)
{
	static const char text[] = "a\xf0\x9f\x98\x80";

	ck_assert_uint_eq(scp__utf8_complete(text, 5), 5);
	for (size_t len = 1; len < 5; len++)
		ck_assert_uint_eq(scp__utf8_complete(text, len), 1);
	ck_assert_uint_eq(scp__utf8_complete("a\xff", 2), 2);	 /* can never be finished */
	ck_assert_uint_eq(scp__utf8_complete("\xe0\x80", 2), 2); /* neither */
	ck_assert_uint_eq(scp__utf8_complete("", 0), 0);
}
END_TEST

START_TEST(bad_bytes_are_replaced_each)
{
	bool lossy = false;
	scp__buf b;

	scp__buf_init(&b, 100);
	ck_assert_int_eq(scp__utf8_repair(&b, "ok", 2, &lossy), SCP_OK);
	ck_assert(!lossy);
	scp__buf_clear(&b);
	ck_assert_int_eq(scp__utf8_repair(&b,
			     "a\xff\xfe"
			     "b\xc3",
			     5, &lossy),
	    SCP_OK);
	ck_assert(lossy);
	ck_assert_str_eq(b.data, "a\xef\xbf\xbd\xef\xbf\xbd"
				 "b\xef\xbf\xbd");
	scp__buf_free(&b);
	ck_assert(scp__text_printable("a \xc3\xa9"));
	ck_assert(!scp__text_printable("a\n"));
	ck_assert(!scp__text_printable("\x7f"));
	ck_assert(!scp__text_printable("\xc2\x85"));
}
END_TEST

START_TEST(errors_keep_their_cause_behind_a_prefix)
{
	scp_error err = { 0 };

	ck_assert_int_eq(scp__fail_errno(&err, 2, "open %s", "x"), SCP_ENOTFOUND);
	ck_assert_str_eq(err.message, "open x: No such file or directory");
	ck_assert_int_eq(scp__prefix(&err, "workspace %d", 7), SCP_ENOTFOUND);
	ck_assert_str_eq(err.message, "workspace 7: open x: No such file or directory");
	ck_assert_int_eq(scp__fail_as(&err, "SessionNotRunning", "it is over"), SCP_ESTATE);
	ck_assert_str_eq(err.code, "SessionNotRunning");
	scp__hint(&err, "try %s", "later");
	ck_assert_str_eq(err.hint, "try later");
	ck_assert_int_eq(scp__fail(NULL, SCP_EBUSY, "x"), SCP_EBUSY);
}
END_TEST

START_TEST(an_error_may_quote_the_one_before)
{
	scp_error err = { 0 };

	scp__fail(&err, SCP_EBUSY, "the cause");
	scp__fail(&err, SCP_EINTERNAL, "the end, because of %s", err.message);
	ck_assert_str_eq(err.message, "the end, because of the cause");
}
END_TEST

START_TEST(a_long_error_is_cut_not_overrun)
{
	static char big[3000];
	scp_error err = { 0 };

	memset(big, 'x', sizeof(big) - 1);
	scp__fail_errno(&err, 2, "%s", big);
	scp__prefix(&err, "%s", big);
	ck_assert_uint_lt(strlen(err.message), sizeof(err.message));
}
END_TEST

TCase *util_basics_case(void)
{
	TCase *c = tcase_create("basics");

	tcase_add_test(c, arena_memory_is_zeroed_aligned_and_apart);
	tcase_add_test(c, a_buffer_takes_its_maximum_and_not_a_byte_more);
	tcase_add_test(c, a_buffer_loses_its_front_and_keeps_the_rest);
	tcase_add_test(c, emptying_a_buffer_from_the_front_hides_no_failure);
	tcase_add_test(c, times_are_rfc_3339_in_utc);
	tcase_add_test(c, sha256_gives_the_published_digests);
	tcase_add_test(c, secrets_are_the_same_only_if_every_byte_is);
	tcase_add_test(c, environment_names_are_checked);
	tcase_add_test(c, an_environment_is_bounded_and_has_no_twins);
	tcase_add_test(c, ids_have_their_form);
	tcase_add_test(c, every_letter_of_an_id_is_as_likely);
	tcase_add_test(c, log_records_below_the_level_are_not_made);
	tcase_add_test(c, a_log_message_is_cut_not_overrun);
	tcase_add_test(c, a_map_finds_what_was_put_and_nothing_else);
	tcase_add_test(c, utf8_is_what_unicode_says);
	tcase_add_test(c, an_unfinished_sequence_is_left_for_later);
	tcase_add_test(c, bad_bytes_are_replaced_each);
	tcase_add_test(c, errors_keep_their_cause_behind_a_prefix);
	tcase_add_test(c, an_error_may_quote_the_one_before);
	tcase_add_test(c, a_long_error_is_cut_not_overrun);
	return c;
}
