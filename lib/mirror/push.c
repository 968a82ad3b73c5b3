/* The tree on the disk beside the rows, both in the order of their paths: what differs is copied, or dropped. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "err.h"
#include "fs.h"
#include "internal.h"
#include "storage.h"

struct push {
	mirror_batch b;
	scp__workspace_files page; /* rows that are still to come */
	size_t at;
	bool last; /* there is no page behind this one */
};

/* The next row, or NULL. */
static scp_status peek(struct push *p, const scp__workspace_file **out, scp_error *err)
{
	char after[SCP__FS_WALK_PATH_SIZE] = "";
	scp_status rc = SCP_OK;

	if (p->at == p->page.count && !p->last) {
		if (p->page.count)
			(void)snprintf(after, sizeof(after), "%s", p->page.items[p->page.count - 1].path);
		rc = mirror_rows(p->b.m, p->b.place->workspace_id, after, &p->page, err);
		p->at = 0;
		p->last = rc || p->page.count < MIRROR_PAGE;
	}
	*out = !rc && p->at < p->page.count ? &p->page.items[p->at] : NULL;
	return rc;
}

/* Rows before `path` (NULL: all that are left) had nothing on the disk when it was looked at. *known: the one of `path`
 * itself. */
static scp_status drop_until(struct push *p, const char *path, const scp__workspace_file **known, scp_error *err)
{
	const scp__workspace_file *row;
	scp_status rc;
	int order;

	*known = NULL;
	for (;;) {
		rc = peek(p, &row, err);
		if (rc || !row)
			return rc;
		order = path ? strcmp(row->path, path) : -1;
		if (order > 0)
			return SCP_OK;
		p->at++;
		if (!order) {
			*known = row;
			return SCP_OK;
		}
		rc = mirror_batch_add(&p->b, mirror_up, row->path, row, err);
		if (rc)
			return rc;
	}
}

static scp_status take(void *user, const scp__fs_entry *entry, bool *over, scp_error *err)
{
	struct push *p = user;
	const scp__workspace_file *known;
	scp_status rc;

	(void)over;
	if (atomic_load(&p->b.m->stopped))
		return scp__fail(err, SCP_ECLOSED, "the plane is closing");
	if (scp__path_check(entry->path, "path", NULL)) {
		mirror_count(&p->b, 0, 0, 0, 1);
		return SCP_OK;
	}
	rc = drop_until(p, entry->path, &known, err);
	if (rc || (known && mirror_same(known, entry->kind, entry->at)))
		return rc;
	/* A storage with folders of its own has to be rid of the file before it takes what is in the folder. */
	if (known && entry->kind == SCP__FS_DIRECTORY && known->kind == SCP__FS_FILE)
		return mirror_batch_now(&p->b, mirror_up, entry->path, known, err);
	return mirror_batch_add(&p->b, mirror_up, entry->path, known, err);
}

static bool skip(int dir, const char *name)
{
	(void)dir;
	return !strncmp(name, SCP__STORAGE_HIDDEN, strlen(SCP__STORAGE_HIDDEN));
}

static scp_status push(struct push *p, scp_error *err)
{
	uint64_t unnamed = 0;
	const scp__fs_walk_options walk = { .kinds = SCP__FS_FILE | SCP__FS_DIRECTORY | SCP__FS_LINK,
		.recursive = true,
		.strict = true,
		.unnamed = &unnamed,
		.skip = skip };
	int dir = scp__fs_open(p->b.dir, ".", O_RDONLY | O_DIRECTORY, 0);
	const scp__workspace_file *none;
	scp_status rc;

	if (dir < 0)
		return scp__fail_errno(err, errno, "open %s", p->b.place->path);
	rc = scp__fs_walk(dir, "", &walk, take, p, err);
	mirror_count(&p->b, 0, 0, 0, unnamed);
	return rc ? rc : drop_until(p, NULL, &none, err);
}

scp_status scp__mirror_push(scp__mirror *m, const scp__mirror_place *place, scp__mirror_done *done, scp_error *err)
{
	struct push p = { .last = false };
	scp_status rc = mirror_batch_init(&p.b, m, place, done, err);

	if (rc)
		return rc;
	rc = push(&p, err);
	rc = mirror_batch_end(&p.b, rc, err);
	scp__workspace_files_free(&p.page);
	return rc;
}

/* ---- one path ---- */

/* The row is read behind the gate. */
static scp_status push_fresh(mirror_batch *b, const char *path, const scp__workspace_file *none, scp_error *err)
{
	scp__workspace_files known = { 0 };
	scp_status rc = mirror_row(b->m, b->place->workspace_id, path, &known, err);

	(void)none;
	if (!rc)
		rc = mirror_up(b, path, known.count ? &known.items[0] : NULL, err);
	scp__workspace_files_free(&known);
	return rc;
}

scp_status scp__mirror_push_path(scp__mirror *m, const scp__mirror_place *place, const char *path, scp_error *err)
{
	scp__mirror_done done;
	mirror_batch b;
	scp_status rc = mirror_batch_init(&b, m, place, &done, err);

	return rc ? rc : mirror_batch_end(&b, mirror_batch_now(&b, push_fresh, path, NULL, err), err);
}

bool scp__mirror_has(scp__mirror *m, const scp__mirror_place *place, const char *path)
{
	scp__workspace_files known = { 0 };
	struct stat at;
	int fd, dir = open(place->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	bool has = false;

	if (dir < 0)
		return false;
	fd = scp__fs_open_regular(dir, path, &at);
	if (fd >= 0 && !mirror_row(m, place->workspace_id, path, &known, NULL))
		has = known.count && mirror_same(&known.items[0], SCP__FS_FILE, &at);
	scp__workspace_files_free(&known);
	if (fd >= 0)
		close(fd);
	close(dir);
	return has;
}
