/* What would work on this machine: every backend tried, none kept. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "clock.h"
#include "err.h"
#include "house.h"

enum { PROBES_MAX = 16, LIMITS_MAX = 16, DEADLINE_MS = 2000, DETAIL_SIZE = 256, PATH_SIZE = 512 };

struct check {
	scp_check pub;
	scp__arena *arena;
	const scp_probe **probes;
	const scp_limit **limits;
};

static void add_probe(
    struct check *c, const char *name, scp_status rc, const char *detail, const scp_error *err, int64_t begin_us)
{
	scp_probe *p = c->pub.probe_count < PROBES_MAX ? scp__arena_alloc(c->arena, sizeof(*p)) : NULL;

	c->pub.ok = c->pub.ok && !rc;
	if (!p)
		return;
	p->name = name;
	p->status = rc ? SCP_UNHEALTHY : SCP_HEALTHY;
	p->latency_ms = (double)(scp__mono_us() - begin_us) / 1000.0;
	p->detail = scp__arena_strdup(c->arena, rc ? err->message : detail);
	p->hint = rc && err->hint[0] ? scp__arena_strdup(c->arena, err->hint) : NULL;
	c->probes[c->pub.probe_count++] = p;
}

static void add_limit(struct check *c, const char *name, const char *state, const char *detail)
{
	scp_limit *l = c->pub.limit_count < LIMITS_MAX ? scp__arena_alloc(c->arena, sizeof(*l)) : NULL;

	if (!l)
		return;
	l->name = name;
	l->state = state;
	l->detail = scp__arena_strdup(c->arena, detail ? detail : "");
	c->limits[c->pub.limit_count++] = l;
}

static void check_database(struct check *c, const char *url, const scp_plane_options *o)
{
	scp__database_access access = { o->database_password, false };
	int64_t begin = scp__mono_us();
	char detail[DETAIL_SIZE] = "";
	scp_error err = { 0 };
	scp_database *db = NULL;
	scp_status rc = scp__database_open_as(&db, url, &access, &err);

	if (!rc)
		rc = scp__database_health(db, DEADLINE_MS, detail, sizeof(detail), &err);
	if (!rc)
		rc = scp__store_probe(db, &err);
	add_probe(c, "database", rc, detail, &err, begin);
	scp__database_close(db);
}

static void check_storage(struct check *c, const char *url, const char *credentials_file)
{
	int64_t begin = scp__mono_us();
	char detail[DETAIL_SIZE] = "";
	scp_error err = { 0 };
	scp_storage *st = NULL;
	scp_status rc =
	    scp__storage_open(&st, url, &(scp__storage_options){ .credentials_file = credentials_file }, &err);

	if (!rc)
		rc = scp__storage_health(st, DEADLINE_MS, detail, sizeof(detail), &err);
	add_probe(c, "storage", rc, detail, &err, begin);
	scp__storage_close(st);
}

static void check_executor(struct check *c, const scp_plane_options *o)
{
	int64_t begin = scp__mono_us();
	char path[PATH_SIZE] = "";
	scp_error err = { 0 };
	scp_status rc = scp__find_executor(path, sizeof(path), o, &err);

	add_probe(c, "executor", rc, path, &err, begin);
}

static void check_disks(struct check *c, const char *state_dir, const scp_plane_options *o, int32_t uid)
{
	int64_t begin = scp__mono_us();
	char dir[512];
	scp__volumes_options v = { .enforce = true, .uid = uid, .gid = uid };
	const char *state, *detail;
	scp_error err = { 0 };
	scp__volumes *volumes = NULL;
	scp_status rc;

	snprintf(dir, sizeof(dir), "%s/disks", state_dir);
	v.dir = dir;
	rc = scp__volumes_open(&volumes, &v, &err);
	if (!rc) {
		scp__volumes_limit(volumes, &state, &detail);
		add_limit(c, "disk", state, detail);
		add_probe(c, "disk", SCP_OK, detail, &err, begin);
	} else {
		add_limit(c, "disk", "not enforced", err.message);
		add_probe(
		    c, "disk", scp__list_has(o->allow_unenforced, "disk") ? SCP_OK : rc, err.message, &err, begin);
	}
	scp__volumes_close(volumes);
}

static int32_t check_runtime(struct check *c, const char *url, const char *state_dir, const scp_plane_options *o)
{
	scp__runtime_options options = { state_dir, o->allow_unenforced, { o->log, o->log_user, o->log_level } };
	const scp_runtime_limit *rows = NULL;
	int64_t begin = scp__mono_us();
	char detail[DETAIL_SIZE] = "";
	scp_error err = { 0 };
	scp_runtime *rt = NULL;
	size_t count = 0;
	int32_t uid = -1;
	scp_status rc = scp__runtime_open(&rt, url, &options, &err);

	if (!rc)
		rc = scp__runtime_health(rt, DEADLINE_MS, detail, sizeof(detail), &err);
	add_probe(c, "runtime", rc, detail, &err, begin);
	if (rt) {
		scp__runtime_limits(rt, &rows, &count);
		for (size_t i = 0; i < count; i++)
			add_limit(c, rows[i].name, rows[i].state, rows[i].detail);
		uid = scp__runtime_workspace_uid(rt);
	}
	scp__runtime_close(rt);
	return uid;
}

static struct check *check_new(void)
{
	scp__arena *arena = scp__arena_new();
	struct check *c = arena ? scp__arena_alloc(arena, sizeof(*c)) : NULL;

	if (c) {
		c->arena = arena;
		c->probes = scp__arena_alloc(arena, PROBES_MAX * sizeof(*c->probes));
		c->limits = scp__arena_alloc(arena, LIMITS_MAX * sizeof(*c->limits));
	}
	if (c && c->probes && c->limits)
		return c;
	scp__arena_free(arena);
	return NULL;
}

static void check_all(struct check *c, const struct scp__choice *choice, const scp_plane_options *o)
{
	int32_t uid = -1;

	c->pub.ok = true;
	c->pub.probes = c->probes;
	c->pub.limits = c->limits;
	check_database(c, choice->database_url, o);
	check_storage(c, choice->storage_url, o->storage_credentials_file);
	for (size_t i = 0; i < (o->runtime_url_count ? o->runtime_url_count : 1); i++)
		uid = check_runtime(c, o->runtime_url_count ? o->runtime_urls[i] : "oci:", choice->state_dir, o);
	check_disks(c, choice->state_dir, o, uid);
	check_executor(c, o);
}

scp_status scp_plane_check(scp_check **out, const scp_plane_options *options, scp_error *err)
{
	scp_plane_options o;
	struct scp__choice choice = { 0 };
	scp__limits limits;
	struct check *c = NULL;
	scp_status rc;

	if (!out)
		return scp__fail(err, SCP_EINVAL, "out must not be NULL");
	*out = NULL;
	rc = scp__options_read(&o, options, err);
	if (!rc)
		rc = scp__choose(&choice, &limits, &o, err);
	if (!rc)
		rc = scp__make_state_dir(choice.state_dir, err);
	if (!rc) {
		c = check_new();
		rc = c ? SCP_OK : scp__nomem(err);
	}
	if (!rc) {
		check_all(c, &choice, &o);
		*out = &c->pub;
	}
	scp__choice_free(&choice);
	return rc;
}

void scp_check_free(scp_check *check)
{
	if (check)
		scp__arena_free(((struct check *)check)->arena);
}
