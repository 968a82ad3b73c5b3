/* Who may report about what. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hmac.h"
#include "plane.h"
#include "suites.h"

static const char given[] = "the-internal-token";

static void setup_given(void)
{
	setup();
	options.internal_token = given;
	open_plane();
}

static const char *token_of(const char *session_id)
{
	static char token[4][65];
	static unsigned n;
	char *out = token[n++ % 4];

	OK(scp__hmac_sha256_hex(given, session_id, strlen(session_id), out, err));
	return out;
}

static scp_status may(const char *token, const char *about)
{
	scp_error err = { 0 };
	scp_status rc = scp_report_authorize(plane, token, about, &err);

	if (rc)
		ck_assert_str_eq(err.code, rc == SCP_EAUTH ? "Unauthorized" : "InvalidExecution");
	return rc;
}

START_TEST(a_sessions_token_is_the_hmac_that_everybody_can_compute)
{
	char mine[65];

	OK(scp__report_session_token(plane->core, "sess_0000000000000000", mine, err));
	/* printf %s sess_0000000000000000 | openssl dgst -sha256 -hmac the-internal-token */
	ck_assert_str_eq(mine, "4906250b98694d12bc0902ec870f0787fd68fbf43a9c8e5c5c82deb8c71bb618");
}
END_TEST

START_TEST(the_internal_token_opens_all)
{
	ck_assert_int_eq(may(given, make_session(SCP_PERSISTENT)), SCP_OK);
	ck_assert_int_eq(may(given, "exec_20260101_aaaaaaaa"), SCP_OK);
}
END_TEST

START_TEST(a_sessions_token_opens_that_session_alone)
{
	char a[64], b[64];
	id of_a, of_b;

	snprintf(a, sizeof(a), "%s", make_session(SCP_PERSISTENT));
	snprintf(b, sizeof(b), "%s", make_session(SCP_PERSISTENT));
	of_a = submit(a, "ok", 0);
	of_b = submit(b, "ok", 0);
	ck_assert_int_eq(may(token_of(a), a), SCP_OK);
	ck_assert_int_eq(may(token_of(a), of_a.s), SCP_OK);
	ck_assert_int_eq(may(token_of(a), b), SCP_ENOTFOUND);
	ck_assert_int_eq(may(token_of(a), of_b.s), SCP_ENOTFOUND);
	ck_assert_int_eq(may(token_of(b), of_b.s), SCP_OK);
	ck_assert_int_eq(may(token_of(a), "exec_20260101_aaaaaaaa"), SCP_ENOTFOUND);
	ck_assert_int_eq(may(token_of(a), "nonsense"), SCP_ENOTFOUND);
}
END_TEST

START_TEST(a_token_outlives_its_session)
{
	char s[64];

	snprintf(s, sizeof(s), "%s", make_session(SCP_PERSISTENT));
	OK(scp_session_terminate(NULL, plane, s, err));
	ck_assert_int_eq(may(token_of(s), s), SCP_OK);
}
END_TEST

START_TEST(anything_else_opens_nothing)
{
	char s[64], off[65];

	snprintf(s, sizeof(s), "%s", make_session(SCP_PERSISTENT));
	snprintf(off, sizeof(off), "%s", token_of(s));
	off[63] = off[63] == '0' ? '1' : '0';
	ck_assert_int_eq(may(off, s), SCP_EAUTH);
	ck_assert_int_eq(may("", s), SCP_EAUTH);
	ck_assert_int_eq(may("the-internal-toke", s), SCP_EAUTH);
	ck_assert_int_eq(may("the-internal-token ", s), SCP_EAUTH);
	ck_assert_int_eq(may("wrong", "exec_20260101_aaaaaaaa"), SCP_EAUTH);
	ck_assert_int_eq(may("wrong", "nonsense"), SCP_EAUTH);
	ck_assert_int_eq(scp_report_authorize(plane, NULL, s, NULL), SCP_EINVAL);
}
END_TEST

/* ---- where it comes from ---- */

static void read_token(char out[128])
{
	char path[128];
	struct stat st;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/internal-token", state_dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	n = read(fd, out, 127);
	ck_assert_int_gt(n, 32);
	out[n - 1] = '\0';
	close(fd);
}

START_TEST(one_is_made_and_stays)
{
	char token[128], again[128];

	open_plane();
	read_token(token);
	ck_assert_int_eq(may(token, "sess_0000000000000000"), SCP_OK);
	reopen_plane();
	read_token(again);
	ck_assert_str_eq(token, again);
	ck_assert_int_eq(may(token, "sess_0000000000000000"), SCP_OK);
}
END_TEST

static void open_fails(scp_status status, const char *says)
{
	scp_error err = { 0 };
	scp_plane *p = NULL;

	ck_assert_int_eq(scp_plane_open(&p, &options, &err), status);
	ck_assert_ptr_null(p);
	ck_assert_ptr_nonnull(strstr(err.message, says));
}

START_TEST(another_token_on_the_same_database_is_refused)
{
	options.internal_token = given;
	open_plane();
	fake_keep(runtime);
	scp_plane_close(plane);
	plane = NULL;
	options.internal_token = "quite-another-token";
	open_fails(SCP_ESTATE, "another internal token");
	options.internal_token = given;
	open_plane();
}
END_TEST

START_TEST(a_token_that_can_not_be_sent_is_refused)
{
	options.internal_token = "short";
	open_fails(SCP_EINVAL, "internal_token");
	options.internal_token = "with a blank";
	open_fails(SCP_EINVAL, "internal_token");
}
END_TEST

Suite *suite_tokens(void)
{
	Suite *s = suite_create("tokens");
	TCase *t = tcase_create("tokens"), *made = tcase_create("made");

	tcase_add_checked_fixture(t, setup_given, teardown);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, a_sessions_token_is_the_hmac_that_everybody_can_compute);
	tcase_add_test(t, the_internal_token_opens_all);
	tcase_add_test(t, a_sessions_token_opens_that_session_alone);
	tcase_add_test(t, a_token_outlives_its_session);
	tcase_add_test(t, anything_else_opens_nothing);
	suite_add_tcase(s, t);
	tcase_add_checked_fixture(made, setup, teardown);
	tcase_set_timeout(made, 120);
	tcase_add_test(made, one_is_made_and_stays);
	tcase_add_test(made, another_token_on_the_same_database_is_refused);
	tcase_add_test(made, a_token_that_can_not_be_sent_is_refused);
	suite_add_tcase(s, made);
	return s;
}
