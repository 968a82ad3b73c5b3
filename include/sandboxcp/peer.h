/*
 * Peers: other processes on the same database. Each reaches the nodes that it drives; what lies there, files, streams
 * and logs, is had from that process.
 */
#ifndef SANDBOXCP_PEER_H
#define SANDBOXCP_PEER_H

#include <stdbool.h>

#include <sandboxcp/plane.h>

SCP_BEGIN_DECLS

/** Where something is served. Freed whole by scp_reach_free(). Only ever appended to. */
typedef struct scp_reach {
	bool here;		 /* by this process */
	const char *node;	 /* NULL: it has none, and needs none */
	const char *node_status; /* "ready", "draining", "lost"; NULL where there is no node */
	const char *url; /* http://HOST:PORT of the process that drives the node, unless it is this one or the node is
			  * lost; NULL: it advertises none */
} scp_reach;

/**
 * Where the files of a session, the events of an execution, or the log of a container are to be had. A session that has
 * no node yet gets one of this process's, if there are other nodes too: the answer stays true.
 *
 * @param out  the caller's, scp_reach_free()
 * @param id   of a session, an execution or a container; only read
 * @return SCP_OK; SCP_ENOTFOUND; SCP_EUNAVAIL database lost, or no node takes the session right now
 *
 * Blocks for the database, and for an image where a node is to be found. Any thread. No route of its own: sandboxd
 * sends requests on by it.
 */
SCP_API scp_status scp_reach_get(scp_reach **out, scp_plane *plane, const char *id, scp_error *err);

/** Asynchronous twin; see session.h. */
SCP_API scp_status scp_reach_get_async(
    scp_request **out, scp_plane *plane, const char *id, scp_done_fn *fn, void *user, scp_error *err);

SCP_API void scp_reach_free(scp_reach *reach);

/**
 * Prove to another process on this database that this one asks: a text that only holders of the internal token can
 * make, about `subject` alone, good for a minute by the database's clock. It says nothing of the token.
 *
 * @param proof    the caller's, free(); printable, without blanks
 * @param subject  what it is about: whatever the request does must be in it
 * @return SCP_OK; SCP_EINVAL; SCP_ENOMEM. Doesn't block. Any thread.
 */
SCP_API scp_status scp_peer_prove(char **proof, scp_plane *plane, const char *subject, scp_error *err);

/** Whether `proof` is one about `subject`. @return SCP_OK; SCP_EAUTH; SCP_EINVAL. Doesn't block. Any thread. */
SCP_API scp_status scp_peer_check(scp_plane *plane, const char *proof, const char *subject, scp_error *err);

SCP_END_DECLS

#endif
