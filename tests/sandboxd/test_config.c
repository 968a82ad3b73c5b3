#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sandboxcp/limits.h>

#include "config.h"
#include "suites.h"
#include "table.h"

static const char *const *variables; /* "NAME=value", NULL-terminated */

static const char *get(const char *name)
{
	size_t len = strlen(name);

	for (const char *const *v = variables; v && *v; v++)
		if (strncmp(*v, name, len) == 0 && (*v)[len] == '=')
			return *v + len + 1;
	return NULL;
}

static scp_status load(struct config *c, const char *const *flags, scp_error *err)
{
	char *argv[16] = { (char *)(uintptr_t) "sandboxd" };
	int argc = 1;

	memset(err, 0, sizeof(*err));
	for (; flags && *flags; flags++)
		argv[argc++] = (char *)(uintptr_t)*flags;
	return config_load(c, argc, argv, get, err);
}

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void write_file(char *path, const char *text)
{
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (int)strlen(text));
	close(fd);
}

START_TEST(defaults_are_those_of_the_table)
{
	struct config c;
	scp_error err;

	variables = NULL;
	ck_assert_int_eq(load(&c, LIST("--config", "/dev/null"), &err), SCP_OK);
	ck_assert_uint_eq(c.listen.count, 1);
	ck_assert_str_eq(c.listen.list[0], "127.0.0.1:8000");
	ck_assert_uint_eq(c.session_idle_s, 1800);
	ck_assert_uint_eq(c.max_upload_bytes, 100u << 20);
	ck_assert_uint_eq(c.ready_fd_plus_1, 0);
	ck_assert_ptr_null(c.state_dir);
	config_free(&c);
}
END_TEST

START_TEST(a_flag_wins_over_the_environment_that_over_the_file_that_over_the_default)
{
	char path[] = "/tmp/scp-config-XXXXXX";
	struct config c;
	scp_error err;

	write_file(path, "# a comment\n\n state-dir = /file \nmax-sessions=5\nworkers = 7\nlisten = "
			 "127.0.0.1:1\nlisten = 127.0.0.1:2\n");
	variables =
	    LIST("SANDBOXD_STATE_DIR=/environment", "SANDBOXD_MAX_SESSIONS=6", "SANDBOXD_LISTEN=unix:/a,unix:/b");
	ck_assert_int_eq(load(&c, LIST("--config", path, "--state-dir=/flag", "--listen", "[::1]:3"), &err), SCP_OK);
	ck_assert_str_eq(c.state_dir, "/flag");
	ck_assert_uint_eq(c.max_sessions, 6);
	ck_assert_uint_eq(c.workers, 7);
	ck_assert_uint_eq(c.listen.count, 1);
	ck_assert_str_eq(c.listen.list[0], "[::1]:3");
	config_free(&c);
	ck_assert_int_eq(load(&c, LIST("--config", path), &err), SCP_OK);
	ck_assert_uint_eq(c.listen.count, 2);
	ck_assert_str_eq(c.listen.list[1], "unix:/b");
	variables = LIST("SANDBOXD_MAX_SESSIONS=");
	config_free(&c);
	ck_assert_int_eq(load(&c, LIST("--config", path), &err), SCP_OK);
	ck_assert_str_eq(c.listen.list[1], "127.0.0.1:2");
	ck_assert_uint_eq(c.max_sessions, 5);
	config_free(&c);
	unlink(path);
}
END_TEST

static const struct {
	const char *flag, *value, *says;
} wrong[] = {
	{ "--max-sessions", "0", "--max-sessions: '0' is not a whole number from 1 to 1000000" },
	{ "--max-sessions", "1x", "'1x'" },
	{ "--max-sessions", "", "''" },
	{ "--max-sessions", "-1", "'-1'" },
	{ "--max-sessions", "99999999999999999999", "--max-sessions" },
	{ "--max-sessions", NULL, "--max-sessions: N is missing" },
	{ "--session-idle", "5w", "units s, m, h, d" },
	{ "--session-max-age", "0", "from 1 to" },
	{ "--max-upload", "100MB", "units Ki, Mi, Gi" },
	{ "--log-level", "loud", "--log-level: 'loud' is not one of: debug info warn error off" },
	{ "--state-dir", "", "--state-dir: is empty" },
	{ "--nonsense", "1", "'--nonsense' is no option; see --help" },
	{ "stray", "1", "'stray' is no option" },
	{ "--check=yes", NULL, "--check: takes no value" },
};

START_TEST(errors_name_the_option_its_value_and_what_is_allowed)
{
	struct config c;
	scp_error err;

	variables = NULL;
	ck_assert_int_eq(load(&c, LIST("--config", "/dev/null", wrong[_i].flag, wrong[_i].value), &err), SCP_EINVAL);
	ck_assert_msg(strstr(err.message, wrong[_i].says) != NULL, "'%s' in '%s'", wrong[_i].says, err.message);
}
END_TEST

START_TEST(errors_name_the_variable_or_the_line)
{
	char path[] = "/tmp/scp-config-XXXXXX", twin[] = "/tmp/scp-config-XXXXXX", says[128];
	struct config c;
	scp_error err;

	variables = LIST("SANDBOXD_WORKERS=many");
	ck_assert_int_eq(load(&c, LIST("--config", "/dev/null"), &err), SCP_EINVAL);
	ck_assert_ptr_nonnull(strstr(err.message, "SANDBOXD_WORKERS: 'many'"));
	variables = NULL;
	write_file(path, "\nworkers = many\n");
	ck_assert_int_eq(load(&c, LIST("--config", path), &err), SCP_EINVAL);
	(void)snprintf(says, sizeof(says), "%s, line 2: workers: 'many'", path);
	ck_assert_msg(strstr(err.message, says) != NULL, "%s", err.message);
	write_file(twin, "wrokers = 3\n");
	ck_assert_int_eq(load(&c, LIST("--config", twin), &err), SCP_EINVAL);
	ck_assert_ptr_nonnull(strstr(err.message, "line 1: there is no option 'wrokers'"));
	ck_assert_int_eq(load(&c, LIST("--config", "/nonexistent"), &err), SCP_EINVAL);
	ck_assert_ptr_nonnull(strstr(err.message, "/nonexistent"));
	unlink(path);
	unlink(twin);
}
END_TEST

START_TEST(secrets_come_from_the_environment_or_a_file_and_are_not_printed)
{
	char path[] = "/tmp/scp-config-XXXXXX", second[] = "/tmp/scp-config-XXXXXX", empty[] = "/tmp/scp-config-XXXXXX";
	char text[16384] = "";
	struct config c;
	scp_error err;
	FILE *out = fmemopen(text, sizeof(text), "w");

	write_file(path, "hush-internal\n");
	write_file(second, "# whose\nhush-password\n");
	variables = LIST("SANDBOXD_API_TOKEN=hush-api-token");
	ck_assert_int_eq(
	    load(&c, LIST("--config", "/dev/null", "--internal-token-file", path, "--database-password-file", second),
		&err),
	    SCP_OK);
	ck_assert_str_eq(c.api_token, "hush-api-token");
	ck_assert_str_eq(c.internal_token, "hush-internal");
	ck_assert_str_eq(c.database_password, "hush-password");
	config_print(&c, out);
	fclose(out);
	ck_assert_ptr_null(strstr(text, "hush"));
	config_free(&c);
	variables = LIST("SANDBOXD_DATABASE_PASSWORD=hush-other");
	ck_assert_int_eq(load(&c, LIST("--config", "/dev/null", "--database-password-file", second), &err), SCP_OK);
	ck_assert_str_eq(c.database_password, "hush-other");
	config_free(&c);
	write_file(empty, "\n");
	variables = NULL;
	ck_assert_int_eq(load(&c, LIST("--config", "/dev/null", "--database-password-file", empty), &err), SCP_EINVAL);
	ck_assert_ptr_nonnull(strstr(err.message, "holds no password"));
	unlink(path);
	unlink(second);
	unlink(empty);
}
END_TEST

START_TEST(what_is_printed_reads_back_the_same)
{
	char path[] = "/tmp/scp-config-XXXXXX", first[16384] = "", second[16384] = "";
	struct config c;
	scp_error err;
	FILE *out = fmemopen(first, sizeof(first), "w");

	variables = LIST("SANDBOXD_LISTEN=unix:/a,[::1]:5");
	ck_assert_int_eq(
	    load(&c, LIST("--config", "/dev/null", "--max-upload=3Mi", "--session-idle", "2h", "--log-format=json"),
		&err),
	    SCP_OK);
	config_print(&c, out);
	fclose(out);
	config_free(&c);
	write_file(path, first);
	variables = NULL;
	ck_assert_msg(load(&c, LIST("--config", path), &err) == SCP_OK, "%s", err.message);
	ck_assert_uint_eq(c.session_idle_s, 7200);
	out = fmemopen(second, sizeof(second), "w");
	config_print(&c, out);
	fclose(out);
	ck_assert_str_eq(first, second);
	config_free(&c);
	unlink(path);
}
END_TEST

START_TEST(help_and_file_know_every_option)
{
	char help[16384] = "", file[16384] = "", line[64];
	struct config c;
	scp_error err;
	FILE *out = fmemopen(help, sizeof(help), "w");

	variables = NULL;
	config_help(out);
	fclose(out);
	ck_assert_int_eq(load(&c, LIST("--config", "/dev/null"), &err), SCP_OK);
	out = fmemopen(file, sizeof(file), "w");
	config_print(&c, out);
	fclose(out);
	for (size_t i = 0; i < option_count; i++) {
		(void)snprintf(line, sizeof(line), "  --%s", option_rows[i].name);
		ck_assert_msg(strstr(help, line) != NULL, "%s", line);
		(void)snprintf(line, sizeof(line), "%s = ", option_rows[i].name);
		ck_assert_msg(option_rows[i].flag_only || strstr(file, line), "%s", line);
	}
	config_free(&c);
}
END_TEST

START_TEST(the_library_is_told_what_was_configured)
{
	char images[2048];
	scp_plane_options o;
	struct config c;
	scp_error err;

	variables = NULL;
	ck_assert_int_eq(load(&c,
			     LIST("--config", "/dev/null", "--seed-image", "a=b", "--seed-image=c=d", "--disk-stock",
				 "0", "--runtime", "oci:crun"),
			     &err),
	    SCP_OK);
	config_plane_options(&c, &o, images);
	ck_assert_str_eq(o.seed_images, "a=b,c=d");
	ck_assert_uint_eq(o.disk_stock, UINT32_MAX);
	ck_assert_uint_eq(o.runtime_url_count, 1);
	ck_assert_str_eq(o.runtime_urls[0], "oci:crun");
	ck_assert_uint_eq(o.session_max_age_s, 21600);
	config_free(&c);
}
END_TEST

START_TEST(defaults_and_ranges_are_the_librarys)
{
	struct config c;
	scp_error err;

	variables = NULL;
	ck_assert_int_eq(load(&c, LIST("--config", "/dev/null"), &err), SCP_OK);
	ck_assert_uint_eq(c.session_idle_s, SCP_SESSION_IDLE_S_DEFAULT);
	ck_assert_uint_eq(c.session_max_age_s, SCP_SESSION_MAX_AGE_S_DEFAULT);
	ck_assert_uint_eq(c.heartbeat_timeout_s, SCP_HEARTBEAT_TIMEOUT_S_DEFAULT);
	ck_assert_uint_eq(c.retention_s, SCP_RETENTION_S_DEFAULT);
	ck_assert_uint_eq(c.history_s, SCP_HISTORY_S_DEFAULT);
	ck_assert_uint_eq(c.max_sessions, SCP_MAX_SESSIONS_DEFAULT);
	ck_assert_uint_eq(c.max_executions, SCP_MAX_EXECUTIONS_DEFAULT);
	ck_assert_uint_eq(c.max_running, SCP_MAX_RUNNING_PER_SESSION_DEFAULT);
	ck_assert_uint_eq(c.max_pending, SCP_MAX_PENDING_PER_SESSION_DEFAULT);
	ck_assert_uint_eq(c.max_upload_bytes, SCP_MAX_UPLOAD_BYTES_DEFAULT);
	ck_assert_uint_eq(c.retry_base_ms, SCP_RETRY_BASE_MS_DEFAULT);
	ck_assert_uint_eq(c.disk_stock, SCP_DISK_STOCK_DEFAULT);
	config_free(&c);
	ck_assert_int_eq(load(&c, LIST("--config", "/dev/null", "--heartbeat-timeout", "5"), &err), SCP_EINVAL);
	ck_assert_ptr_nonnull(strstr(err.message, "from 6 to 3600"));
	ck_assert_int_eq(load(&c, LIST("--config", "/dev/null", "--retry-base", "60001"), &err), SCP_EINVAL);
	ck_assert_ptr_nonnull(strstr(err.message, "from 1 to 60000"));
}
END_TEST

START_TEST(yes_and_no_are_said_by_flag_variable_and_file)
{
	char path[] = "/tmp/scp-config-XXXXXX";
	struct config c;
	scp_error err;

	variables = NULL;
	ck_assert_int_eq(load(&c, LIST("--config", "/dev/null"), &err), SCP_OK);
	ck_assert(!c.trust_upstream_auth);
	config_free(&c);
	ck_assert_int_eq(load(&c, LIST("--config", "/dev/null", "--trust-upstream-auth"), &err), SCP_OK);
	ck_assert(c.trust_upstream_auth);
	config_free(&c);
	write_file(path, "trust-upstream-auth = yes\n");
	ck_assert_int_eq(load(&c, LIST("--config", path), &err), SCP_OK);
	ck_assert(c.trust_upstream_auth);
	config_free(&c);
	variables = LIST("SANDBOXD_TRUST_UPSTREAM_AUTH=no");
	ck_assert_int_eq(load(&c, LIST("--config", path), &err), SCP_OK);
	ck_assert(!c.trust_upstream_auth);
	config_free(&c);
	variables = LIST("SANDBOXD_TRUST_UPSTREAM_AUTH=perhaps");
	ck_assert_int_eq(load(&c, LIST("--config", path), &err), SCP_EINVAL);
	ck_assert_ptr_nonnull(strstr(err.message, "'perhaps' is not yes or no"));
	unlink(path);
}
END_TEST

START_TEST(the_listening_default_is_told_from_a_wish)
{
	struct config c;
	scp_error err;

	variables = NULL;
	ck_assert_int_eq(load(&c, LIST("--config", "/dev/null"), &err), SCP_OK);
	ck_assert(c.listen_is_default);
	config_free(&c);
	ck_assert_int_eq(load(&c, LIST("--config", "/dev/null", "--listen", "127.0.0.1:8000"), &err), SCP_OK);
	ck_assert(!c.listen_is_default);
	config_free(&c);
}
END_TEST

START_TEST(schema_reaches_the_library)
{
	char images[2048];
	scp_plane_options o;
	struct config c;
	scp_error err;

	variables = NULL;
	ck_assert_int_eq(load(&c, LIST("--config", "/dev/null"), &err), SCP_OK);
	config_plane_options(&c, &o, images);
	ck_assert_int_eq(o.schema, SCP_SCHEMA_MIGRATE);
	config_free(&c);
	ck_assert_int_eq(load(&c, LIST("--config", "/dev/null", "--schema=require"), &err), SCP_OK);
	config_plane_options(&c, &o, images);
	ck_assert_int_eq(o.schema, SCP_SCHEMA_REQUIRE);
	config_free(&c);
}
END_TEST

Suite *config_suite(void)
{
	Suite *s = suite_create("config");
	TCase *t = tcase_create("config");

	tcase_add_test(t, defaults_are_those_of_the_table);
	tcase_add_test(t, a_flag_wins_over_the_environment_that_over_the_file_that_over_the_default);
	tcase_add_loop_test(
	    t, errors_name_the_option_its_value_and_what_is_allowed, 0, (int)(sizeof(wrong) / sizeof(*wrong)));
	tcase_add_test(t, errors_name_the_variable_or_the_line);
	tcase_add_test(t, secrets_come_from_the_environment_or_a_file_and_are_not_printed);
	tcase_add_test(t, what_is_printed_reads_back_the_same);
	tcase_add_test(t, help_and_file_know_every_option);
	tcase_add_test(t, the_library_is_told_what_was_configured);
	tcase_add_test(t, defaults_and_ranges_are_the_librarys);
	tcase_add_test(t, yes_and_no_are_said_by_flag_variable_and_file);
	tcase_add_test(t, the_listening_default_is_told_from_a_wish);
	tcase_add_test(t, schema_reaches_the_library);
	suite_add_tcase(s, t);
	return s;
}
