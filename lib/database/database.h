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

/** All zero where the driver can't tell. */
void scp__database_load(scp_database *db, scp_db_load *out);

/** What a URL doesn't say. */
typedef struct scp__database_access {
	const char *password; /* NULL: none. In no message and no log */
	bool create;	      /* make the database, where there is none and this user may */
} scp__database_access;

/** Adapters: "sqlite:/path/state.db?sync=full", "mariadb://user@host:3306/db?tls=verify". */
scp_status scp__sqlite_open(scp_database **out, const char *url, const scp__database_access *access, scp_error *err);
scp_status scp__mariadb_open(scp_database **out, const char *url, const scp__database_access *access, scp_error *err);

/** By the URL's scheme. SCP_EINVAL names the schemes there are. */
scp_status scp__database_open_as(
    scp_database **out, const char *url, const scp__database_access *access, scp_error *err);
/** Without a password, and nothing is made that a server must be asked for. */
scp_status scp__database_open(scp_database **out, const char *url, scp_error *err);

#endif
