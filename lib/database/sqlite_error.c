#include "sqlite.h"

#include "err.h"

/* What an operator can do, by primary result code. `%s` is the file. */
static const struct {
	int code;
	scp_status status;
	const char *hint;
} failures[] = {
	{ SQLITE_BUSY, SCP_EAGAIN, "Another process keeps %s locked; find it with: fuser %s" },
	{ SQLITE_LOCKED, SCP_EAGAIN, "Try again; if it lasts, restart what uses %s" },
	{ SQLITE_NOMEM, SCP_ENOMEM, "Free memory, or raise this process's limit" },
	{ SQLITE_CANTOPEN, SCP_EUNAVAIL, "Make the folder of %s and give this user the right to write in it" },
	{ SQLITE_IOERR, SCP_EUNAVAIL, "Check the disk under %s (dmesg, free space, mount options)" },
	{ SQLITE_READONLY, SCP_EUNAVAIL,
	    "Give this user the right to write %s and its folder, on a disk that is mounted rw" },
	{ SQLITE_PERM, SCP_EUNAVAIL, "Give this user the right to read and write %s and its folder" },
	{ SQLITE_AUTH, SCP_EUNAVAIL, "Give this user the right to read and write %s and its folder" },
	{ SQLITE_FULL, SCP_EUNAVAIL, "Free space on the disk that holds %s" },
	{ SQLITE_CORRUPT, SCP_EBACKEND, "Stop what uses %s, keep a copy, then try: sqlite3 FILE .recover" },
	{ SQLITE_NOTADB, SCP_EBACKEND, "%s isn't an SQLite database: give another path, or move that file away" },
};

#define FAILURE_COUNT (sizeof(failures) / sizeof(failures[0]))

static bool is_duplicate(int code)
{
	return code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY ||
	       code == SQLITE_CONSTRAINT_ROWID;
}

/* The format strings are the table's above: each takes the path at most twice. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void advise(const scp__sqlite *db, const char *hint, scp_error *err)
{
	scp__hint(err, hint, db->path, db->path);
}
#pragma GCC diagnostic pop

scp_status scp__sqlite_fail(const scp__sqlite *db, sqlite3 *raw, int code, const char *what, scp_error *err)
{
	/* A handle that failed later than `code` would tell the wrong story. */
	bool same = raw && sqlite3_extended_errcode(raw) == code;
	const char *words = same ? sqlite3_errmsg(raw) : sqlite3_errstr(code);

	if (is_duplicate(code))
		return scp__fail(err, SCP_ECONFLICT, "database: %s: %s", what, words);
	for (size_t i = 0; i < FAILURE_COUNT; i++) {
		if (failures[i].code != (code & 0xff))
			continue;
		scp__fail(err, failures[i].status, "database %s: %s: %s (SQLite %d)", db->path, what, words, code);
		advise(db, failures[i].hint, err);
		return failures[i].status;
	}
	return scp__fail(err, SCP_EBACKEND, "database: %s: %s (SQLite %d)", what, words, code);
}
