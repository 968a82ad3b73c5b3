#include "storage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "err.h"
#include "utf8.h"

#define KEY_BYTES 1400
#define READ_STEP (64 * 1024)

static scp_status check_parts(const char *key, const char *field, scp_error *err)
{
	size_t len;

	for (const char *part = key;; part += len + 1) {
		len = strcspn(part, "/");
		if (!len)
			return scp__fail(err, SCP_EINVAL, "%s: a key is relative and has no empty part", field);
		if (part[0] == '.' && (len == 1 || (len == 2 && part[1] == '.')))
			return scp__fail(err, SCP_EINVAL, "%s: a key has no \".\" or \"..\" part", field);
		if (!part[len])
			return SCP_OK;
	}
}

scp_status scp__storage_check_key(const char *key, const char *field, scp_error *err)
{
	size_t len = key ? strlen(key) : 0;

	if (!len)
		return scp__fail(err, SCP_EINVAL, "%s: a key is missing", field);
	if (len > KEY_BYTES)
		return scp__fail(
		    err, SCP_EINVAL, "%s: a key of %zu bytes; at most %d are allowed", field, len, KEY_BYTES);
	if (!scp__utf8_valid(key, len))
		return scp__fail(err, SCP_EINVAL, "%s: a key is UTF-8", field);
	if (!scp__text_printable(key))
		return scp__fail(err, SCP_EINVAL, "%s: a key has no control character", field);
	return check_parts(key, field, err);
}

scp_status scp__storage_check(const scp_storage *st, scp_error *err)
{
	const scp_storage_ops *ops = st ? st->ops : NULL;

	if (!ops)
		return scp__fail(err, SCP_EINVAL, "storage: a backend without operations");
	if (ops->struct_size < sizeof(*ops))
		return scp__fail(err, SCP_EINVAL, "storage: struct_size is %u; this library's is %zu", ops->struct_size,
		    sizeof(*ops));
#define REQUIRE(op)                                                                                                    \
	if (!ops->op)                                                                                                  \
	return scp__fail(err, SCP_EINVAL, "storage: the operation %s is missing", #op)
	REQUIRE(name);
	REQUIRE(put_open);
	REQUIRE(put_write);
	REQUIRE(put_commit);
	REQUIRE(put_close);
	REQUIRE(get_open);
	REQUIRE(get_read);
	REQUIRE(get_close);
	REQUIRE(stat);
	REQUIRE(list);
	REQUIRE(remove);
	REQUIRE(remove_prefix);
	REQUIRE(health);
	REQUIRE(close);
#undef REQUIRE
	return SCP_OK;
}

scp_status scp__storage_put_open(
    scp_storage *st, const char *key, const scp_put_options *options, scp_object_writer **out, scp_error *err)
{
	static const scp_put_options defaults = { sizeof(scp_put_options), 0, -1, -1 };
	scp_status rc = scp__storage_check_key(key, "key", err);

	*out = NULL;
	if (rc)
		return rc;
	return st->ops->put_open(st, key, options ? options : &defaults, out, err);
}

scp_status scp__storage_put_write(scp_storage *st, scp_object_writer *w, const void *data, size_t len, scp_error *err)
{
	return len ? st->ops->put_write(w, data, len, err) : SCP_OK;
}

scp_status scp__storage_put_commit(scp_storage *st, scp_object_writer *w, scp_object *out, scp_error *err)
{
	scp_object own;

	return st->ops->put_commit(w, out ? out : &own, err);
}

void scp__storage_put_close(scp_storage *st, scp_object_writer *w)
{
	if (w)
		st->ops->put_close(w);
}

scp_status scp__storage_get_open(scp_storage *st, const char *key, uint64_t offset, uint64_t length,
    scp_object_reader **out, scp_object *object, scp_error *err)
{
	scp_status rc = scp__storage_check_key(key, "key", err);
	scp_object own;

	*out = NULL;
	return rc ? rc : st->ops->get_open(st, key, offset, length, out, object ? object : &own, err);
}

scp_status scp__storage_get_read(
    scp_storage *st, scp_object_reader *r, void *data, size_t capacity, size_t *len, scp_error *err)
{
	*len = 0;
	return st->ops->get_read(r, data, capacity, len, err);
}

void scp__storage_get_close(scp_storage *st, scp_object_reader *r)
{
	if (r)
		st->ops->get_close(r);
}

scp_status scp__storage_stat(scp_storage *st, const char *key, scp_object *out, scp_error *err)
{
	scp_status rc = scp__storage_check_key(key, "key", err);

	return rc ? rc : st->ops->stat(st, key, out, err);
}

scp_status scp__storage_list(scp_storage *st, const char *prefix, const char *after, const scp_list_options *options,
    scp_object_fn *fn, void *user, char *next, size_t next_size, scp_error *err)
{
	static const scp_list_options defaults = { sizeof(scp_list_options), false, 0, 0 };
	scp_status rc = prefix && *prefix ? scp__storage_check_key(prefix, "prefix", err) : SCP_OK;

	if (rc)
		return rc;
	if (next_size)
		next[0] = '\0';
	return st->ops->list(st, prefix ? prefix : "", after ? after : "", options ? options : &defaults, fn, user,
	    next, next_size, err);
}

scp_status scp__storage_remove(scp_storage *st, const char *key, scp_error *err)
{
	scp_status rc = scp__storage_check_key(key, "key", err);

	return rc ? rc : st->ops->remove(st, key, err);
}

scp_status scp__storage_remove_prefix(scp_storage *st, const char *prefix, scp_error *err)
{
	scp_status rc = scp__storage_check_key(prefix, "prefix", err);

	return rc ? rc : st->ops->remove_prefix(st, prefix, err);
}

scp_status scp__storage_presign(
    scp_storage *st, const char *key, const char *method, uint32_t seconds, char **url, scp_error *err)
{
	scp_status rc = scp__storage_check_key(key, "key", err);

	*url = NULL;
	if (rc)
		return rc;
	if (!st->ops->presign)
		return scp__fail(err, SCP_ENOTSUP, "the storage %s can't presign", st->ops->name);
	return st->ops->presign(st, key, method, seconds, url, err);
}

bool scp__storage_has_folders(const scp_storage *st)
{
	return st->ops->local_folder != NULL;
}

scp_status scp__storage_local_folder(
    scp_storage *st, const char *prefix, int32_t uid, int32_t gid, char **path, scp_error *err)
{
	scp_status rc = scp__storage_check_key(prefix, "prefix", err);

	*path = NULL;
	if (rc)
		return rc;
	if (!st->ops->local_folder)
		return scp__fail(err, SCP_ENOTSUP, "the storage %s keeps no folders on this host", st->ops->name);
	return st->ops->local_folder(st, prefix, uid, gid, path, err);
}

scp_status scp__storage_health(scp_storage *st, uint32_t deadline_ms, char *detail, size_t detail_size, scp_error *err)
{
	if (detail_size)
		detail[0] = '\0';
	return st->ops->health(st, deadline_ms, detail, detail_size, err);
}

void scp__storage_close(scp_storage *st)
{
	if (st)
		st->ops->close(st);
}

scp_status scp__storage_put_bytes(scp_storage *st, const char *key, const void *data, size_t len, scp_error *err)
{
	scp_object_writer *w = NULL;
	scp_status rc = scp__storage_put_open(st, key, NULL, &w, err);

	if (!rc)
		rc = scp__storage_put_write(st, w, data, len, err);
	if (!rc)
		rc = scp__storage_put_commit(st, w, NULL, err);
	scp__storage_put_close(st, w);
	return rc;
}

static scp_status read_all(scp_storage *st, scp_object_reader *r, scp__buf *out, scp_error *err)
{
	char *step = malloc(READ_STEP);
	scp_status rc = step ? SCP_OK : scp__nomem(err);
	size_t n = 1;

	while (!rc && n) {
		rc = scp__storage_get_read(st, r, step, READ_STEP, &n, err);
		if (!rc && scp__buf_append(out, step, n))
			rc = scp__fail(err, out->status, "an object that grew over its bound");
	}
	free(step);
	return rc;
}

scp_status scp__storage_get_bytes(
    scp_storage *st, const char *key, size_t max, void **data, size_t *len, scp_error *err)
{
	scp_object_reader *r = NULL;
	scp_object object;
	scp__buf buf;
	scp_status rc = scp__storage_get_open(st, key, 0, 0, &r, &object, err);

	*data = NULL;
	*len = 0;
	scp__buf_init(&buf, max);
	if (!rc && object.size_bytes > max)
		rc = scp__fail(err, SCP_ETOOBIG, "%s: %llu bytes; at most %zu are read", key,
		    (unsigned long long)object.size_bytes, max);
	if (!rc)
		rc = read_all(st, r, &buf, err);
	if (!rc) {
		*len = buf.len;
		*data = scp__buf_detach(&buf);
		if (!*data)
			rc = scp__nomem(err);
	}
	scp__buf_free(&buf);
	scp__storage_get_close(st, r);
	return rc;
}

scp_status scp__storage_open(scp_storage **out, const char *url, const scp__storage_options *options, scp_error *err)
{
	*out = NULL;
	if (url && !strncmp(url, "file:", 5))
		return scp__localfs_open(out, url, err);
	if (url && !strncmp(url, "s3://", 5))
		return scp__s3_open(out, url, options, err);
	return scp__fail(err, SCP_EINVAL,
	    "storage: the URL must start with file: (file:/var/lib/sandboxcp/storage) or s3:// (s3://bucket?region=…)");
}

scp_status scp__storage_make(const char *url, const scp__storage_options *options, scp_error *err)
{
	return strncmp(url, "s3://", 5) ? SCP_OK : scp__s3_make_bucket(url, options, err);
}
