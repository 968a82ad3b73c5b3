/*
 * Requests that another process's node is meant by are passed on to that process, streamed both ways; their caller was
 * judged here. What is passed on carries a proof of who passes it on and on whose behalf (never the caller's token),
 * and isn't passed on again.
 */
#ifndef SCP_SANDBOXD_PROXY_H
#define SCP_SANDBOXD_PROXY_H

#include "app.h"
#include "upstream.h"

/* ---- proxy_look.c: is it for this process? ---- */

/** Whether a request says that another process passed it on. */
bool proxy_is_from_peer(const http_request *q);
/** Whether it proves that; `who`: on whose behalf. */
scp_status proxy_authorize(struct exchange *x, char who[IDENTITY_SIZE], scp_error *err);
/** In on_head, for a route that is NODES, or where a handler failed for lack of an OUTPUTS: find out, then go on here
 * or there. The body waits meanwhile. */
void proxy_look(struct exchange *x);

/* ---- proxy.c ---- */

/** What proxy_look.c found, in the exchange's arena. */
struct proxy_target {
	const char *node, *url, *target;
	const char *host; /* of the URL, with its port */
	char *proof;	  /* free() */
	struct sockaddr_storage address;
	socklen_t address_len;
};

/** The header lines' names. */
#define PROXY_PROOF "Sandboxd-Peer"
#define PROXY_ACTOR "Sandboxd-Actor"

/** How the other process is asked; the target is in the arena (NULL: no memory). */
const char *proxy_method_of(const struct exchange *x);
const char *proxy_target_of(struct exchange *x);

/** `to` is only read, and may go. Fails the exchange by itself. */
void proxy_begin(struct exchange *x, const struct proxy_target *to);

#endif
