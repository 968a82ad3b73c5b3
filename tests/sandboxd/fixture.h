/* The daemon in a thread of the test's, on a unix socket, with the fake library behind it; and a client. */
#ifndef SCP_TESTS_SANDBOXD_FIXTURE_H
#define SCP_TESTS_SANDBOXD_FIXTURE_H

#include <check.h>
#include <stddef.h>

#include "fake.h"
#include "json.h"

void daemon_start(const char *const *flags); /* further flags, NULL-terminated */
void daemon_setup(void);
void daemon_setup_tokens(void); /* alice:secret-alice */
void daemon_setup_tokens_and(const char *const *flags);
void daemon_await_log(const char *text);
void daemon_stop(void); /* SIGTERM; nothing of the fake's may be left */
void daemon_signal(int number);
void daemon_join(void); /* it ends by itself */
void tokens_rewrite(const char *text);

struct answer {
	int status;
	char *text; /* head and body */
	char *body;
	size_t body_len;
	scp__json *json; /* NULL: it isn't JSON */
};

int connect_daemon(void);
void send_all(int fd, const void *data, size_t len);
/** `head`: further header lines, each with its CR LF. One request, its connection closed. Freed at the test's end. */
struct answer ask(const char *method, const char *target, const char *head, const char *body);
struct answer read_answer(int fd);			    /* to the connection's end; closes it */
const char *field(const struct answer *a, const char *key); /* a string member; "" if none */
void answer_free(struct answer *a);
void wait_for(_Atomic unsigned *counter, unsigned value);

#define JSON "Content-Type: application/json\r\n"

#endif
