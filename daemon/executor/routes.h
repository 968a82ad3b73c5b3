/* The executor's HTTP routes: decode, call, answer. */
#ifndef EXECUTOR_ROUTES_H
#define EXECUTOR_ROUTES_H

#include "server.h"

/** For http_server_new(), with the struct executor as server_user. */
extern const http_handler executor_routes;

#endif
