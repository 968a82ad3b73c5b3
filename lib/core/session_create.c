/* Sessions: how one comes to be. */
#include <string.h>

#include "clock.h"
#include "err.h"
#include "plane.h"
#include "template.h"

#define SECOND_US INT64_C(1000000)
#define KEY_LIFE_US (24 * 3600 * SECOND_US)

enum { ENV_MAX = 128, ID_TRIES = 3 };

static scp_resources resources_of(const scp_resources *wanted, const scp_resources *defaults)
{
	scp_resources r = *defaults;

	r.struct_size = sizeof(r);
	if (!wanted)
		return r;
	if (wanted->cpu_millis)
		r.cpu_millis = wanted->cpu_millis;
	if (wanted->memory_bytes)
		r.memory_bytes = wanted->memory_bytes;
	if (wanted->disk_bytes)
		r.disk_bytes = wanted->disk_bytes;
	if (wanted->max_processes)
		r.max_processes = wanted->max_processes;
	return r;
}

struct create {
	scp_plane *plane;
	const scp_session_spec *spec;
	scp__session row;
	scp_resources resources;
	scp_pair env[ENV_MAX];
	char id[SCP__ID_SIZE], workspace_id[SCP__ID_SIZE], digest[65];
	bool found; /* the idempotency key was used before */
	scp__session *made;
};

static scp_status reserve(scp_db_tx *tx, struct create *c, scp_error *err)
{
	const scp__limits *limits = &c->plane->core->limits;
	uint64_t active = 0;
	scp_status rc = scp__store_session_count(tx, &active, err);

	if (rc || active < limits->max_sessions)
		return rc;
	rc = scp__fail(err, SCP_ECAPACITY, "all %u sessions are in use", limits->max_sessions);
	scp__retry_after(err, 5000);
	return rc;
}

static scp_status insert(scp_db_tx *tx, struct create *c, scp_error *err)
{
	scp__workspace w = { 0 };
	/* It was read before; from here on nobody can delete or deprecate it in between. */
	scp_status rc = scp__store_template_usable(tx, c->row.pub.template_id, err);

	if (!rc)
		rc = reserve(tx, c, err);
	if (!rc)
		rc = scp__nodes_check_room(tx, err);

	w.id = c->workspace_id;
	w.session_id = c->id;
	w.disk_bytes = c->resources.disk_bytes;
	w.created_us = c->row.pub.created_us;
	if (!rc)
		rc = scp__store_session_insert(tx, &c->row, err);
	if (!rc)
		rc = scp__store_workspace_insert(tx, &w, err);
	return rc;
}

static scp_status create_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct create *c = arg;
	char existing[SCP__ID_SIZE];
	int64_t now = c->row.pub.created_us;
	const char *actor = scp__actor(c->plane);
	scp_status rc = SCP_OK;

	if (c->made)
		scp_session_free(&c->made->pub);
	c->made = NULL;
	c->found = false;
	if (c->spec->idempotency_key)
		rc = scp__store_idempotency(tx, "session", actor ? actor : "", c->spec->idempotency_key, c->digest,
		    c->id, now, now + KEY_LIFE_US, &c->found, existing, err);
	if (!rc && !c->found)
		rc = insert(tx, c, err);
	if (!rc)
		rc = scp__store_session_get(tx, c->found ? existing : c->id, &c->made, err);
	return rc;
}

/* The template's variables, then the session's over them. */
static void merge_env(struct create *c, const scp_template *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->env_count && n < ENV_MAX; i++)
		c->env[n++] = *t->env[i];
	for (size_t i = 0; i < c->spec->env_count && n < ENV_MAX; i++) {
		size_t k = 0;

		while (k < n && strcmp(c->env[k].name, c->spec->env[i].name))
			k++;
		c->env[k] = c->spec->env[i];
		if (k == n)
			n++;
	}
	c->row.env = c->env;
	c->row.env_count = n;
}

static void fill_row(struct create *c, const scp_template *t)
{
	const scp__limits *limits = &c->plane->core->limits;
	const scp_session_spec *spec = c->spec;
	scp_session *s = &c->row.pub;
	uint32_t life_s;

	s->id = c->id;
	s->template_id = spec->template_id;
	s->status = SCP_SESSION_CREATING;
	s->mode = spec->mode ? spec->mode : SCP_PERSISTENT;
	s->workspace_path = "/workspace";
	c->resources = resources_of(spec->resources, t->default_resources);
	s->resources = &c->resources;
	s->timeout_s = spec->timeout_s || s->mode == SCP_PERSISTENT ? spec->timeout_s : t->default_timeout_s;
	life_s = s->timeout_s && s->timeout_s < limits->session_max_age_s ? s->timeout_s : limits->session_max_age_s;
	s->agent_id = spec->agent_id;
	s->network_enabled = spec->network ? spec->network == SCP_ON : t->network_enabled;
	s->created_us = s->updated_us = s->last_activity_us = scp__core_now_us(c->plane->core);
	s->expires_us = s->created_us + life_s * SECOND_US;
	c->row.workspace_id = c->workspace_id;
	c->row.image = t->image;
	c->row.read_only_root = t->read_only_root;
	c->row.languages = t->languages;
	c->row.language_count = t->language_count;
	c->row.request_id = scp__request_id(c->plane);
	c->row.actor = scp__actor(c->plane);
	merge_env(c, t);
}

/* One runtime is enough; and where there is none, the first says why. */
static scp_status check_network(scp__core *core, scp_error *err)
{
	scp_status rc = SCP_ENOTSUP;
	scp_error first = { 0 };

	for (size_t i = 0; rc && i < core->runtime_count; i++)
		rc = scp__runtime_network(core->runtimes[i], &first);
	if (!rc)
		return SCP_OK;
	scp__error_copy(err, &first);
	(void)scp__prefix(err, "network_enabled");
	return rc;
}

static scp_status check_template(scp__core *core, const scp_template *t, const scp_session_spec *spec, scp_error *err)
{
	scp_status rc = SCP_OK;

	if (spec->network == SCP_ON || (!spec->network && t->network_enabled))
		rc = check_network(core, err);
	if (rc)
		return rc;
	if (t->run_as_user != SCP__TEMPLATE_USER) {
		scp__fail(err, SCP_ENOTSUP, "template '%s' wants run_as_user %u: sandboxes here run code as %d", t->id,
		    t->run_as_user, SCP__TEMPLATE_USER);
		scp__hint(err, "Give the template run_as_user %d", SCP__TEMPLATE_USER);
		return SCP_ENOTSUP;
	}
	if (spec->resources && spec->resources->max_processes > t->max_processes)
		return scp__fail(err, SCP_EINVAL, "resources.max_processes is %u; template '%s' allows %u",
		    spec->resources->max_processes, t->id, t->max_processes);
	return scp__provision_packages(t->image, t->packages, t->package_count, err);
}

struct read_template {
	const char *id;
	scp__template *t;
};

static scp_status read_template_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct read_template *r = arg;

	if (r->t)
		scp_template_free(&r->t->pub);
	r->t = NULL;
	return scp__store_template_get(tx, r->id, &r->t, err);
}

static scp_status create(struct create *c, scp_error *err)
{
	scp__core *core = c->plane->core;
	struct read_template r = { c->spec->template_id, NULL };
	scp_status rc;

	rc = scp__database_transact(core->db, SCP_DB_READ, read_template_tx, &r, err);
	if (!rc)
		rc = check_template(core, &r.t->pub, c->spec, err);
	if (!rc)
		fill_row(c, &r.t->pub);
	/* A clash of ids draws again; anything else that exists already is for the caller to hear. */
	for (int tries = 0; !rc && tries < ID_TRIES; tries++) {
		rc = scp__id_session(c->id, err);
		if (!rc)
			rc = scp__id_make(c->workspace_id, "ws_", 16, err);
		if (!rc)
			rc = scp__database_transact(core->db, SCP_DB_WRITE, create_tx, c, err);
		if (rc != SCP_ECONFLICT || c->spec->idempotency_key)
			break;
		rc = tries < ID_TRIES - 1 ? SCP_OK : rc;
	}
	if (r.t)
		scp_template_free(&r.t->pub);
	return rc;
}

static void created(struct create *c)
{
	scp__log_ids ids = { scp__request_id(c->plane), c->made->pub.id, NULL, NULL };

	if (c->found)
		return;
	scp__core_log(c->plane->core, SCP_LOG_INFO, &ids, "session created from template %s", c->made->pub.template_id);
	scp__count_session_created(c->plane->core->figures);
	scp__session_settle(c->plane->core, c->made->pub.id);
}

scp_status scp_session_create(scp_session **out, scp_plane *plane, const scp_session_spec *spec, scp_error *err)
{
	struct create c = { .plane = plane, .spec = spec };
	scp_status rc;

	if (!out)
		return scp__fail(err, SCP_EINVAL, "out must not be NULL");
	*out = NULL;
	rc = scp__check_session_spec(spec, err);
	if (!rc)
		rc = scp__enter(plane, true, err);
	if (rc)
		return rc;
	scp__digest_session_spec(spec, c.digest);
	rc = create(&c, err);
	scp__audit(plane, "session.create", rc ? NULL : c.made->pub.id, NULL, rc, err);
	if (!rc) {
		created(&c);
		*out = &c.made->pub;
	} else if (c.made) {
		scp_session_free(&c.made->pub);
	}
	scp__leave(plane);
	return rc;
}
