/* Where keys come from. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake.h"
#include "fs.h"
#include "s3/s3.h"
#include "suite.h"

static char file[64];

static void set_up(void)
{
	memset(&at, 0, sizeof(at));
	unsetenv("AWS_ACCESS_KEY_ID");
	unsetenv("AWS_SECRET_ACCESS_KEY");
	snprintf(file, sizeof(file), "/tmp/scp-keys-%d", getpid());
	fake_start();
}

static void tear_down(void)
{
	unlink(file);
	fake_stop();
}

static void write_file(const char *text)
{
	FILE *f = fopen(file, "w");

	ck_assert(f && fputs(text, f) >= 0 && !fclose(f));
}

static scp_status open_with(scp_storage **st, const char *url)
{
	return scp__storage_open(st, url, &(scp__storage_options){ .credentials_file = file }, &at.err);
}

START_TEST(a_file_of_either_kind_is_read)
{
	static const char *const texts[] = { "AWS_ACCESS_KEY_ID=test:tester\nAWS_SECRET_ACCESS_KEY = testing\n",
		"# ours\r\n[other]\naws_access_key_id = x\naws_secret_access_key = y\n\n[default]\n"
		"aws_access_key_id = test:tester\r\naws_secret_access_key=testing\r\n" };
	char detail[256];
	scp_storage *st;

	write_file(texts[_i]);
	assert_ok(open_with(&st, s3_url("contract", "")));
	assert_ok(scp__storage_health(st, 20000, detail, sizeof(detail), &at.err));
	ck_assert_ptr_nonnull(strstr(detail, "--storage-credentials-file"));
	scp__storage_close(st);
}
END_TEST

START_TEST(a_file_is_read_again_when_it_changes)
{
	char detail[256];
	scp_storage *st;

	write_file("AWS_ACCESS_KEY_ID=test:tester\nAWS_SECRET_ACCESS_KEY=old\n");
	assert_ok(open_with(&st, s3_url("contract", "")));
	assert_status(scp__storage_health(st, 20000, detail, sizeof(detail), &at.err), SCP_EUNAVAIL);
	ck_assert_ptr_nonnull(strstr(at.err.hint, "--storage-credentials-file"));
	write_file("AWS_ACCESS_KEY_ID=test:tester\nAWS_SECRET_ACCESS_KEY=testing\n");
	sleep(2);
	assert_ok(scp__storage_health(st, 20000, detail, sizeof(detail), &at.err));
	/* One that is half written, or gone, takes no keys away. */
	write_file("AWS_ACCESS");
	sleep(2);
	assert_ok(scp__storage_health(st, 20000, detail, sizeof(detail), &at.err));
	unlink(file);
	sleep(2);
	assert_ok(scp__storage_health(st, 20000, detail, sizeof(detail), &at.err));
	scp__storage_close(st);
}
END_TEST

START_TEST(keys_that_are_missing_are_told_at_once)
{
	scp_storage *st;

	assert_status(open_s3(&st, "contract", ""), SCP_EINVAL);
	ck_assert_ptr_nonnull(strstr(at.err.message, "AWS_ACCESS_KEY_ID"));
	ck_assert_ptr_nonnull(strstr(at.err.hint, "--storage-credentials-file"));
	assert_status(open_s3(&st, "contract", "&credentials=file"), SCP_EINVAL);
	assert_status(open_with(&st, s3_url("contract", "")), SCP_EINVAL);
	ck_assert_ptr_nonnull(strstr(at.err.message, "can't be read"));
	write_file("AWS_ACCESS_KEY_ID=a\n");
	assert_status(open_with(&st, s3_url("contract", "")), SCP_EINVAL);
	assert_status(open_s3(&st, "contract", "&credentials=container"), SCP_EINVAL);
	setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1.example.org/", 1);
	assert_status(open_s3(&st, "contract", "&credentials=container"), SCP_EINVAL);
	ck_assert_ptr_nonnull(strstr(at.err.hint, "AWS_CONTAINER_CREDENTIALS_FULL_URI"));
	ck_assert_ptr_null(st);
}
END_TEST

/* The fake says in the ETag which session token came. */
static void assert_token(scp_storage *st, const char *wanted)
{
	struct s3_head head;

	assert_ok(s3_look((struct s3 *)st, "f", &head, &at.err));
	ck_assert_str_eq(head.etag, wanted);
}

static scp_storage *open_role(const char *kind, const char *role)
{
	char url[256], variable[128];
	scp_storage *st;

	snprintf(variable, sizeof(variable), "%s/%s", fake_endpoint(), role);
	setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", variable, 1);
	setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "let me", 1);
	setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", fake_endpoint(), 1);
	snprintf(url, sizeof(url), "s3://tokens?endpoint=%s&credentials=%s", fake_endpoint(), kind);
	assert_ok(scp__storage_open(&st, url, NULL, &at.err));
	return st;
}

START_TEST(the_role_of_a_container_or_an_instance_has_keys)
{
	scp_storage *st = open_role("container", "role/long");
	char *url;

	assert_token(st, "token-1");
	assert_token(st, "token-1");
	assert_ok(scp__storage_presign(st, "f", "GET", 60, &url, &at.err));
	ck_assert_ptr_nonnull(strstr(url, "&X-Amz-Security-Token=token-1&"));
	free(url);
	scp__storage_close(st);
	st = open_role("instance", "");
	assert_token(st, "token-instance");
	scp__storage_close(st);
}
END_TEST

START_TEST(keys_are_renewed_when_they_end)
{
	scp_storage *st = open_role("container", "role/short");

	assert_token(st, "token-1");
	sleep(3);
	assert_token(st, "token-2");
	scp__storage_close(st);
}
END_TEST

START_TEST(a_role_whose_endpoint_fails_is_told_later)
{
	scp_storage *st = open_role("container", "brokenrole/x");
	scp_object object;

	assert_status(scp__storage_stat(st, "f", &object, &at.err), SCP_EUNAVAIL);
	ck_assert_ptr_nonnull(strstr(at.err.message, "this container's role"));
	scp__storage_close(st);
}
END_TEST

static const struct {
	const char *url, *says;
} urls[] = {
	{ "s3://", "must name a bucket" },
	{ "s3://A", "must name a bucket" },
	{ "s3://b@d/x", "must name a bucket" },
	{ "s3://bucket?secret=hush", "unknown parameter 'secret'" },
	{ "s3://bucket?hush", "unknown parameter" },
	{ "s3://bucket?endpoint=ftp://x", "endpoint=" },
	{ "s3://bucket?endpoint=http://user:hush@x", "endpoint=" },
	{ "s3://bucket?endpoint=http://x/path", "endpoint=" },
	{ "s3://bucket?endpoint=http://", "endpoint=" },
	{ "s3://bucket?style=other", "style=" },
	{ "s3://bucket?region=a%20b", "region=" },
	{ "s3://bucket?region=%zz", "region=" },
	{ "s3://bucket?prefix=a//b", "prefix=" },
	{ "s3://bucket?prefix=/a", "prefix=" },
	{ "s3://bucket?credentials=mine", "credentials=" },
	{ "s3://bucket?part_mib=4", "part_mib=" },
	{ "s3://bucket?ca_file=x", "ca_file=" },
};

START_TEST(a_url_that_is_wrong_is_told_and_never_repeated)
{
	scp_storage *st;

	assert_status(scp__storage_open(&st, urls[_i].url, NULL, &at.err), SCP_EINVAL);
	ck_assert_msg(strstr(at.err.message, urls[_i].says) != NULL, "%s", at.err.message);
	ck_assert_ptr_null(strstr(at.err.message, "=hush"));
	ck_assert_ptr_null(strstr(at.err.message, ":hush"));
	ck_assert_ptr_null(st);
}
END_TEST

START_TEST(a_url_says_where_objects_are)
{
	static const struct {
		const char *url, *address;
	} rows[] = {
		{ "s3://bucket", "https://bucket.s3.us-east-1.amazonaws.com/k" },
		{ "s3://bucket?region=eu-central-1", "https://bucket.s3.eu-central-1.amazonaws.com/k" },
		{ "s3://bucket.with.dots", "https://s3.us-east-1.amazonaws.com/bucket.with.dots/k" },
		{ "s3://bucket?endpoint=http://h:80&prefix=/", "http://h/bucket/k" },
		{ "s3://bucket?endpoint=https%3A%2F%2Fh:9000/&style=virtual&prefix=a%20b/c/",
		    "https://bucket.h:9000/a%20b/c/k" },
		{ "s3://bucket?endpoint=http://[::1]:80", "http://[::1]/bucket/k" },
	};
	scp_storage *st;
	char *url;

	setenv("AWS_ACCESS_KEY_ID", "a", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "b", 1);
	unsetenv("AWS_REGION");
	unsetenv("AWS_DEFAULT_REGION");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_ok(scp__storage_open(&st, rows[i].url, NULL, &at.err));
		assert_ok(scp__storage_presign(st, "k", "GET", 60, &url, &at.err));
		*strchr(url, '?') = '\0';
		ck_assert_str_eq(url, rows[i].address);
		free(url);
		scp__storage_close(st);
	}
}
END_TEST

Suite *credentials_suite(void)
{
	Suite *suite = suite_create("storage contract: credentials");
	TCase *tc = tcase_create("credentials"), *plain = tcase_create("urls");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_loop_test(tc, a_file_of_either_kind_is_read, 0, 2);
	tcase_add_test(tc, a_file_is_read_again_when_it_changes);
	tcase_add_test(tc, keys_that_are_missing_are_told_at_once);
	tcase_add_test(tc, the_role_of_a_container_or_an_instance_has_keys);
	tcase_add_test(tc, keys_are_renewed_when_they_end);
	tcase_add_test(tc, a_role_whose_endpoint_fails_is_told_later);
	suite_add_tcase(suite, tc);
	tcase_add_loop_test(plain, a_url_that_is_wrong_is_told_and_never_repeated, 0, sizeof(urls) / sizeof(urls[0]));
	tcase_add_test(plain, a_url_says_where_objects_are);
	suite_add_tcase(suite, plain);
	return suite;
}
