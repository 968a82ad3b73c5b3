/* A server with a small application behind it, in a thread; and a blocking client that sends and expects raw bytes. */
#ifndef SCP_TESTS_DAEMON_HTTP_FIXTURE_H
#define SCP_TESTS_DAEMON_HTTP_FIXTURE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server.h"

/* Requests that on_head saw, and that on_close saw; what the test waits for. */
extern _Atomic unsigned app_heads, app_ends, app_closes;
extern _Atomic uint64_t app_body_bytes;

/*
 * The application: /hello; /echo (streams the body back); /count (answers the body's size); /early (answers before the
 * body); /limit (at most 10 bytes); /big?n=N (N bytes); /wait (no answer until /release); /hold (body paused until
 * /release); /abort; /short (ends before its length); /forge (a header with a line break); /later (answered from the
 * loop); /show?… (path, query and header X-A)
 */
void fixture_start(const http_server_options *options);
void fixture_start_unix(void);
void fixture_stop(void);  /* cuts what is left */
void fixture_drain(void); /* starts draining; fixture_wait_drained() */
void fixture_wait_drained(void);

int client_connect(void);
void client_send(int fd, const char *data, size_t len);
void client_text(int fd, const char *text);
/* Read until the peer closes, a bounded text; returns its length. */
size_t client_read_all(int fd, char *out, size_t size);
/* Read until `out` holds `text`. */
void client_read_until(int fd, char *out, size_t size, const char *text);
/* One request on a connection of its own: send, close for sending, return the answer. */
size_t client_exchange(const char *request, char *out, size_t size);
/* Wait until the counter reached `value`; fails the test after a long while. */
void wait_for(_Atomic unsigned *counter, unsigned value);

#endif
