#include "fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "serve.h"

static struct {
	pthread_t thread;
	struct config config;
	char socket[64], log[64], tokens[64];
	bool joined;
} d;

static const char *no_environment(const char *name)
{
	(void)name;
	return NULL;
}

static void *run(void *arg)
{
	scp_error err = { 0 };

	(void)arg;
	ck_assert_msg(serve(&d.config, &err) == SCP_OK, "%s", err.message);
	return NULL;
}

static void name_files(void)
{
	(void)snprintf(d.socket, sizeof(d.socket), "/tmp/scp-test-%d.sock", getpid());
	(void)snprintf(d.log, sizeof(d.log), "/tmp/scp-test-%d.log", getpid());
	(void)snprintf(d.tokens, sizeof(d.tokens), "/tmp/scp-test-%d.tokens", getpid());
}

void daemon_start(const char *const *flags)
{
	char listen[80], fd[16], told[256];
	char *argv[16];
	int argc = 0, ready[2];
	scp_error err = { 0 };

	fake_reset();
	name_files();
	ck_assert_int_eq(pipe(ready), 0);
	(void)snprintf(listen, sizeof(listen), "unix:%s", d.socket);
	(void)snprintf(fd, sizeof(fd), "%d", ready[1]);
	const char *const first[] = { "sandboxd", "--config", "/dev/null", "--listen", listen, "--ready-fd", fd,
		"--log-file", d.log, "--log-format", "json", NULL };
	for (const char *const *f = first; *f; f++)
		argv[argc++] = (char *)(uintptr_t)*f;
	for (; flags && *flags; flags++)
		argv[argc++] = (char *)(uintptr_t)*flags;
	ck_assert_msg(config_load(&d.config, argc, argv, no_environment, &err) == SCP_OK, "%s", err.message);
	d.joined = false;
	ck_assert_int_eq(pthread_create(&d.thread, NULL, run, NULL), 0);
	/* it says when it serves */
	ck_assert_int_gt(read(ready[0], told, sizeof(told)), 0);
	close(ready[0]);
}

void daemon_setup(void)
{
	daemon_start(NULL);
}

void tokens_rewrite(const char *text)
{
	FILE *f;

	name_files();
	f = fopen(d.tokens, "w");
	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

void daemon_setup_tokens_and(const char *const *more)
{
	const char *flags[8] = { "--api-token-file", d.tokens };

	tokens_rewrite("alice:secret-alice\n");
	for (size_t i = 2; more && *more && i < 7; i++)
		flags[i] = *more++;
	daemon_start(flags);
}

void daemon_setup_tokens(void)
{
	daemon_setup_tokens_and(NULL);
}

/* The log is a file: nothing tells when it grows. */
void daemon_await_log(const char *text)
{
	char seen[65536] = "";

	for (int i = 0; i < 60000 && !strstr(seen, text); i++) {
		FILE *f = fopen(d.log, "r");

		if (f) {
			seen[fread(seen, 1, sizeof(seen) - 1, f)] = '\0';
			fclose(f);
		}
		usleep(1000);
	}
	ck_assert_msg(strstr(seen, text) != NULL, "%s is not in the log", text);
}

void daemon_signal(int number)
{
	/* to the loop, which is the main thread in the real daemon */
	(void)pthread_kill(d.thread, number);
}

void daemon_join(void)
{
	pthread_join(d.thread, NULL);
	d.joined = true;
	config_free(&d.config);
	(void)unlink(d.log);
	(void)unlink(d.tokens);
	ck_assert_int_ne(access(d.socket, F_OK), 0);
	ck_assert_uint_eq(fake.live, 0);
}

void daemon_stop(void)
{
	if (d.joined)
		return;
	daemon_signal(SIGTERM);
	daemon_join();
}

int connect_daemon(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct timeval tv = { .tv_sec = 60 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(a.sun_path, d.socket);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

void send_all(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len) {
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		at += n;
		len -= (size_t)n;
	}
}

struct answer read_answer(int fd)
{
	struct answer a = { 0 };
	size_t size = 65536, len = 0;
	ssize_t n;

	a.text = malloc(size);
	while ((n = recv(fd, a.text + len, size - 1 - len, 0)) > 0) {
		len += (size_t)n;
		if (size - len < 32768)
			a.text = realloc(a.text, size *= 2);
	}
	close(fd);
	a.text[len] = '\0';
	a.status = len > 12 ? atoi(a.text + 9) : 0;
	a.body = strstr(a.text, "\r\n\r\n");
	a.body = a.body ? a.body + 4 : a.text + len;
	a.body_len = (size_t)(a.text + len - a.body);
	(void)scp__json_parse(&a.json, a.body, a.body_len, "answer", NULL);
	return a;
}

struct answer ask(const char *method, const char *target, const char *head, const char *body)
{
	size_t len = body ? strlen(body) : 0;
	char *text = malloc(len + 4096);
	int fd = connect_daemon();
	int n = snprintf(text, 4096, "%s %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%sContent-Length: %zu\r\n\r\n",
	    method, target, head ? head : "", len);

	memcpy(text + n, body ? body : "", len);
	send_all(fd, text, (size_t)n + len);
	free(text);
	return read_answer(fd);
}

const char *field(const struct answer *a, const char *key)
{
	const scp__json *v = a->json ? scp__json_get(a->json, key) : NULL;
	const char *text = v ? scp__json_string(v) : NULL;

	return text ? text : "";
}

void answer_free(struct answer *a)
{
	scp__json_free(a->json);
	free(a->text);
}

void wait_for(_Atomic unsigned *counter, unsigned value)
{
	/* no event reaches this thread from the others': look, at short intervals, up to 60 s */
	for (int i = 0; i < 60000 && *counter < value; i++)
		usleep(1000);
	ck_assert_uint_ge(*counter, value);
}
