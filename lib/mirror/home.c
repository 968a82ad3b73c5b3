/* Whose the files are, and the rows that say what the storage has of them. */
#include <stdio.h>
#include <string.h>

#include "database.h"
#include "err.h"
#include "internal.h"
#include "storage.h"

void mirror_key(char key[MIRROR_KEY_SIZE], const char *workspace_id, const char *path)
{
	(void)snprintf(key, MIRROR_KEY_SIZE, "sessions/%s/%s", workspace_id, path);
}

struct ask {
	scp__mirror *m;
	const char *id, *path;
	const scp__workspace_file *file;
	scp__workspace_files *files;
	uint32_t limit;
	bool yes, ready;
};

static scp_status lost(const char *id, scp_error *err)
{
	return scp__fail(err, SCP_ESTATE, "workspace %s is another node's now", id);
}

/* ---- rows ---- */

static scp_status rows_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct ask *a = arg;

	return scp__store_workspace_files(tx, a->id, a->path, a->limit, a->files, err);
}

scp_status mirror_rows(
    scp__mirror *m, const char *workspace_id, const char *after, scp__workspace_files *out, scp_error *err)
{
	struct ask a = { .id = workspace_id, .path = after, .files = out, .limit = MIRROR_PAGE };

	return scp__database_transact(m->db, SCP_DB_READ, rows_tx, &a, err);
}

static scp_status row_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct ask *a = arg;

	return scp__store_workspace_file(tx, a->id, a->path, a->files, err);
}

scp_status mirror_row(
    scp__mirror *m, const char *workspace_id, const char *path, scp__workspace_files *out, scp_error *err)
{
	struct ask a = { .id = workspace_id, .path = path, .files = out };

	return scp__database_transact(m->db, SCP_DB_READ, row_tx, &a, err);
}

static scp_status put_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct ask *a = arg;
	scp_status rc = scp__store_workspace_ours(tx, a->id, a->m->home, &a->yes, err);

	if (rc || !a->yes)
		return rc;
	return a->file ? scp__store_workspace_file_put(tx, a->id, a->file, err)
		       : scp__store_workspace_file_remove(tx, a->id, a->path, err);
}

static scp_status change(scp__mirror *m, struct ask *a, scp_error *err)
{
	scp_status rc;

	a->m = m;
	rc = scp__database_transact(m->db, SCP_DB_WRITE, put_tx, a, err);
	return rc || a->yes ? rc : lost(a->id, err);
}

scp_status mirror_row_put(scp__mirror *m, const char *workspace_id, const scp__workspace_file *f, scp_error *err)
{
	struct ask a = { .id = workspace_id, .file = f };

	return change(m, &a, err);
}

scp_status mirror_row_remove(scp__mirror *m, const char *workspace_id, const char *path, scp_error *err)
{
	struct ask a = { .id = workspace_id, .path = path };

	return change(m, &a, err);
}

/* ---- homes ---- */

static scp_status claim_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct ask *a = arg;
	scp__workspace *w;
	scp_status rc = scp__store_workspace_get(tx, a->id, &w, err);

	if (rc)
		return rc;
	a->ready = w->node && w->node_ready && !strcmp(w->node, a->m->home);
	scp__workspace_free(w);
	a->yes = a->ready;
	return a->ready ? SCP_OK : scp__store_workspace_claim(tx, a->id, a->m->home, &a->yes, err);
}

scp_status scp__mirror_claim(scp__mirror *m, const char *workspace_id, bool *ready, scp_error *err)
{
	struct ask a = { .m = m, .id = workspace_id };
	scp_status rc = scp__database_transact(m->db, SCP_DB_WRITE, claim_tx, &a, err);

	*ready = !rc && a.ready;
	return rc || a.yes ? rc : scp__fail(err, SCP_ESTATE, "workspace %s was removed", workspace_id);
}

static scp_status ready_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct ask *a = arg;

	return scp__store_workspace_ready(tx, a->id, a->m->home, &a->yes, err);
}

scp_status scp__mirror_ready(scp__mirror *m, const char *workspace_id, scp_error *err)
{
	struct ask a = { .m = m, .id = workspace_id };
	scp_status rc = scp__database_transact(m->db, SCP_DB_WRITE, ready_tx, &a, err);

	return rc || a.yes ? rc : lost(workspace_id, err);
}

static scp_status leave_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct ask *a = arg;

	return scp__store_workspace_leave(tx, a->id, a->m->home, &a->yes, err);
}

scp_status scp__mirror_leave(scp__mirror *m, const char *workspace_id, scp_error *err)
{
	struct ask a = { .m = m, .id = workspace_id };

	return scp__database_transact(m->db, SCP_DB_WRITE, leave_tx, &a, err);
}

/* ---- files of no home ---- */

static scp_status note_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct ask *a = arg;
	scp_status rc = scp__store_workspace_unplaced(tx, a->id, &a->yes, err);

	if (rc || !a->yes)
		return rc;
	return a->file ? scp__store_workspace_file_put(tx, a->id, a->file, err)
		       : scp__store_workspace_file_remove(tx, a->id, a->path, err);
}

scp_status scp__mirror_note(
    scp__mirror *m, const char *workspace_id, const char *path, const scp_object *object, scp_error *err)
{
	scp__workspace_file f = { .path = path, .kind = SCP__FS_FILE, .mode = 0644 };
	struct ask a = { .m = m, .id = workspace_id, .path = path, .file = object ? &f : NULL };
	scp_status rc;

	if (object) {
		f.size_bytes = object->size_bytes;
		f.mtime_us = object->modified_us;
		f.sha256 = object->sha256;
	}
	rc = scp__database_transact(m->db, SCP_DB_WRITE, note_tx, &a, err);
	if (rc || a.yes)
		return rc;
	rc = scp__fail(err, SCP_EUNAVAIL, "the session's sandbox is being started just now");
	scp__retry_after(err, 1000);
	return rc;
}

static scp_status drop_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct ask *a = arg;

	return scp__store_workspace_files_drop(tx, a->id, err);
}

/* Objects first: whoever is killed in between finds the rows again. */
scp_status scp__mirror_erase(scp__mirror *m, const char *workspace_id, scp_error *err)
{
	struct ask a = { .id = workspace_id };
	char prefix[96];
	scp_status rc;

	(void)snprintf(prefix, sizeof(prefix), "sessions/%s", workspace_id);
	rc = mirror_saw(m, scp__storage_remove_prefix(m->storage, prefix, err));
	return rc ? rc : scp__database_transact(m->db, SCP_DB_WRITE, drop_tx, &a, err);
}
