/* A text file of the operator's, line by line; it may be a pipe or /dev/fd/N too. */
#ifndef SCP_SANDBOXD_TEXTFILE_H
#define SCP_SANDBOXD_TEXTFILE_H

#include <sandboxcp/error.h>

/** `line` is without its end and without blanks around it; empty ones and those that begin with '#' are left out. */
typedef scp_status textfile_fn(void *user, char *line, unsigned number, scp_error *err);

/** At most 1 MiB. @param what  names the file in errors: "--config" */
scp_status textfile_each(const char *path, const char *what, textfile_fn *fn, void *user, scp_error *err);

#endif
