/* A database driver of one's own: SQLite with a connection for each transaction. See sandboxcp-backends(7). */
#ifndef EXAMPLES_PLAIN_DATABASE_H
#define EXAMPLES_PLAIN_DATABASE_H

#include <sandboxcp/sys/database.h>

/** *out: for scp_plane_options.database; whoever keeps it ends it by its operation close. The file is made where there
 * is none. SCP_EUNAVAIL it can't be opened; SCP_ENOMEM. */
scp_status plain_database_open(scp_database **out, const char *path, scp_error *err);

#endif
