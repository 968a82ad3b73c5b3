#include "fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs.h"

struct fixture fx;

/* ---- a storage in front of a storage ---- */

static scp_status put_open(
    scp_storage *st, const char *key, const scp_put_options *options, scp_object_writer **out, scp_error *err)
{
	(void)st;
	if (atomic_load(&fx.fail_after) >= 0 && atomic_fetch_sub(&fx.fail_after, 1) <= 0) {
		atomic_store(&fx.fail_after, 0);
		return scp__fail(err, SCP_EUNAVAIL, "the storage is away");
	}
	if (strstr(key, "refused"))
		return scp__fail(err, SCP_EINVAL, "%s: a key that this storage doesn't take", key);
	atomic_fetch_add(&fx.puts, 1);
	return fx.behind->ops->put_open(fx.behind, key, options, out, err);
}

static scp_status get_open(scp_storage *st, const char *key, uint64_t offset, uint64_t length, scp_object_reader **out,
    scp_object *object, scp_error *err)
{
	(void)st;
	atomic_fetch_add(&fx.gets, 1);
	return fx.behind->ops->get_open(fx.behind, key, offset, length, out, object, err);
}

static scp_status stat_key(scp_storage *st, const char *key, scp_object *out, scp_error *err)
{
	(void)st;
	return fx.behind->ops->stat(fx.behind, key, out, err);
}

static scp_status list(scp_storage *st, const char *prefix, const char *after, const scp_list_options *options,
    scp_object_fn *fn, void *user, char *next, size_t next_size, scp_error *err)
{
	(void)st;
	return fx.behind->ops->list(fx.behind, prefix, after, options, fn, user, next, next_size, err);
}

static scp_status remove_key(scp_storage *st, const char *key, scp_error *err)
{
	(void)st;
	atomic_fetch_add(&fx.removes, 1);
	return fx.behind->ops->remove(fx.behind, key, err);
}

static scp_status remove_prefix(scp_storage *st, const char *prefix, scp_error *err)
{
	(void)st;
	return fx.behind->ops->remove_prefix(fx.behind, prefix, err);
}

static scp_storage_ops ops;
static scp_storage front = { &ops };

static void open_storage(void)
{
	char url[96];

	snprintf(url, sizeof(url), "file:%s/storage", fx.root);
	assert_ok(scp__localfs_open(&fx.behind, url, &fx.err));
	ops = *fx.behind->ops;
	ops.put_open = put_open;
	ops.get_open = get_open;
	ops.stat = stat_key;
	ops.list = list;
	ops.remove = remove_key;
	ops.remove_prefix = remove_prefix;
	ops.local_folder = NULL;
}

/* ---- rows ---- */

static scp_status insert_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	const scp__workspace w = { .id = WS, .session_id = "sess_1", .disk_bytes = 1 };

	(void)arg;
	return scp__store_workspace_insert(tx, &w, err);
}

static scp_status free_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	bool changed;

	(void)arg;
	return scp__store_workspace_leave(tx, WS, "home_a", &changed, err);
}

struct asked {
	const char *path;
	int64_t count;
	scp__workspace_file *out;
};

static scp_status rows_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct asked *a = arg;
	scp__workspace_files files = { 0 };
	scp_status rc = scp__store_workspace_files(tx, WS, "", 100000, &files, err);

	a->count = (int64_t)files.count;
	scp__workspace_files_free(&files);
	return rc;
}

static scp_status row_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct asked *a = arg;
	scp__workspace_files files = { 0 };
	scp_status rc = scp__store_workspace_file(tx, WS, a->path, &files, err);

	a->count = (int64_t)files.count;
	if (files.count && a->out) {
		*a->out = files.items[0];
		a->out->path = a->out->sha256 = a->out->target = NULL; /* the arena's */
	}
	scp__workspace_files_free(&files);
	return rc;
}

int64_t rows(void)
{
	struct asked a = { 0 };

	assert_ok(scp__database_transact(fx.db, SCP_DB_READ, rows_tx, &a, &fx.err));
	return a.count;
}

bool has_row(const char *path, scp__workspace_file *out)
{
	struct asked a = { .path = path, .out = out };

	assert_ok(scp__database_transact(fx.db, SCP_DB_READ, row_tx, &a, &fx.err));
	return a.count > 0;
}

/* ---- life ---- */

static void remove_tree(const char *path)
{
	char parent[4096];
	int dir;

	snprintf(parent, sizeof(parent), "%.*s", (int)(strrchr(path, '/') - path), path);
	dir = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(scp__fs_remove_tree(dir, strrchr(path, '/') + 1), 0);
	close(dir);
}

scp__mirror *mirror_of(const char *home)
{
	const scp__mirror_options o = { .db = fx.db, .storage = &front, .home = home };
	scp__mirror *m = NULL;

	assert_ok(scp__mirror_open(&m, &o, &fx.err));
	return m;
}

void set_up(void)
{
	char url[96];
	bool ready;

	memset(&fx, 0, sizeof(fx));
	atomic_store(&fx.fail_after, -1);
	strcpy(fx.root, "/tmp/scp-mirror-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(fx.root));
	snprintf(fx.disk, sizeof(fx.disk), "%s/disk", fx.root);
	snprintf(fx.other, sizeof(fx.other), "%s/other", fx.root);
	ck_assert(!mkdir(fx.disk, 0755) && !mkdir(fx.other, 0755));
	snprintf(url, sizeof(url), "sqlite:%s/state.db", fx.root);
	assert_ok(scp__database_open(&fx.db, url, &fx.err));
	assert_ok(scp__store_migrate(fx.db, &fx.err));
	assert_ok(scp__database_transact(fx.db, SCP_DB_WRITE, insert_tx, NULL, &fx.err));
	open_storage();
	fx.m = mirror_of("home_a");
	assert_ok(scp__mirror_claim(fx.m, WS, &ready, &fx.err));
	ck_assert(!ready);
	assert_ok(scp__mirror_ready(fx.m, WS, &fx.err));
}

void tear_down(void)
{
	scp__mirror_close(fx.m);
	scp__storage_close(fx.behind);
	scp__database_close(fx.db);
	remove_tree(fx.root);
}

/* ---- the disk ---- */

static char *below(const char *folder, const char *path)
{
	static _Thread_local char full[4096];

	snprintf(full, sizeof(full), "%s/%s", folder, path);
	return full;
}

void make_dir(const char *path, mode_t mode)
{
	ck_assert_int_eq(mkdir(below(fx.disk, path), 0755), 0);
	change_mode(path, mode);
}

void write_text(const char *path, const char *text)
{
	FILE *f = fopen(below(fx.disk, path), "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
}

void make_link(const char *path, const char *target)
{
	ck_assert_int_eq(symlink(target, below(fx.disk, path)), 0);
}

void change_mode(const char *path, mode_t mode)
{
	ck_assert_int_eq(chmod(below(fx.disk, path), mode), 0);
}

void remove_path(const char *path)
{
	remove_tree(below(fx.disk, path));
}

bool look(const char *folder, const char *path, struct stat *at)
{
	struct stat own;

	return !lstat(below(folder, path), at ? at : &own);
}

void assert_text(const char *folder, const char *path, const char *text)
{
	char *got = NULL;
	size_t len;

	ck_assert_int_eq(scp__fs_read_file(AT_FDCWD, below(folder, path), 1 << 20, &got, &len), 0);
	ck_assert_str_eq(got, text);
	free(got);
}

void assert_link(const char *folder, const char *path, const char *target)
{
	char got[256];
	ssize_t n = readlink(below(folder, path), got, sizeof(got) - 1);

	ck_assert_int_gt(n, 0);
	got[n] = '\0';
	ck_assert_str_eq(got, target);
}

/* ---- what is tested ---- */

scp__mirror_place place_at(const char *folder)
{
	return (scp__mirror_place){ WS, folder, -1 };
}

void push(void)
{
	const scp__mirror_place place = place_at(fx.disk);

	atomic_store(&fx.puts, 0);
	atomic_store(&fx.removes, 0);
	assert_ok(scp__mirror_push(fx.m, &place, &fx.done, &fx.err));
}

void restore_elsewhere(void)
{
	const scp__mirror_place place = place_at(fx.other);
	scp__mirror *b = mirror_of("home_b");
	bool ready = true;

	assert_ok(scp__database_transact(fx.db, SCP_DB_WRITE, free_tx, NULL, &fx.err));
	assert_ok(scp__mirror_claim(b, WS, &ready, &fx.err));
	ck_assert(!ready);
	assert_ok(scp__mirror_restore(b, &place, &fx.done, &fx.err));
	assert_ok(scp__mirror_ready(b, WS, &fx.err));
	assert_ok(scp__mirror_claim(b, WS, &ready, &fx.err));
	ck_assert(ready);
	scp__mirror_close(b);
}

bool stored(const char *path)
{
	char key[256];
	scp_object object;
	scp_status rc;

	snprintf(key, sizeof(key), "sessions/" WS "/%s", path);
	rc = scp__storage_stat(fx.behind, key, &object, NULL);
	ck_assert(rc == SCP_OK || rc == SCP_ENOTFOUND);
	return !rc && !object.directory;
}
