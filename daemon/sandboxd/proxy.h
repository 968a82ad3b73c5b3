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
/** In on_head, for a route with `whose`: find out, then go on here or there. The body waits meanwhile. */
void proxy_look(struct exchange *x);

/* ---- proxy.c ---- */

/** What proxy_look.c found, in the exchange's arena. */
struct proxy_target {
	const char *node, *url;
	const char *host; /* of the URL, with its port */
	char *proof;	  /* free() */
	struct sockaddr_storage address;
	socklen_t address_len;
};

/** The header lines' names. */
#define PROXY_PROOF "Sandboxd-Peer"
#define PROXY_ACTOR "Sandboxd-Actor"

/** Method, target and body's length go on as they came; `target` is copied. Fails the exchange by itself. */
void proxy_begin(struct exchange *x, const struct proxy_target *target);

#endif
