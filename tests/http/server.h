/* A tiny HTTP server in a thread, on loopback or a unix socket, that behaves as the path of a request says. */
#ifndef SCP_TEST_HTTP_SERVER_H
#define SCP_TEST_HTTP_SERVER_H

#include <stdatomic.h>

struct server;

struct server *server_start(const char *unix_path); /* NULL: loopback */
void server_stop(struct server *s);
const char *server_url(const struct server *s); /* "http://127.0.0.1:PORT" */
int server_connections(const struct server *s);
int server_requests(const struct server *s);

#endif
