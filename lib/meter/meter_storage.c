#include <stdlib.h>

#include "clock.h"
#include "err.h"
#include "meter.h"

/* Writers and readers are the adapter's own: what takes one of those goes to it by itself. */
struct meter {
	scp_storage st;
	scp_storage_ops ops;
	scp_storage *behind;
	scp__figures *figures;
};

static const struct meter *meter_of(const scp_storage *st)
{
	return (const struct meter *)(const void *)st;
}

/* Call an operation of the storage behind and count it as `name`. */
#define TIMED(name, operation, ...)                                                                                    \
	do {                                                                                                           \
		const struct meter *m = meter_of(st);                                                                  \
		int64_t begun = scp__mono_us();                                                                        \
		scp_status rc = m->behind->ops->operation(m->behind, __VA_ARGS__);                                     \
                                                                                                                       \
		scp__count_backend(m->figures, SCP__BACKEND_STORAGE, name, rc, scp__mono_us() - begun);                \
		return rc;                                                                                             \
	} while (0)

static scp_status put_open(
    scp_storage *st, const char *key, const scp_put_options *options, scp_object_writer **out, scp_error *err)
{
	TIMED("put", put_open, key, options, out, err);
}

static scp_status get_open(scp_storage *st, const char *key, uint64_t offset, uint64_t length, scp_object_reader **out,
    scp_object *object, scp_error *err)
{
	TIMED("get", get_open, key, offset, length, out, object, err);
}

static scp_status stat_object(scp_storage *st, const char *key, scp_object *out, scp_error *err)
{
	TIMED("stat", stat, key, out, err);
}

static scp_status list(scp_storage *st, const char *prefix, const char *after, const scp_list_options *options,
    scp_object_fn *fn, void *user, char *next, size_t next_size, scp_error *err)
{
	TIMED("list", list, prefix, after, options, fn, user, next, next_size, err);
}

static scp_status remove_object(scp_storage *st, const char *key, scp_error *err)
{
	TIMED("remove", remove, key, err);
}

static scp_status remove_prefix(scp_storage *st, const char *prefix, scp_error *err)
{
	TIMED("remove", remove_prefix, prefix, err);
}

static scp_status presign(
    scp_storage *st, const char *key, const char *method, uint32_t seconds, char **url, scp_error *err)
{
	TIMED("presign", presign, key, method, seconds, url, err);
}

static scp_status local_folder(
    scp_storage *st, const char *prefix, int32_t uid, int32_t gid, char **path, scp_error *err)
{
	scp_storage *behind = meter_of(st)->behind;

	return behind->ops->local_folder(behind, prefix, uid, gid, path, err);
}

static scp_status health(scp_storage *st, uint32_t deadline_ms, char *detail, size_t detail_size, scp_error *err)
{
	TIMED("health", health, deadline_ms, detail, detail_size, err);
}

static void close_both(scp_storage *st)
{
	scp_storage *behind = scp__unmeter_storage(st);

	behind->ops->close(behind);
}

scp_storage *scp__unmeter_storage(scp_storage *st)
{
	struct meter *m = (struct meter *)(void *)st;
	scp_storage *behind;

	if (!st || st->ops->close != close_both)
		return st;
	behind = m->behind;
	free(m);
	return behind;
}

static void take_over(scp_storage_ops *ops)
{
	ops->struct_size = sizeof(*ops);
	ops->put_open = put_open;
	ops->get_open = get_open;
	ops->stat = stat_object;
	ops->list = list;
	ops->remove = remove_object;
	ops->remove_prefix = remove_prefix;
	ops->presign = ops->presign ? presign : NULL;
	ops->local_folder = ops->local_folder ? local_folder : NULL;
	ops->health = health;
	ops->close = close_both;
}

scp_status scp__meter_storage(scp_storage **st, scp__figures *f, scp_error *err)
{
	struct meter *m = calloc(1, sizeof(*m));

	if (!m)
		return scp__nomem(err);
	m->ops = *(*st)->ops;
	take_over(&m->ops);
	m->st.ops = &m->ops;
	m->behind = *st;
	m->figures = f;
	*st = &m->st;
	return SCP_OK;
}
