/*
 * Formatting once a size. A new ext4 is some hundred KiB that aren't zero; writing those out costs a hundredth of
 * running mkfs. They have a journal: it costs a kernel thread and up to 4 MiB of disk each, and in exchange what a
 * power cut leaves mounts again without e2fsck.
 */
#include "volume_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "buf.h"
#include "err.h"
#include "proc.h"

#define BLOCK 4096
#define SCAN (64 * 1024)
#define TEMPLATE_MAX (64u << 20)
#define BYTES_PER_INODE 16384
#define INODES_MIN 65536
#define MKFS_TIMEOUT_MS 60000
#define SUPER 1024
#define SUPER_UUID (SUPER + 0x68)
#define SUPER_HASH_SEED (SUPER + 0xec)
#define SUPER_CHECKSUM (SUPER + 0x3fc)

/* metadata_csum_seed: checksums don't hang on the UUID, so a copy may have another. orphan_file and the like are left
 * out: an older kernel must be able to mount it too. */
#define FEATURES                                                                                                       \
	"none,has_journal,ext_attr,dir_index,filetype,extent,64bit,flex_bg,sparse_super2,large_file,huge_file,"        \
	"dir_nlink,extra_isize,metadata_csum,metadata_csum_seed"

struct extent {
	off_t at;
	size_t len;
	size_t from; /* in data */
};

struct scp__template {
	atomic_uint references;
	uint64_t bytes;
	size_t count;
	size_t capacity;
	struct extent *extents;
	scp__buf data;
};

void scp__template_free(struct scp__template *t)
{
	if (!t || atomic_fetch_sub(&t->references, 1) > 1)
		return;
	scp__buf_free(&t->data);
	free(t->extents);
	free(t);
}

/* Small disks have small tables: at most an eighth of them. */
static uint64_t inodes_of(uint64_t bytes)
{
	uint64_t inodes = bytes / BYTES_PER_INODE;
	uint64_t least = bytes / 8 / 256;

	if (least > INODES_MIN)
		least = INODES_MIN;
	return inodes > least ? inodes : least;
}

static scp_status run_mkfs(scp__volumes *v, const char *path, uint64_t bytes, scp_error *err)
{
	char inodes[24], extended[128];
	const char *argv[] = { v->mkfs, "-q", "-F", "-b", "4096", "-I", "256", "-m", "0", "-N", inodes, "-O", FEATURES,
		"-J", "size=4", "-E", extended, path, NULL };
	scp__proc_options options = SCP__PROC_OPTIONS_INIT;
	scp__buf errors;
	int status = -1;
	scp_status rc;

	snprintf(inodes, sizeof(inodes), "%llu", (unsigned long long)inodes_of(bytes));
	snprintf(extended, sizeof(extended), "num_backup_sb=0,lazy_itable_init=1,lazy_journal_init=1,root_owner=%d:%d",
	    v->uid < 0 ? 0 : v->uid, v->gid < 0 ? 0 : v->gid);
	scp__buf_init(&errors, 400);
	options.argv = argv;
	options.errors = &errors;
	options.timeout_ms = MKFS_TIMEOUT_MS;
	rc = scp__proc_run(&options, &status, err);
	if (!rc && status > 0)
		rc = scp__fail(
		    err, SCP_EINTERNAL, "%s: exit code %d: %s", v->mkfs, status, errors.len ? errors.data : "");
	scp__buf_free(&errors);
	return rc;
}

static bool is_zero(const char *block, size_t len)
{
	return !block[0] && !memcmp(block, block + 1, len - 1);
}

static scp_status keep(struct scp__template *t, off_t at, const char *block, size_t len, scp_error *err)
{
	struct extent *last = t->count ? &t->extents[t->count - 1] : NULL;

	if (scp__buf_append(&t->data, block, len))
		return scp__fail(err, t->data.status, "a new file system of more than %u bytes", TEMPLATE_MAX);
	if (last && last->at + (off_t)last->len == at) {
		last->len += len;
		return SCP_OK;
	}
	if (t->count == t->capacity) {
		size_t more = t->capacity ? 2 * t->capacity : 16;
		struct extent *extents = realloc(t->extents, more * sizeof(*extents));

		if (!extents)
			return scp__nomem(err);
		t->extents = extents;
		t->capacity = more;
	}
	t->extents[t->count++] = (struct extent){ .at = at, .len = len, .from = t->data.len - len };
	return SCP_OK;
}

static scp_status scan(struct scp__template *t, int fd, off_t at, off_t end, char *buf, scp_error *err)
{
	scp_status rc = SCP_OK;

	while (!rc && at < end) {
		ssize_t n = pread(fd, buf, SCAN, at);

		if (n <= 0)
			return scp__fail_errno(err, n ? errno : EIO, "read a new file system");
		for (ssize_t i = 0; !rc && i < n; i += BLOCK) {
			size_t len = (size_t)(n - i < BLOCK ? n - i : BLOCK);

			if (!is_zero(buf + i, len))
				rc = keep(t, at + i, buf + i, len, err);
		}
		at += n;
	}
	return rc;
}

static scp_status load(struct scp__template *t, int fd, scp_error *err)
{
	char *buf = malloc(SCAN);
	off_t hole = 0, data;
	scp_status rc = buf ? SCP_OK : scp__nomem(err);

	while (!rc && (data = lseek(fd, hole, SEEK_DATA)) >= 0) {
		data -= data % BLOCK;
		hole = lseek(fd, data, SEEK_HOLE);
		rc = hole < 0 ? scp__fail_errno(err, errno, "read a new file system")
			      : scan(t, fd, data, hole, buf, err);
	}
	if (!rc && (!t->count || t->extents[0].at || t->extents[0].len < BLOCK))
		rc = scp__fail(err, SCP_EINTERNAL, "mkfs left no file system");
	free(buf);
	return rc;
}

/* The top folder is the user's, without lost+found. */
static scp_status furnish(scp__volumes *v, int image, scp_error *err)
{
	int mount, top;
	scp_status rc = scp__disk_mount(image, &mount, err);

	if (rc)
		return rc;
	top = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (top < 0 || unlinkat(top, "lost+found", AT_REMOVEDIR) || fchmod(top, 0755) ||
	    fchown(top, v->uid < 0 ? (uid_t)-1 : (uid_t)v->uid, v->gid < 0 ? (gid_t)-1 : (gid_t)v->gid))
		rc = scp__fail_errno(err, errno, "furnish a new disk");
	if (top >= 0)
		close(top);
	close(mount);
	return rc;
}

static scp_status format(scp__volumes *v, uint64_t bytes, int image, const char *name, scp_error *err)
{
	char *path = NULL;
	scp_status rc = SCP_OK;

	if (asprintf(&path, "%s/stock/%s", v->path, name) < 0)
		return scp__nomem(err);
	if (ftruncate(image, (off_t)bytes))
		rc = scp__fail_errno(err, errno, "make %s", path);
	if (!rc)
		rc = run_mkfs(v, path, bytes, err);
	free(path);
	return rc;
}

static scp_status make(scp__volumes *v, struct scp__template *t, scp_error *err)
{
	char name[SCP__STOCK_NAME_SIZE];
	int image, lookout;
	scp_status rc = scp__disk_file(v, name, &image, err);

	if (rc)
		return rc;
	lookout = openat(v->stock_dir, name, O_RDONLY | O_CLOEXEC);
	rc = lookout < 0 ? scp__fail_errno(err, errno, "open a new disk") : format(v, t->bytes, image, name, err);
	if (!rc)
		rc = furnish(v, image, err);
	close(image);
	/* What is read must be what an unmounted file system has. */
	scp__disk_wait_free(v, name);
	if (!rc)
		rc = load(t, lookout, err);
	if (lookout >= 0)
		close(lookout);
	(void)unlinkat(v->stock_dir, name, 0);
	return rc;
}

static struct scp__template *cached(scp__volumes *v, uint64_t bytes)
{
	struct scp__template *found = NULL;

	pthread_mutex_lock(&v->lock);
	for (unsigned i = 0; !found && i < SCP__VOLUME_TEMPLATES; i++)
		if (v->templates[i] && v->templates[i]->bytes == bytes)
			found = v->templates[i];
	if (found)
		atomic_fetch_add(&found->references, 1);
	pthread_mutex_unlock(&v->lock);
	return found;
}

static void remember(scp__volumes *v, struct scp__template *t)
{
	struct scp__template *old;

	pthread_mutex_lock(&v->lock);
	old = v->templates[v->next_template];
	atomic_fetch_add(&t->references, 1);
	v->templates[v->next_template] = t;
	v->next_template = (v->next_template + 1) % SCP__VOLUME_TEMPLATES;
	pthread_mutex_unlock(&v->lock);
	scp__template_free(old);
}

scp_status scp__template_get(scp__volumes *v, uint64_t bytes, struct scp__template **out, scp_error *err)
{
	struct scp__template *t = cached(v, bytes);
	scp_status rc;

	*out = t;
	if (t)
		return SCP_OK;
	t = calloc(1, sizeof(*t));
	if (!t)
		return scp__nomem(err);
	atomic_init(&t->references, 1);
	t->bytes = bytes;
	scp__buf_init(&t->data, TEMPLATE_MAX);
	rc = make(v, t, err);
	if (rc) {
		scp__template_free(t);
		return rc;
	}
	remember(v, t);
	*out = t;
	return SCP_OK;
}

/* CRC-32C as ext4 takes it: started with ones, not inverted at the end. */
static uint32_t crc32c(const unsigned char *data, size_t len)
{
	uint32_t crc = 0xffffffff;

	while (len--) {
		crc ^= *data++;
		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return crc;
}

static scp_status personalise(unsigned char block[BLOCK], scp_error *err)
{
	unsigned char random[32];
	uint32_t crc;

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return scp__fail_errno(err, errno, "getrandom");
	memcpy(block + SUPER_UUID, random, 16);
	block[SUPER_UUID + 6] = (block[SUPER_UUID + 6] & 0x0f) | 0x40;
	block[SUPER_UUID + 8] = (block[SUPER_UUID + 8] & 0x3f) | 0x80;
	memcpy(block + SUPER_HASH_SEED, random + 16, 16);
	crc = crc32c(block + SUPER, SUPER_CHECKSUM - SUPER);
	for (int i = 0; i < 4; i++)
		block[SUPER_CHECKSUM + i] = (unsigned char)(crc >> (8 * i));
	return SCP_OK;
}

static int write_at(int fd, const void *data, size_t len, off_t at)
{
	const char *p = data;

	while (len) {
		ssize_t n = pwrite(fd, p, len, at);

		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0) {
			p += n;
			at += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

scp_status scp__template_write(const struct scp__template *t, int fd, scp_error *err)
{
	unsigned char super[BLOCK];
	scp_status rc;
	int bad = ftruncate(fd, (off_t)t->bytes);

	memcpy(super, t->data.data, BLOCK);
	rc = personalise(super, err);
	if (rc)
		return rc;
	bad = bad || write_at(fd, super, BLOCK, 0);
	for (size_t i = 0; !bad && i < t->count; i++) {
		const struct extent *e = &t->extents[i];
		size_t skip = i ? 0 : BLOCK;

		bad = write_at(fd, t->data.data + e->from + skip, e->len - skip, e->at + (off_t)skip);
	}
	return bad ? scp__fail_errno(err, errno, "write a new disk") : SCP_OK;
}
