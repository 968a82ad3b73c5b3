/* How the daemon comes up: where it may listen, sockets that were handed to it, who is told. */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "activation.h"
#include "config.h"
#include "notify.h"
#include "serve.h"
#include "suites.h"

static const char *no_environment(const char *name)
{
	return strcmp(name, "SANDBOXD_API_TOKEN") == 0 ? getenv("TOKEN_OF_THE_TEST") : NULL;
}

/* ---- where it may listen ---- */

/* Serve until it is ready, in a child; 0: it served, else the message. */
static bool serves(const char *const *flags, char message[512])
{
	int told[2], status = 0;
	ssize_t n;
	pid_t child;

	ck_assert_int_eq(pipe(told), 0);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		char *argv[16] = { (char *)(uintptr_t) "sandboxd", (char *)(uintptr_t) "--config",
			(char *)(uintptr_t) "/dev/null", (char *)(uintptr_t) "--log-level=off" };
		struct config c;
		scp_error err = { 0 };
		int argc = 4;
		char fd[32];

		(void)signal(SIGTERM, SIG_DFL); /* the test runner's would end the runner */
		(void)snprintf(fd, sizeof(fd), "--ready-fd=%d", told[1]);
		argv[argc++] = fd;
		for (; *flags; flags++)
			argv[argc++] = (char *)(uintptr_t)*flags;
		if (!config_load(&c, argc, argv, no_environment, &err) && !serve(&c, &err))
			_exit(0);
		(void)dprintf(told[1], "!%s", err.message);
		_exit(1);
	}
	close(told[1]);
	n = read(told[0], message, 511);
	message[n > 0 ? n : 0] = '\0';
	close(told[0]);
	(void)kill(child, SIGTERM);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	return n > 0 && message[0] != '!';
}

#define FLAGS(...) ((const char *const[]){ __VA_ARGS__, NULL })

START_TEST(without_auth_it_listens_on_loopback_and_unix_sockets_alone)
{
	char said[512], path[64];

	(void)snprintf(path, sizeof(path), "--listen=unix:/tmp/scp-start-%d", getpid());
	ck_assert_msg(serves(FLAGS("--listen=127.0.0.1:0"), said), "%s", said);
	ck_assert_msg(serves(FLAGS("--listen=127.9.9.9:0"), said), "%s", said);
	ck_assert_msg(serves(FLAGS(path), said), "%s", said);
	ck_assert(!serves(FLAGS("--listen=0.0.0.0:0"), said));
	ck_assert_ptr_nonnull(strstr(said, "is not loopback"));
	ck_assert(!serves(FLAGS("--listen=*:0"), said));
	ck_assert(!serves(FLAGS("--listen=[::]:0"), said));
	/* one among others that may */
	ck_assert(!serves(FLAGS("--listen=127.0.0.1:0", "--listen=0.0.0.0:0"), said));
}
END_TEST

START_TEST(with_tokens_or_a_gateway_it_listens_anywhere)
{
	char said[512];

	ck_assert_msg(serves(FLAGS("--listen=0.0.0.0:0", "--trust-upstream-auth"), said), "%s", said);
	ck_assert_int_eq(setenv("TOKEN_OF_THE_TEST", "a-good-token", 1), 0);
	ck_assert_msg(serves(FLAGS("--listen=0.0.0.0:0"), said), "%s", said);
	ck_assert_int_eq(setenv("TOKEN_OF_THE_TEST", "short", 1), 0);
	ck_assert(!serves(FLAGS("--listen=127.0.0.1:0"), said));
	ck_assert_int_eq(unsetenv("TOKEN_OF_THE_TEST"), 0);
	ck_assert(!serves(FLAGS("--listen=127.0.0.1:0", "--trust-upstream-auth", "--upstream-auth-header=a b"), said));
}
END_TEST

/* ---- sockets that were handed over ---- */

static int bound(int family, int type, bool listening)
{
	struct sockaddr_storage a = { .ss_family = (sa_family_t)family };
	int fd = socket(family, type, 0);

	ck_assert_int_ge(fd, 0);
	if (listening) {
		ck_assert_int_eq(
		    bind(fd, (struct sockaddr *)&a, family == AF_UNIX ? sizeof(sa_family_t) : sizeof(a)), 0);
		ck_assert_int_eq(listen(fd, 5), 0);
	}
	return fd;
}

/* What a process of its own saw: the test's runner has descriptor 3 for itself. */
struct seen {
	scp_status status;
	scp_error err;
	size_t count;
	struct listen_socket list[4];
	bool close_on_exec, nonblocking, cleaned;
};

static void take(struct seen *seen)
{
	struct listeners l = { 0 };

	seen->status = activation_take(&l, &seen->err);
	seen->count = l.count;
	if (l.count)
		memcpy(seen->list, l.list, (l.count > 4 ? 4 : l.count) * sizeof(*l.list));
	seen->close_on_exec = fcntl(3, F_GETFD) & FD_CLOEXEC;
	seen->nonblocking = fcntl(3, F_GETFL) & O_NONBLOCK;
	seen->cleaned = !getenv("LISTEN_FDS") && !getenv("LISTEN_PID") && !getenv("LISTEN_FDNAMES");
}

static void say(const char *pid, const char *fds, const char *names)
{
	char own[16];

	(void)snprintf(own, sizeof(own), "%d", getpid());
	(void)setenv("LISTEN_PID", pid ? pid : own, 1);
	(void)setenv("LISTEN_FDS", fds, 1);
	(void)unsetenv("LISTEN_FDNAMES");
	if (names)
		(void)setenv("LISTEN_FDNAMES", names, 1);
}

/* They stand at 3, 4, … there, and nothing behind them. */
static struct seen *handed(const int *fds, int count, const char *pid, const char *number, const char *names)
{
	struct seen *seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child;
	int status;

	ck_assert_ptr_ne(seen, MAP_FAILED);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		for (int i = 0; i < count; i++)
			(void)dup2(fds[i], 100 + i);
		for (int i = 0; i < count; i++)
			(void)dup2(100 + i, 3 + i);
		(void)close(3 + count);
		say(pid, number, names);
		take(seen);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	for (int i = 0; i < count; i++)
		close(fds[i]);
	return seen;
}

START_TEST(handed_sockets_are_taken_with_their_names)
{
	const int fds[] = { bound(AF_INET, SOCK_STREAM, true), bound(AF_UNIX, SOCK_STREAM, true) };
	const struct seen *seen = handed(fds, 2, NULL, "2", "public:sandboxd.socket");

	ck_assert_msg(seen->status == SCP_OK, "%s", seen->err.message);
	ck_assert_uint_eq(seen->count, 2);
	ck_assert_int_eq(seen->list[0].fd, 3);
	ck_assert(!seen->list[0].local); /* 0.0.0.0 */
	ck_assert_str_eq(seen->list[0].label, "public");
	ck_assert_ptr_nonnull(strstr(seen->list[0].name, "0.0.0.0:"));
	ck_assert(seen->list[1].local);
	ck_assert_str_eq(seen->list[1].label, "sandboxd.socket");
	ck_assert_str_eq(seen->list[1].path, ""); /* not ours to remove */
	ck_assert(seen->close_on_exec && seen->nonblocking && seen->cleaned);
}
END_TEST

START_TEST(what_was_meant_for_another_process_is_left_alone)
{
	const int fd = bound(AF_INET, SOCK_STREAM, true);
	const struct seen *seen = handed(&fd, 1, "1", "1", NULL);

	ck_assert_int_eq(seen->status, SCP_OK);
	ck_assert_uint_eq(seen->count, 0);
	ck_assert(seen->cleaned && !seen->close_on_exec);
}
END_TEST

static const struct {
	const char *pid, *fds, *names;
	int type;
	bool listening;
} wrong[] = {
	{ NULL, "1", NULL, SOCK_STREAM, false },
	{ NULL, "1", NULL, SOCK_DGRAM, false },
	{ NULL, "x", NULL, SOCK_STREAM, true },
	{ NULL, "-1", NULL, SOCK_STREAM, true },
	{ NULL, "65", NULL, SOCK_STREAM, true },
	{ NULL, "1 ", NULL, SOCK_STREAM, true },
	{ "me", "1", NULL, SOCK_STREAM, true },
	{ NULL, "2", NULL, SOCK_STREAM, true },
	{ NULL, "1", "a:b", SOCK_STREAM, true },
	{ NULL, "1", "a-name-that-is-longer-than-sixty-three-characters-and-so-nothing-we-would-keep", SOCK_STREAM,
	    true },
};

START_TEST(what_is_not_as_it_is_said_is_refused)
{
	const int fd = bound(AF_INET, wrong[_i].type, wrong[_i].listening);
	const struct seen *seen = handed(&fd, 1, wrong[_i].pid, wrong[_i].fds, wrong[_i].names);

	ck_assert_int_eq(seen->status, SCP_EINVAL);
	ck_assert_ptr_nonnull(strstr(seen->err.message, "LISTEN_"));
	ck_assert(seen->cleaned);
}
END_TEST

/* ---- who is told ---- */

static int manager(char path[64])
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct timeval tv = { .tv_sec = 60 };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	(void)snprintf(path, 64, "/tmp/scp-notify-%d", getpid());
	(void)unlink(path);
	strcpy(a.sun_path, path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	return fd;
}

static void hears(int fd, const char *wanted)
{
	char text[128];
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

	ck_assert_int_gt(n, 0);
	text[n] = '\0';
	ck_assert_str_eq(text, wanted);
}

START_TEST(a_manager_hears_of_readiness_of_life_and_of_the_end)
{
	char path[64], said[512];
	int fd = manager(path);

	(void)setenv("NOTIFY_SOCKET", path, 1);
	(void)setenv("WATCHDOG_USEC", "20000", 1);
	(void)unsetenv("WATCHDOG_PID");
	ck_assert_msg(serves(FLAGS("--listen=127.0.0.1:0"), said), "%s", said);
	(void)unsetenv("NOTIFY_SOCKET");
	(void)unsetenv("WATCHDOG_USEC");
	hears(fd, "READY=1");
	(void)unlink(path);
	for (char text[128] = "";;) {
		ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

		ck_assert_int_gt(n, 0);
		text[n] = '\0';
		if (strcmp(text, "STOPPING=1") == 0)
			break;
		ck_assert_str_eq(text, "WATCHDOG=1");
	}
	close(fd);
}
END_TEST

START_TEST(the_watchdog_is_fed_for_as_long_as_the_loop_turns)
{
	char path[64];
	int fd = manager(path), status;
	pid_t child = fork();

	if (child == 0) {
		char *argv[] = { (char *)(uintptr_t) "sandboxd", (char *)(uintptr_t) "--config",
			(char *)(uintptr_t) "/dev/null", (char *)(uintptr_t) "--log-level=off",
			(char *)(uintptr_t) "--listen=127.0.0.1:0" };
		struct config c;
		scp_error err = { 0 };

		(void)setenv("NOTIFY_SOCKET", path, 1);
		(void)setenv("WATCHDOG_USEC", "20000", 1);
		_exit(config_load(&c, 5, argv, no_environment, &err) || serve(&c, &err));
	}
	hears(fd, "READY=1");
	for (int i = 0; i < 5; i++)
		hears(fd, "WATCHDOG=1");
	(void)kill(child, SIGKILL);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	(void)unlink(path);
	close(fd);
}
END_TEST

START_TEST(what_concerns_the_daemon_alone_is_not_passed_on)
{
	struct notifier n;

	(void)setenv("NOTIFY_SOCKET", "@abstract", 1);
	(void)setenv("WATCHDOG_USEC", "3000000", 1);
	(void)setenv("WATCHDOG_PID", "1", 1);
	notify_open(&n);
	ck_assert_uint_gt(n.address_len, 0);
	ck_assert_int_eq(n.address.sun_path[0], 0);
	ck_assert_uint_eq(n.watchdog_us, 0); /* another's */
	ck_assert_ptr_null(getenv("NOTIFY_SOCKET"));
	ck_assert_ptr_null(getenv("WATCHDOG_USEC"));
	ck_assert_ptr_null(getenv("WATCHDOG_PID"));
	(void)setenv("NOTIFY_SOCKET", "relative", 1);
	notify_open(&n);
	ck_assert_uint_eq(n.address_len, 0);
}
END_TEST

Suite *start_suite(void)
{
	Suite *s = suite_create("start");
	TCase *t = tcase_create("start");

	tcase_set_timeout(t, 120);
	tcase_add_test(t, without_auth_it_listens_on_loopback_and_unix_sockets_alone);
	tcase_add_test(t, with_tokens_or_a_gateway_it_listens_anywhere);
	tcase_add_test(t, handed_sockets_are_taken_with_their_names);
	tcase_add_test(t, what_was_meant_for_another_process_is_left_alone);
	tcase_add_loop_test(t, what_is_not_as_it_is_said_is_refused, 0, (int)(sizeof(wrong) / sizeof(*wrong)));
	tcase_add_test(t, a_manager_hears_of_readiness_of_life_and_of_the_end);
	tcase_add_test(t, the_watchdog_is_fed_for_as_long_as_the_loop_turns);
	tcase_add_test(t, what_concerns_the_daemon_alone_is_not_passed_on);
	suite_add_tcase(s, t);
	return s;
}
