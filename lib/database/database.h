/* The database port: checks a driver's vtable when it is attached, and short ways to run statements on it. */
#ifndef SCP_DATABASE_DATABASE_H
#define SCP_DATABASE_DATABASE_H

#include <sandboxcp/sys/database.h>

/** SCP_EINVAL names the missing operation. */
scp_status scp__database_check(const scp_database *db, scp_error *err);

scp_status scp__database_transact(scp_database *db, scp_db_mode mode, scp_db_fn *fn, void *arg, scp_error *err);
scp_status scp__database_health(
    scp_database *db, uint32_t deadline_ms, char *detail, size_t detail_size, scp_error *err);
void scp__database_close(scp_database *db); /* NULL is accepted */

/** Adapters. `url` as DESIGN's: "sqlite:/path/state.db?sync=full". */
scp_status scp__sqlite_open(scp_database **out, const char *url, scp_error *err);

/** By the URL's scheme. SCP_EINVAL names the schemes there are. */
scp_status scp__database_open(scp_database **out, const char *url, scp_error *err);

#endif
