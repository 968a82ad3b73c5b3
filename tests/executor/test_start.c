/* How the executor is started: what it says, what it refuses, where it listens. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "box.h"

#define TOKEN_MAX 256

struct ended {
	int exit_code;
	char text[8192]; /* stdout and stderr */
};

static char folder[32];
static char path[64]; /* of a file there */
static struct ended e;

static void set_up(void)
{
	(void)snprintf(folder, sizeof(folder), "/tmp/executor-start-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/it", folder);
	e = (struct ended){ 0 };
}

static void tear_down(void)
{
	(void)unlink(path);
	(void)rmdir(folder);
}

/* With `fd`, if there is one, as 7; out of `argv` comes the name. */
static void become_executor(const char *const *args, const char *token, int fd)
{
	const char *argv[8] = { "sandbox-executor" };

	for (unsigned i = 0; args[i]; i++)
		argv[1 + i] = args[i];
	if (fd >= 0 && dup2(fd, 7) < 0)
		_exit(125);
	if (token)
		(void)setenv("SANDBOX_REPORT_TOKEN", token, 1);
	execv(boxes_executor(), (char *const *)(uintptr_t)argv);
	_exit(127);
}

/* To its end, which must come. */
static void run_it(const char *const *args, const char *token, int fd)
{
	int ends[2], status;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	if (!pid) {
		(void)alarm(20);
		(void)dup2(ends[1], STDOUT_FILENO);
		(void)dup2(ends[1], STDERR_FILENO);
		become_executor(args, token, fd);
	}
	close(ends[1]);
	while ((n = read(ends[0], e.text + len, sizeof(e.text) - 1 - len)) > 0)
		len += (size_t)n;
	e.text[len] = '\0';
	close(ends[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status), "it ended with %x: %s", status, e.text);
	e.exit_code = WEXITSTATUS(status);
}

static void must_say(int exit_code, const char *text)
{
	ck_assert_msg(e.exit_code == exit_code, "%d, not %d: %s", e.exit_code, exit_code, e.text);
	ck_assert_msg(strstr(e.text, text) != NULL, "no '%s' in: %s", text, e.text);
}

static int listener(const char *at)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", at);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	return fd;
}

START_TEST(help_and_version_are_told_and_nothing_is_begun)
{
	run_it((const char *[]){ "--listen-unix=/nowhere/at/all", "--help", NULL }, NULL, -1);
	must_say(0, "usage: sandbox-executor");
	run_it((const char *[]){ "--version", NULL }, NULL, -1);
	must_say(0, "sandbox-executor ");
}
END_TEST

static const char *const bad_options[] = { "--listen-unix=relative", "--listen-unix", "--listen-fd=2",
	"--listen-fd=1024", "--listen-fd=x", "--listen-fd=", "--listen-fd=-1", "--workspace=relative",
	"--max-running=0", "--max-running=65", "--max-running=1x", "--max-queued=4097", "--spool-mib=4",
	"--spool-mib=4097", "--spool-mib=99999999999999999999",
	"--report-url=", "--report-session=", "--report-token-file=relative", "--nonsense", "word", "" };

START_TEST(an_option_that_is_not_understood_is_named_with_the_usage)
{
	char wanted[128];

	run_it((const char *[]){ "--listen-unix=/nowhere", bad_options[_i], NULL }, NULL, -1);
	(void)snprintf(
	    wanted, sizeof(wanted), "sandbox-executor: %s: not understood, or out of range\nusage:", bad_options[_i]);
	must_say(2, wanted);
}
END_TEST

START_TEST(where_to_listen_is_said_once)
{
	run_it((const char *[]){ "--max-running=1", NULL }, NULL, -1);
	must_say(2, "give one of --listen-fd and --listen-unix");
	run_it((const char *[]){ "--listen-fd=7", "--listen-unix=/nowhere", NULL }, NULL, -1);
	must_say(2, "give one of --listen-fd and --listen-unix");
}
END_TEST

START_TEST(where_it_can_not_listen_it_ends)
{
	char option[256] = "--listen-unix=/";

	memset(option + strlen(option), 'x', 120);
	run_it((const char *[]){ option, NULL }, NULL, -1);
	must_say(1, "listen: File name too long");
	run_it((const char *[]){ "--listen-unix=/nowhere/at/all", NULL }, NULL, -1);
	must_say(1, "listen: No such file or directory");
}
END_TEST

START_TEST(a_descriptor_that_is_no_listener_is_refused)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	run_it((const char *[]){ "--listen-fd=7", NULL }, NULL, -1);
	must_say(1, "listen: Bad file descriptor");
	run_it((const char *[]){ "--listen-fd=7", NULL }, NULL, null);
	must_say(1, "listen: Socket operation on non-socket");
	run_it((const char *[]){ "--listen-fd=7", NULL }, NULL, pair[0]);
	must_say(1, "listen: Invalid argument");
	close(pair[0]);
	close(pair[1]);
	close(null);
}
END_TEST

/* As every sandbox has it. What came along beside the listener isn't kept: its other end sees that. */
START_TEST(a_listener_that_is_handed_in_is_served_and_nothing_else_stays_open)
{
	int fd = listener(path), beside[2], status;
	struct box box = { 0 };
	char byte;

	(void)snprintf(box.socket, sizeof(box.socket), "%s", path);
	ck_assert_int_eq(pipe(beside), 0);
	box.pid = fork();
	if (!box.pid)
		become_executor((const char *[]){ "--listen-fd=7", "--workspace=/tmp", NULL }, NULL, fd);
	close(fd);
	close(beside[1]);
	ck_assert_int_eq(ask(&box, "GET", "/v1/info"), 200);
	ck_assert_int_eq(read(beside[0], &byte, 1), 0);
	close(beside[0]);
	ck_assert_int_eq(kill(box.pid, SIGTERM), 0);
	ck_assert_int_eq(waitpid(box.pid, &status, 0), box.pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

static const char *const bad_urls[] = { "http://", "http://127.0.0.1", "http://127.0.0.1:", "http://127.0.0.1:0",
	"http://127.0.0.1:65536", "http://127.0.0.1:80/path", "http://localhost:80", "http://[::1:80", "http://::1:80",
	"http://[zz]:80", "https://127.0.0.1:80", "unix:relative", "127.0.0.1:80" };

START_TEST(push_mode_takes_addresses_alone)
{
	char listen_option[96], option[96];

	(void)snprintf(listen_option, sizeof(listen_option), "--listen-unix=%s", path);
	(void)snprintf(option, sizeof(option), "--report-url=%s", bad_urls[_i]);
	run_it((const char *[]){ listen_option, option, "--report-session=sess_0", NULL }, "long-enough", -1);
	must_say(1, "--report-url: http://ADDRESS:PORT or unix:/PATH is wanted");
}
END_TEST

START_TEST(push_mode_wants_a_session)
{
	char listen_option[96];

	(void)snprintf(listen_option, sizeof(listen_option), "--listen-unix=%s", path);
	run_it((const char *[]){ listen_option, "--report-url=unix:/nowhere", NULL }, "long-enough", -1);
	must_say(1, "--report-session: the session's id is wanted");
	run_it((const char *[]){ listen_option, "--report-url=http://[::1]:80/", "--report-session=../x", NULL },
	    "long-enough", -1);
	must_say(1, "--report-session: the session's id is wanted");
}
END_TEST

static void must_want_token(const char *token, const char *file)
{
	char listen_option[96], file_option[96] = "--workspace=/tmp";

	(void)snprintf(listen_option, sizeof(listen_option), "--listen-unix=%s.sock", folder);
	if (file)
		(void)snprintf(file_option, sizeof(file_option), "--report-token-file=%s", file);
	run_it((const char *[]){ listen_option, "--report-url=unix:/nowhere", "--report-session=sess_0", file_option,
		   NULL },
	    token, -1);
	(void)unlink(listen_option + strlen("--listen-unix="));
	must_say(1, "a token of 8 to 256 characters is wanted");
}

static void write_token(size_t len, const char *behind)
{
	FILE *f = fopen(path, "we");

	ck_assert_ptr_nonnull(f);
	for (size_t i = 0; i < len; i++)
		(void)fputc('t', f);
	(void)fputs(behind, f);
	ck_assert_int_eq(fclose(f), 0);
}

START_TEST(push_mode_wants_a_token_that_fits_a_header)
{
	char longer[TOKEN_MAX + 2];

	memset(longer, 't', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	must_want_token(NULL, NULL);
	must_want_token("short", NULL);
	must_want_token("with a blank", NULL);
	must_want_token("with\r\na-line", NULL);
	must_want_token(longer, NULL);
}
END_TEST

START_TEST(a_token_file_is_believed_whole_or_not_at_all)
{
	must_want_token("long-enough", "/nowhere/at/all");
	must_want_token("long-enough", folder); /* no file */
	write_token(7, "\n");
	must_want_token("long-enough", path);
	write_token(TOKEN_MAX + 1, "");
	must_want_token(NULL, path);
	write_token(TOKEN_MAX + 1, "\n");
	must_want_token(NULL, path);
}
END_TEST

Suite *start_suite(void)
{
	Suite *suite = suite_create("executor start");
	TCase *t = tcase_create("start");

	suite_add_tcase(suite, t);
	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, help_and_version_are_told_and_nothing_is_begun);
	tcase_add_loop_test(t, an_option_that_is_not_understood_is_named_with_the_usage, 0,
	    sizeof(bad_options) / sizeof(bad_options[0]));
	tcase_add_test(t, where_to_listen_is_said_once);
	tcase_add_test(t, where_it_can_not_listen_it_ends);
	tcase_add_test(t, a_descriptor_that_is_no_listener_is_refused);
	tcase_add_test(t, a_listener_that_is_handed_in_is_served_and_nothing_else_stays_open);
	tcase_add_loop_test(t, push_mode_takes_addresses_alone, 0, sizeof(bad_urls) / sizeof(bad_urls[0]));
	tcase_add_test(t, push_mode_wants_a_session);
	tcase_add_test(t, push_mode_wants_a_token_that_fits_a_header);
	tcase_add_test(t, a_token_file_is_believed_whole_or_not_at_all);
	return suite;
}
