/* What goes wrong at S3, and what is said about it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "fake.h"
#include "suite.h"

static int64_t clock_off_us;
int64_t __real_scp__now_us(void);
int64_t __wrap_scp__now_us(void);

int64_t __wrap_scp__now_us(void)
{
	return __real_scp__now_us() + clock_off_us;
}

static void assert_says(const char *message, const char *hint)
{
	ck_assert_msg(strstr(at.err.message, message) != NULL, "'%s' isn't in: %s", message, at.err.message);
	ck_assert_msg(strstr(at.err.hint, hint) != NULL, "'%s' isn't in: %s", hint, at.err.hint);
	ck_assert_ptr_null(strstr(at.err.message, "testing"));
	ck_assert_ptr_null(strstr(at.err.message, "Signature="));
}

/* Every operation says the same of what is wrong with all of them. */
static void assert_all_say(scp_storage *st, const char *message, const char *hint)
{
	char detail[64], next[64];
	scp_object_reader *r;
	scp_object object;

	assert_status(scp__storage_health(st, 10000, detail, sizeof(detail), &at.err), SCP_EUNAVAIL);
	assert_says(message, hint);
	assert_status(scp__storage_stat(st, "f", &object, &at.err), SCP_EUNAVAIL);
	assert_status(scp__storage_get_open(st, "f", 0, 0, &r, &object, &at.err), SCP_EUNAVAIL);
	assert_says(message, hint);
	assert_status(scp__storage_put_bytes(st, "f", "x", 1, &at.err), SCP_EUNAVAIL);
	assert_says(message, hint);
	assert_status(scp__storage_remove(st, "f", &at.err), SCP_EUNAVAIL);
	assert_status(scp__storage_remove_prefix(st, "f", &at.err), SCP_EUNAVAIL);
	assert_status(scp__storage_list(st, "f", "", NULL, NULL, NULL, next, sizeof(next), &at.err), SCP_EUNAVAIL);
	assert_says(message, hint);
	scp__storage_close(st);
}

START_TEST(a_wrong_secret_is_told)
{
	scp_storage *st;

	setenv("AWS_SECRET_ACCESS_KEY", "not it", 1);
	assert_ok(open_s3(&st, "contract", ""));
	assert_all_say(st, "SignatureDoesNotMatch", "AWS_SECRET_ACCESS_KEY");
}
END_TEST

START_TEST(an_unknown_key_is_told)
{
	scp_storage *st;

	setenv("AWS_ACCESS_KEY_ID", "nobody:here", 1);
	assert_ok(open_s3(&st, "contract", ""));
	assert_all_say(st, "403", "AWS_ACCESS_KEY_ID");
}
END_TEST

START_TEST(a_missing_bucket_is_told_and_is_no_missing_file)
{
	scp_storage *st;

	assert_ok(open_s3(&st, "nosuchbucket", ""));
	assert_all_say(st, "NoSuchBucket", "Make the bucket nosuchbucket");
}
END_TEST

START_TEST(a_clock_that_is_wrong_is_told)
{
	scp_storage *st;

	clock_off_us = _i ? -INT64_C(3600000000) : INT64_C(3600000000);
	assert_ok(open_s3(&st, "contract", ""));
	assert_all_say(st, _i ? "s behind the server's" : "s ahead of the server's", "Set this machine's clock");
}
END_TEST

START_TEST(a_server_out_of_reach_is_told)
{
	scp_storage *st;

	assert_ok(scp__storage_open(&st, "s3://contract?endpoint=http://127.0.0.1:1", NULL, &at.err));
	assert_status(scp__storage_health(st, 1000, (char[4]){ 0 }, 4, &at.err), SCP_EUNAVAIL);
	assert_says("s3://contract", "endpoint= (and ca_file=) in --storage");
	scp__storage_close(st);
}
END_TEST

START_TEST(another_region_is_told)
{
	scp_storage *st;

	assert_ok(open_s3(&st, "contract", "&region=eu-central-1"));
	assert_all_say(st, "AuthorizationHeaderMalformed", "Set region=us-east-1 in --storage");
}
END_TEST

START_TEST(keys_beyond_what_s3_takes_are_refused)
{
	char key[1100];
	scp_storage *st;

	memset(key, 'k', sizeof(key));
	key[1024] = '\0';
	assert_ok(open_s3(&st, "contract", "&prefix=long"));
	assert_status(scp__storage_put_bytes(st, key, "x", 1, &at.err), SCP_EINVAL);
	key[1019] = '\0';
	for (size_t i = 200; i < 1019; i += 200)
		key[i] = '/';
	assert_ok(scp__storage_put_bytes(st, key, "x", 1, &at.err));
	assert_ok(scp__storage_remove(st, key, &at.err));
	scp__storage_close(st);
}
END_TEST

/* ---- what only a fake can be made to do ---- */

static scp_storage *open_fake(const char *bucket)
{
	scp_storage *st;
	char url[256];

	snprintf(url, sizeof(url), "s3://%s?endpoint=%s&part_mib=5", bucket, fake_endpoint());
	assert_ok(scp__storage_open(&st, url, NULL, &at.err));
	return st;
}

static scp_status fake_get(scp_storage *st, const char *key, char **text)
{
	void *data = NULL;
	size_t len;
	scp_status rc = scp__storage_get_bytes(st, key, 8 << 20, &data, &len, &at.err);

	if (text)
		*text = data;
	else
		free(data);
	return rc;
}

START_TEST(what_passes_is_tried_again)
{
	scp_storage *st = open_fake("flaky");
	scp_object object;
	char *text;

	assert_ok(fake_get(st, "f", &text));
	ck_assert_str_eq(text, "hello, whoever reads this");
	free(text);
	ck_assert_int_eq(fake_count("GET /flaky/f"), 3);
	assert_ok(scp__storage_stat(st, "f", &object, &at.err));
	ck_assert_int_eq(fake_count("HEAD /flaky/f"), 3);
	scp__storage_close(st);
}
END_TEST

START_TEST(what_does_not_pass_is_tried_a_few_times)
{
	scp_storage *st = open_fake("busy");

	assert_status(fake_get(st, "f", NULL), SCP_EUNAVAIL);
	assert_says("503 SlowDown: reduce your request rate", "Try again");
	ck_assert_int_eq(fake_count("GET /busy/f"), 5);
	scp__storage_close(st);
}
END_TEST

START_TEST(what_is_refused_is_asked_once)
{
	scp_storage *st = open_fake("denied");

	assert_status(fake_get(st, "f", NULL), SCP_EUNAVAIL);
	assert_says("AccessDenied: not for you", "Let this key list bucket denied");
	ck_assert_int_eq(fake_count("GET /denied/f"), 1);
	scp__storage_close(st);
	st = open_fake("elsewhere");
	assert_status(fake_get(st, "f", NULL), SCP_EUNAVAIL);
	assert_says("PermanentRedirect", "Set region=eu-west-7");
	scp__storage_close(st);
	st = open_fake("full");
	assert_status(scp__storage_put_bytes(st, "f", "x", 1, &at.err), SCP_ETOOBIG);
	scp__storage_close(st);
}
END_TEST

START_TEST(answers_that_are_not_s3s_are_told)
{
	scp_storage *st = open_fake("html");
	char next[4];

	assert_status(fake_get(st, "f", NULL), SCP_EUNAVAIL);
	assert_says("502 without a reason", "Try again");
	scp__storage_close(st);
	st = open_fake("doctype");
	assert_status(scp__storage_list(st, "", "", NULL, NULL, NULL, next, 4, &at.err), SCP_EBACKEND);
	assert_says("a document type", "");
	scp__storage_close(st);
	st = open_fake("nolist");
	assert_status(scp__storage_list(st, "", "", NULL, NULL, NULL, next, 4, &at.err), SCP_EBACKEND);
	assert_says("isn't XML", "");
	scp__storage_close(st);
}
END_TEST

START_TEST(bytes_that_are_not_the_same_are_told)
{
	scp_storage *st = open_fake("wrongetag");

	assert_status(scp__storage_put_bytes(st, "f", "x", 1, &at.err), SCP_EBACKEND);
	assert_says("other bytes than were sent (ETag)", "");
	scp__storage_close(st);
	st = open_fake("wrongbytes");
	assert_status(fake_get(st, "f", NULL), SCP_EBACKEND);
	assert_says("other bytes than were put", "");
	scp__storage_close(st);
	st = open_fake("wrongsum");
	assert_status(fake_get(st, "f", NULL), SCP_EBACKEND);
	assert_says("other bytes than were put", "");
	scp__storage_close(st);
	st = open_fake("unknownsum"); /* its ETag is no MD5 though it looks like one */
	assert_ok(fake_get(st, "f", NULL));
	scp__storage_close(st);
}
END_TEST

START_TEST(a_download_goes_on_where_it_broke_off)
{
	scp_storage *st = open_fake("cut");
	unsigned char *data;
	size_t len;

	assert_ok(scp__storage_get_bytes(st, "f", 8 << 20, (void **)&data, &len, &at.err));
	ck_assert_uint_eq(len, 3 << 20);
	for (size_t i = 0; i < len; i++)
		ck_assert_uint_eq(data[i], i % 256);
	free(data);
	ck_assert_int_eq(fake_count("GET /cut/f"), 4);
	assert_status(fake_get(st, "changes", NULL), SCP_EBACKEND);
	assert_says("it was replaced while it was read", "");
	assert_status(fake_get(st, "stuck", NULL), SCP_EUNAVAIL);
	ck_assert_int_eq(fake_count("GET /cut/stuck"), 5);
	scp__storage_close(st);
}
END_TEST

START_TEST(an_upload_that_fails_late_is_completed_again)
{
	scp_storage *st = open_fake("latefail");

	assert_ok(put_large(st, "f", 11 << 20, 1 << 20, NULL, &at.err));
	scp__storage_close(st);
	st = open_fake("lost"); /* the first answer got lost, and the upload is gone: it was complete */
	assert_ok(put_large(st, "f", 11 << 20, 1 << 20, NULL, &at.err));
	scp__storage_close(st);
	ck_assert_int_eq(fake_count("DELETE"), 0);
}
END_TEST

START_TEST(an_upload_that_fails_is_aborted)
{
	static const char *const buckets[] = { "neverdone", "partfails" };
	char line[64];

	for (size_t i = 0; i < sizeof(buckets) / sizeof(buckets[0]); i++) {
		scp_storage *st = open_fake(buckets[i]);

		ck_assert_int_ne(put_large(st, "f", 11 << 20, 1 << 20, NULL, &at.err), SCP_OK);
		snprintf(line, sizeof(line), "DELETE /%s/f?uploadId=id-1", buckets[i]);
		ck_assert_int_eq(fake_count(line), 1);
		scp__storage_close(st);
	}
}
END_TEST

START_TEST(a_whole_of_other_bytes_is_told)
{
	scp_storage *st = open_fake("otherwhole");

	assert_status(put_large(st, "f", 11 << 20, 1 << 20, NULL, &at.err), SCP_EBACKEND);
	assert_says("other bytes than were sent", "");
	scp__storage_close(st);
}
END_TEST

static void restore(void)
{
	clock_off_us = 0;
	memset(&at, 0, sizeof(at));
}

Suite *errors_suite(void)
{
	Suite *suite = suite_create("storage contract: errors");
	TCase *real = tcase_create("real"), *fake = tcase_create("fake");

	tcase_set_timeout(real, 120);
	tcase_add_checked_fixture(real, restore, NULL);
	tcase_add_test(real, a_wrong_secret_is_told);
	tcase_add_test(real, an_unknown_key_is_told);
	tcase_add_test(real, a_missing_bucket_is_told_and_is_no_missing_file);
	tcase_add_loop_test(real, a_clock_that_is_wrong_is_told, 0, 2);
	tcase_add_test(real, a_server_out_of_reach_is_told);
	tcase_add_test(real, another_region_is_told);
	tcase_add_test(real, keys_beyond_what_s3_takes_are_refused);
	suite_add_tcase(suite, real);
	tcase_set_timeout(fake, 120);
	tcase_add_checked_fixture(fake, fake_start, fake_stop);
	tcase_add_test(fake, what_passes_is_tried_again);
	tcase_add_test(fake, what_does_not_pass_is_tried_a_few_times);
	tcase_add_test(fake, what_is_refused_is_asked_once);
	tcase_add_test(fake, answers_that_are_not_s3s_are_told);
	tcase_add_test(fake, bytes_that_are_not_the_same_are_told);
	tcase_add_test(fake, a_download_goes_on_where_it_broke_off);
	tcase_add_test(fake, an_upload_that_fails_late_is_completed_again);
	tcase_add_test(fake, an_upload_that_fails_is_aborted);
	tcase_add_test(fake, a_whole_of_other_bytes_is_told);
	suite_add_tcase(suite, fake);
	return suite;
}
