/*
 * Who asks. One function answers that for the whole daemon, and every route that isn't public goes through it; whoever
 * wants to know callers by something else (a certificate, a cookie, a directory) puts a function of their own there.
 */
#ifndef SCP_SANDBOXD_AUTH_H
#define SCP_SANDBOXD_AUTH_H

#include <stdbool.h>

#include <sandboxcp/error.h>

#include "server.h"

#define IDENTITY_SIZE 129 /* as much as a call's actor may have, and a NUL */

struct config;
struct tokens;

/**
 * Write who sent `q` into `who`; "": nobody in particular. false: the request is answered with 401.
 * In the loop's thread: it must not block.
 */
typedef bool identify_fn(void *user, const http_request *q, char who[IDENTITY_SIZE]);

struct auth {
	identify_fn *identify;
	void *user;
	/* of the built-in ways: */
	struct tokens *tokens;
	const char *header;  /* that a gateway before us names its caller in; NULL: there is none */
	const char *mode;    /* "tokens", "upstream", "tokens+upstream" or "none": what /health says */
	const char *warning; /* what the operator should hear about; NULL: nothing. Static. */
};

/** As configured; borrows from `c`. */
scp_status auth_open(struct auth *a, const struct config *c, scp_error *err);
/** Read the tokens again; on an error the old ones stay. */
scp_status auth_reload(struct auth *a, scp_error *err);
/** Whether it lets in everybody: then only loopback and unix sockets may be listened on. */
bool auth_is_open(const struct auth *a);
void auth_close(struct auth *a);

#endif
