/* Status codes, the error record and the one table that gives each error its REST code, HTTP status and advice. */
#ifndef SANDBOXCP_ERROR_H
#define SANDBOXCP_ERROR_H

#include <stddef.h>
#include <stdint.h>

#include <sandboxcp/export.h>

SCP_BEGIN_DECLS

typedef enum scp_status {
	SCP_OK = 0,
	SCP_EINVAL,    /* a parameter is wrong; the message names it and what is allowed */
	SCP_EAUTH,     /* not authorized */
	SCP_ENOTFOUND, /* no such session, execution, file, … */
	SCP_ECONFLICT, /* another thing has that name or key */
	SCP_ESTATE,    /* not possible in the state that the thing is in */
	SCP_ETOOBIG,   /* larger than a limit */
	SCP_EBUSY,     /* too many in flight; later it may work */
	SCP_EINTERNAL, /* a bug or a failing machine */
	SCP_ENOMEM,    /* no memory */
	SCP_EBACKEND,  /* a backend answered something unexpected */
	SCP_ENOTSUP,   /* this backend can't */
	SCP_ECAPACITY, /* every place is taken */
	SCP_EUNAVAIL,  /* a backend is out of reach */
	SCP_ECLOSED,   /* the plane is closing */
	SCP_ETIMEDOUT, /* the time given was up (never on the wire) */
	SCP_ECANCELED, /* the caller stopped it (never on the wire) */
	SCP_EAGAIN     /* can't go on right now (never on the wire) */
} scp_status;

/**
 * What went wrong, for people and programs: caller-owned, of fixed size, untouched on success.
 *
 * `code` is the REST error_code without its prefix ("SessionNotFound"), `message` its error_detail, `hint` its
 * solution. Every function that takes one accepts NULL.
 */
typedef struct scp_error {
	scp_status status;
	uint32_t retry_after_ms; /* 0: not said */
	char code[48];
	char message[512];
	char hint[256];
} scp_error;

/** One row of the error table. All strings are static. */
typedef struct scp_error_kind {
	const char *code;	 /* "SessionNotFound" */
	scp_status status;	 /* what functions return */
	int http_status;	 /* 404 */
	const char *description; /* "Session not found" */
	const char *solution;	 /* what to do, where the place that failed doesn't say better */
} scp_error_kind;

/** The row of `code`; the row of InternalError for NULL or an unknown one. Never NULL. Any thread. */
SCP_API const scp_error_kind *scp_error_kind_get(const char *code);

/** Row number `index` of the table, or NULL past its end: to document or test all of them. Any thread. */
SCP_API const scp_error_kind *scp_error_kind_at(size_t index);

/** "SCP_ENOTFOUND" and so on; "?" for a number that is none. Any thread. */
SCP_API const char *scp_status_name(scp_status status);

SCP_END_DECLS

#endif
