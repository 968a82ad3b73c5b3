/* Filling an scp_error. The first cause survives: a record that already holds an error is only ever given a prefix. */
#ifndef SCP_UTIL_ERR_H
#define SCP_UTIL_ERR_H

#include <sandboxcp/error.h>

/** Status with its default code and solution, and a message. Returns `status`. `err` may be NULL. */
scp_status scp__fail(scp_error *err, scp_status status, const char *fmt, ...) SCP_PRINTF(3, 4);

/** By REST code ("SessionNotRunning"), which gives status, code and solution. Returns the code's status. */
scp_status scp__fail_as(scp_error *err, const char *code, const char *fmt, ...) SCP_PRINTF(3, 4);

/** SCP_ENOMEM, saying where. */
scp_status scp__nomem(scp_error *err);

/** status from an errno, message "what: strerror"; ENOSPC, EDQUOT, EFBIG → ETOOBIG; ENOENT → ENOTFOUND; else EINTERNAL.
 */
scp_status scp__fail_errno(scp_error *err, int error_number, const char *fmt, ...) SCP_PRINTF(3, 4);

/** Replace the advice. */
void scp__hint(scp_error *err, const char *fmt, ...) SCP_PRINTF(2, 3);

/** Put context before the message: "prefix: message". Returns err's status (SCP_EINTERNAL for NULL). */
scp_status scp__prefix(scp_error *err, const char *fmt, ...) SCP_PRINTF(2, 3);

/** Say when to try again. */
void scp__retry_after(scp_error *err, uint32_t ms);

/** Copy; `to` may be NULL. */
void scp__error_copy(scp_error *to, const scp_error *from);

#endif
