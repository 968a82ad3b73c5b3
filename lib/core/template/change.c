/* Creating, replacing and deleting templates. */
#include <string.h>

#include "clock.h"
#include "err.h"
#include "template.h"

#define KEY_LIFE_US (INT64_C(24) * 3600 * 1000000)

const scp_resources scp__template_resources = { sizeof(scp_resources), 1000, UINT64_C(512) << 20, UINT64_C(1) << 30,
	SCP__TEMPLATE_PROCESSES };

static const scp_language all_languages[] = { SCP_PYTHON, SCP_JAVASCRIPT, SCP_SHELL };

struct change {
	scp_plane *plane;
	const scp_template_spec *spec;
	scp_template row;
	scp_resources resources;
	scp_warm_pool pool;
	scp_pair const **env;
	char digest[65];
	bool found; /* the idempotency key was used before */
	scp__template *made;
};

/* ---- the row of a spec ---- */

static void fill_resources(struct change *c)
{
	const scp_resources *given = c->spec->default_resources;
	uint32_t limit = c->row.max_processes;

	c->resources = scp__template_resources;
	if (c->resources.max_processes > limit)
		c->resources.max_processes = limit;
	if (given && given->cpu_millis)
		c->resources.cpu_millis = given->cpu_millis;
	if (given && given->memory_bytes)
		c->resources.memory_bytes = given->memory_bytes;
	if (given && given->disk_bytes)
		c->resources.disk_bytes = given->disk_bytes;
	if (given && given->max_processes)
		c->resources.max_processes = given->max_processes;
	c->row.default_resources = &c->resources;
}

static void fill_pool(struct change *c)
{
	c->pool = c->spec->warm_pool ? *c->spec->warm_pool : (scp_warm_pool)SCP_WARM_POOL_INIT;
	if (!c->pool.max)
		c->pool.max = c->pool.min;
	c->row.warm_pool = &c->pool;
}

static void fill_lists(struct change *c)
{
	const scp_template_spec *spec = c->spec;
	scp_template *t = &c->row;

	t->languages = spec->language_count ? spec->languages : all_languages;
	t->language_count =
	    spec->language_count ? spec->language_count : sizeof(all_languages) / sizeof(all_languages[0]);
	t->packages = spec->packages;
	t->package_count = spec->package_count;
	for (size_t i = 0; i < spec->env_count; i++)
		c->env[i] = &spec->env[i];
	t->env = c->env;
	t->env_count = spec->env_count;
}

static void fill_row(struct change *c, const char *id)
{
	const scp_template_spec *spec = c->spec;
	scp_template *t = &c->row;

	t->id = id;
	t->name = spec->name;
	t->description = spec->description;
	t->image = spec->image;
	t->base_image = spec->base_image;
	t->default_timeout_s = spec->default_timeout_s ? spec->default_timeout_s : SCP__TEMPLATE_TIMEOUT_S;
	t->network_enabled = spec->network == SCP_ON;
	t->read_only_root = spec->read_only_root != SCP_OFF;
	t->run_as_user = spec->run_as_user ? spec->run_as_user : SCP__TEMPLATE_USER;
	t->max_processes = spec->max_processes ? spec->max_processes : SCP__TEMPLATE_PROCESS_LIMIT;
	t->seccomp = spec->seccomp ? spec->seccomp : "default";
	t->deprecated = spec->deprecated;
	t->created_us = t->updated_us = scp__now_us();
	fill_resources(c);
	fill_pool(c);
	fill_lists(c);
}

/* ---- transactions ---- */

static void forget_made(struct change *c)
{
	if (c->made)
		scp_template_free(&c->made->pub);
	c->made = NULL;
}

static scp_status create_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct change *c = arg;
	const char *actor = scp__actor(c->plane);
	char existing[SCP__ID_SIZE];
	int64_t now = c->row.created_us;
	scp_status rc = SCP_OK;

	forget_made(c);
	c->found = false;
	if (c->spec->idempotency_key)
		rc = scp__store_idempotency(tx, "template", actor ? actor : "", c->spec->idempotency_key, c->digest,
		    c->row.id, now, now + KEY_LIFE_US, &c->found, existing, err);
	if (!rc && !c->found)
		rc = scp__store_template_insert(tx, &c->row, err);
	return rc ? rc : scp__store_template_get(tx, c->row.id, &c->made, err);
}

static scp_status update_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct change *c = arg;
	scp_status rc;

	forget_made(c);
	rc = scp__store_template_update(tx, &c->row, err);
	return rc ? rc : scp__store_template_get(tx, c->row.id, &c->made, err);
}

static void log_change(scp_plane *plane, const char *id, const char *what)
{
	scp__log_ids ids = { .request_id = scp__request_id(plane) };

	scp__core_log(plane->core, SCP_LOG_INFO, &ids, "template %s %s", id, what);
}

static scp_status change(scp_template **out, struct change *c, const char *id, bool create, scp_error *err)
{
	scp_pair const *env[64]; /* as many as scp__env_check() lets through */
	scp_status rc = scp__enter(c->plane, create, err);

	if (rc)
		return rc;
	c->env = env;
	fill_row(c, id);
	rc = scp__database_transact(c->plane->core->db, SCP_DB_WRITE, create ? create_tx : update_tx, c, err);
	if (!rc && !c->found)
		log_change(c->plane, id, create ? "created" : "changed");
	if (!rc && out) {
		*out = &c->made->pub;
		c->made = NULL;
	}
	forget_made(c);
	scp__leave(c->plane);
	return rc;
}

/* ---- the public functions ---- */

scp_status scp_template_create(scp_template **out, scp_plane *plane, const scp_template_spec *spec, scp_error *err)
{
	struct change c = { .plane = plane, .spec = spec };
	scp_status rc;

	if (out)
		*out = NULL;
	rc = scp__check_template_spec(NULL, spec, err);
	if (rc)
		return rc;
	scp__digest_template_spec(spec, c.digest);
	return change(out, &c, spec->id, true, err);
}

scp_status scp_template_update(
    scp_template **out, scp_plane *plane, const char *id, const scp_template_spec *spec, scp_error *err)
{
	struct change c = { .plane = plane, .spec = spec };
	scp_status rc;

	if (out)
		*out = NULL;
	if (!id)
		return scp__fail(err, SCP_EINVAL, "id must not be NULL");
	rc = scp__check_template_spec(id, spec, err);
	return rc ? rc : change(out, &c, id, false, err);
}

static scp_status delete_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	const char *id = arg;

	return scp__store_template_delete(tx, id, scp__template_is_seed(id), scp__now_us(), err);
}

scp_status scp_template_delete(scp_plane *plane, const char *id, scp_error *err)
{
	scp_status rc;

	if (!id)
		return scp__fail(err, SCP_EINVAL, "id must not be NULL");
	rc = scp__enter(plane, false, err);
	if (rc)
		return rc;
	rc = scp__database_transact(plane->core->db, SCP_DB_WRITE, delete_tx, (void *)(uintptr_t)id, err);
	if (!rc)
		log_change(plane, id, "deleted");
	scp__leave(plane);
	return rc;
}
