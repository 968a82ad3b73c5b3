/* The daemon's log: the library's records and our own, one line each, as JSON or for people. Any thread. */
#ifndef SCP_SANDBOXD_DAEMON_LOG_H
#define SCP_SANDBOXD_DAEMON_LOG_H

#include <sandboxcp/plane.h>

struct daemon_log;

/** @param path  NULL: standard error. @param format  "auto", "json" or "text" */
scp_status daemon_log_open(struct daemon_log **out, const char *path, const char *format, scp_error *err);
/** Open the file again, for whoever moved it away. Writers go on meanwhile. */
scp_status daemon_log_reopen(struct daemon_log *log, scp_error *err);
void daemon_log_write(const scp_log_record *record, void *user); /* an scp_log_fn */
void daemon_log_free(struct daemon_log *log);

#endif
