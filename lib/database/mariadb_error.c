/* What the server and the connector say by number: what it means for the transaction, and what an operator can do. */
#include "mariadb.h"

#include <errmsg.h>
#include <mysqld_error.h>
#include <stdio.h>

#include "err.h"

enum kind {
	PLAIN,	  /* the statement failed, nothing else */
	DOOMED,	  /* and the transaction with it */
	CONFLICT, /* likewise, and the whole of it may run again */
	LOST,	  /* and the connection */
	DUPLICATE /* a unique key */
};

enum { RETRY_MS = 1000 };

/*
 * `words`: said in place of the server's, which would quote values. In hints `%U` is the user, `%D` the database, `%W`
 * where it is.
 */
static const struct failure {
	unsigned number;
	scp_status status;
	enum kind kind;
	const char *words, *hint;
} failures[] = {
	{ ER_DUP_ENTRY, SCP_ECONFLICT, DUPLICATE, "the key exists already", NULL },
	{ ER_DUP_ENTRY_WITH_KEY_NAME, SCP_ECONFLICT, DUPLICATE, "the key exists already", NULL },
	{ ER_LOCK_DEADLOCK, SCP_EAGAIN, CONFLICT, NULL, NULL },
	{ ER_LOCK_WAIT_TIMEOUT, SCP_EAGAIN, CONFLICT, NULL,
	    "Find who holds the lock: SHOW ENGINE INNODB STATUS, SHOW PROCESSLIST" },
	{ ER_CHECKREAD, SCP_EAGAIN, CONFLICT, NULL, NULL },
	{ ER_STATEMENT_TIMEOUT, SCP_EUNAVAIL, DOOMED, NULL,
	    "Raise timeout_s in the database URL, or see what keeps it busy" },

	{ ER_ACCESS_DENIED_ERROR, SCP_EUNAVAIL, PLAIN, NULL,
	    "Check the user in --database and the password (--database-password-file, SANDBOXD_DATABASE_PASSWORD)" },
	{ ER_ACCESS_DENIED_NO_PASSWORD_ERROR, SCP_EUNAVAIL, PLAIN, NULL,
	    "Give the password of %U by --database-password-file or SANDBOXD_DATABASE_PASSWORD" },
	{ ER_ACCOUNT_HAS_BEEN_LOCKED, SCP_EUNAVAIL, PLAIN, NULL,
	    "Run as an administrator: ALTER USER '%U'@'...' ACCOUNT UNLOCK" },
	{ ER_MUST_CHANGE_PASSWORD_LOGIN, SCP_EUNAVAIL, PLAIN, NULL,
	    "Give %U a password anew, as an administrator: ALTER USER '%U'@'...' IDENTIFIED BY '...'" },
	{ ER_DBACCESS_DENIED_ERROR, SCP_EUNAVAIL, PLAIN, NULL,
	    "Run as an administrator: CREATE DATABASE IF NOT EXISTS `%D`; GRANT ALL ON `%D`.* TO '%U'@'%%'" },
	{ ER_BAD_DB_ERROR, SCP_EUNAVAIL, PLAIN, NULL,
	    "Run sandboxd --migrate, or as an administrator: CREATE DATABASE `%D`; GRANT ALL ON `%D`.* TO '%U'@'%%'" },
	{ ER_TABLEACCESS_DENIED_ERROR, SCP_EUNAVAIL, PLAIN, NULL,
	    "Run as an administrator: GRANT ALL ON `%D`.* TO '%U'@'%%'" },
	{ ER_SPECIFIC_ACCESS_DENIED_ERROR, SCP_EUNAVAIL, PLAIN, NULL,
	    "Run as an administrator: GRANT ALL ON `%D`.* TO '%U'@'%%'" },
	{ ER_HOST_NOT_PRIVILEGED, SCP_EUNAVAIL, PLAIN, NULL,
	    "Run on the server: CREATE USER '%U'@'%%' IDENTIFIED BY '...'; GRANT ALL ON `%D`.* TO '%U'@'%%'" },
	{ ER_HOST_IS_BLOCKED, SCP_EUNAVAIL, PLAIN, NULL, "Run on the server: FLUSH HOSTS" },
	{ ER_OPTION_PREVENTS_STATEMENT, SCP_EUNAVAIL, PLAIN, NULL,
	    "The server is read-only: SET GLOBAL read_only = OFF there, or name the primary in --database" },
	{ ER_READ_ONLY_MODE, SCP_EUNAVAIL, PLAIN, NULL,
	    "The server is read-only: SET GLOBAL read_only = OFF there, or name the primary in --database" },
	{ ER_CON_COUNT_ERROR, SCP_EUNAVAIL, LOST, NULL,
	    "Raise max_connections on the server, or lower pool and extra in the database URL" },
	{ ER_TOO_MANY_USER_CONNECTIONS, SCP_EUNAVAIL, LOST, NULL,
	    "Raise max_user_connections of %U, or lower pool and extra in the database URL" },
	{ ER_USER_LIMIT_REACHED, SCP_EUNAVAIL, PLAIN, NULL, "Raise the limits of the user %U on the server" },
	{ ER_MAX_PREPARED_STMT_COUNT_REACHED, SCP_EUNAVAIL, PLAIN, NULL,
	    "Raise max_prepared_stmt_count on the server: each of a process's connections keeps some 150" },
	{ ER_DISK_FULL, SCP_EUNAVAIL, DOOMED, NULL, "Free space on the server's disk" },
	{ ER_RECORD_FILE_FULL, SCP_EUNAVAIL, DOOMED, NULL, "Free space on the server's disk" },
	{ ER_CANT_CREATE_TABLE, SCP_EUNAVAIL, DOOMED, NULL,
	    "Look at the server's log, the space on its disk and the rights of its data folder" },
	{ ER_GET_ERRNO, SCP_EUNAVAIL, DOOMED, NULL, "See the server's log and the space on its disk" },
	{ ER_OUT_OF_RESOURCES, SCP_EUNAVAIL, DOOMED, NULL, "Give the server more memory" },
	{ ER_OUTOFMEMORY, SCP_EUNAVAIL, DOOMED, NULL, "Give the server more memory" },
	{ ER_NET_PACKET_TOO_LARGE, SCP_EBACKEND, LOST, NULL, "Set max_allowed_packet to 16M or more on the server" },
	{ CR_NET_PACKET_TOO_LARGE, SCP_EBACKEND, LOST, NULL, "Set max_allowed_packet to 16M or more on the server" },
	{ ER_BINLOG_STMT_MODE_AND_ROW_ENGINE, SCP_EBACKEND, PLAIN, NULL,
	    "Set binlog_format to MIXED or ROW on the server" },

	{ ER_TRUNCATED_WRONG_VALUE, SCP_EBACKEND, PLAIN, "a value isn't of its column's type", NULL },
	{ ER_TRUNCATED_WRONG_VALUE_FOR_FIELD, SCP_EINVAL, PLAIN, "a text isn't UTF-8", NULL },
	{ ER_CONSTRAINT_FAILED, SCP_EBACKEND, PLAIN, NULL, NULL },

	{ ER_SERVER_SHUTDOWN, SCP_EUNAVAIL, LOST, NULL, NULL },
	{ ER_QUERY_INTERRUPTED, SCP_EUNAVAIL, LOST, NULL, NULL },
	{ ER_CONNECTION_KILLED, SCP_EUNAVAIL, LOST, NULL, NULL },
	{ ER_HANDSHAKE_ERROR, SCP_EUNAVAIL, LOST, NULL, NULL },
	{ CR_OUT_OF_MEMORY, SCP_ENOMEM, LOST, NULL, "Free memory, or raise this process's limit" },
	{ CR_CONNECTION_ERROR, SCP_EUNAVAIL, LOST, NULL,
	    "Start MariaDB at %W, or correct host, port or socket in --database" },
	{ CR_CONN_HOST_ERROR, SCP_EUNAVAIL, LOST, NULL, "Start MariaDB at %W, or correct host and port in --database" },
	{ CR_UNKNOWN_HOST, SCP_EUNAVAIL, LOST, NULL, "Correct the host in --database, or its DNS entry" },
	{ CR_SSL_CONNECTION_ERROR, SCP_EUNAVAIL, LOST, NULL,
	    "Check the server's TLS and tls_ca in --database; tls=off where nobody can listen on the way" },
	{ CR_AUTH_PLUGIN_CANNOT_LOAD, SCP_EUNAVAIL, LOST, NULL,
	    "Give %U another way to log in: ALTER USER '%U'@'...' IDENTIFIED VIA mysql_native_password" },
};

static const struct failure others = { 0, SCP_EBACKEND, PLAIN, NULL, NULL };
/* Whatever the connector says by itself is about the connection. */
static const struct failure connections = { 0, SCP_EUNAVAIL, LOST, NULL, NULL };

static const struct failure *find(unsigned number)
{
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++)
		if (failures[i].number == number)
			return &failures[i];
	if ((number >= CR_MIN_ERROR && number <= CR_MAX_ERROR) || number >= CER_MIN_ERROR)
		return number == CR_COMMANDS_OUT_OF_SYNC ? &others : &connections;
	return number >= ER_NET_PACKETS_OUT_OF_ORDER && number <= ER_NET_WRITE_INTERRUPTED ? &connections : &others;
}

static void append(char *out, size_t size, size_t *at, const char *text)
{
	while (*text && *at + 1 < size)
		out[(*at)++] = *text++;
	out[*at] = '\0';
}

static void advise(const scp__mariadb_settings *s, const char *hint, scp_error *err)
{
	char text[sizeof(err->hint)] = "", one[2] = "";
	size_t at = 0;

	for (; *hint; hint++) {
		const char *more = hint;

		one[0] = *hint;
		if (*hint == '%')
			hint++;
		append(text, sizeof(text), &at,
		    more == hint   ? one
		    : *hint == 'U' ? s->user
		    : *hint == 'D' ? s->name
		    : *hint == 'W' ? s->where
				   : "%");
	}
	scp__hint(err, "%s", text);
}

scp_status scp__mariadb_fail(
    scp__mariadb_conn *conn, unsigned number, const char *words, const char *what, scp_error *err)
{
	const struct failure *f = find(number);
	const scp__mariadb_settings *s = &conn->owner->settings;

	conn->lost |= f->kind == LOST;
	conn->conflict |= f->kind == CONFLICT;
	conn->doomed |= f->kind == DOOMED || f->kind == CONFLICT || f->kind == LOST;
	scp__fail(
	    err, f->status, "database %s: %s: %s (MariaDB %u)", s->where, what, f->words ? f->words : words, number);
	if (f->hint)
		advise(s, f->hint, err);
	if (f->status == SCP_EUNAVAIL)
		scp__retry_after(err, RETRY_MS);
	return f->status;
}
