/* Executions: how one comes to be. */
#include <string.h>

#include "clock.h"
#include "err.h"
#include "plane.h"
#include "state.h"

#define SECOND_US INT64_C(1000000)
#define KEY_LIFE_US (24 * 3600 * SECOND_US)

enum { DEFAULT_TIMEOUT_S = 30, DEFAULT_RETRIES = 3, ID_TRIES = 3 };

struct submit {
	scp_plane *plane;
	const char *session_id;
	const scp_execution_spec *spec;
	scp__execution row;
	char id[SCP__ID_SIZE], digest[65];
	bool found;  /* the idempotency key was used before */
	bool direct; /* its container runs and this process reaches it */
	scp__session *s;
	scp__execution *made;
};

static void drop(struct submit *b)
{
	if (b->s)
		scp_session_free(&b->s->pub);
	if (b->made)
		scp_execution_free(&b->made->pub);
	b->s = NULL;
	b->made = NULL;
}

static scp_status check_session(const struct submit *b, scp_error *err)
{
	const scp_session *s = &b->s->pub;

	if (scp__session_over(s->status))
		return scp__fail_as(
		    err, "SessionNotRunning", "Session '%s' is %s", s->id, scp_session_status_name(s->status));
	if (s->mode == SCP_EPHEMERAL && b->s->execution_count)
		return scp__fail_as(err, "SessionNotRunning", "Session '%s' is ephemeral and had its execution", s->id);
	return SCP_OK;
}

static bool has_language(const scp_language *languages, size_t count, scp_language wanted)
{
	for (size_t i = 0; i < count; i++)
		if (languages[i] == wanted)
			return true;
	return false;
}

/* As the template was when the session was made of it. */
static scp_status check_language(scp_db_tx *tx, const struct submit *b, scp_error *err)
{
	const scp__session *s = b->s;
	scp__template *t = NULL;
	bool has = has_language(s->languages, s->language_count, b->spec->language);
	scp_status rc = SCP_OK;

	if (!s->language_count) {
		rc = scp__store_template_get(tx, s->pub.template_id, &t, err);
		has = !rc && has_language(t->pub.languages, t->pub.language_count, b->spec->language);
	}
	if (!rc && !has)
		rc = scp__fail(err, SCP_EINVAL, "language '%s' isn't one that template '%s' has",
		    scp_language_name(b->spec->language), s->pub.template_id);
	if (t)
		scp_template_free(&t->pub);
	return rc;
}

static scp_status check_room(scp_db_tx *tx, const struct submit *b, scp_error *err)
{
	const scp__limits *limits = &b->plane->core->limits;
	uint64_t pending = 0, live = 0;
	scp_status rc = scp__store_execution_counts(tx, b->session_id, &pending, &live, err);

	if (rc)
		return rc;
	if (pending >= limits->max_pending_per_session)
		rc = scp__fail(err, SCP_EBUSY, "%llu executions of session '%s' wait already; allowed is %u",
		    (unsigned long long)pending, b->session_id, limits->max_pending_per_session);
	else if (live >= limits->max_executions)
		rc = scp__fail(err, SCP_EBUSY, "%llu executions wait or run already", (unsigned long long)live);
	if (rc)
		scp__retry_after(err, 1000);
	return rc;
}

/* Can it go straight to the container? Then it is this process's from the start. */
static scp_status choose_way(scp_db_tx *tx, struct submit *b, scp_error *err)
{
	scp__core *core = b->plane->core;
	const scp_session *s = &b->s->pub;
	scp__container *c;
	scp_status rc;

	b->direct = false;
	b->row.owner = "";
	b->row.epoch = 0;
	b->row.lease_until_us = 0;
	b->row.container_id = NULL;
	if (!core->upkeep || s->status != SCP_SESSION_RUNNING || !s->container_id ||
	    !scp__node_runtime(core, s->runtime_node))
		return SCP_OK;
	rc = scp__store_container_get(tx, s->container_id, &c, err);
	if (rc)
		return rc;
	b->direct = c->status == SCP_CONTAINER_RUNNING;
	scp__container_free(c);
	if (b->direct) {
		b->row.owner = core->instance;
		b->row.epoch = 1;
		b->row.lease_until_us = b->row.pub.created_us + SCP__LEASE_US;
		b->row.container_id = s->container_id;
	}
	return SCP_OK;
}

static scp_status insert(scp_db_tx *tx, struct submit *b, scp_error *err)
{
	scp_status rc = scp__store_session_hold(tx, b->session_id, &b->s, err);

	if (!rc)
		rc = check_session(b, err);
	if (!rc)
		rc = check_language(tx, b, err);
	if (!rc)
		rc = check_room(tx, b, err);
	if (!rc)
		rc = choose_way(tx, b, err);
	if (!rc)
		rc = scp__store_execution_insert(tx, &b->row, err);
	if (!rc)
		rc = scp__store_session_count_execution(tx, b->session_id, err);
	if (!rc)
		rc = scp__store_session_touch(tx, b->session_id, b->row.pub.created_us, 0, err);
	return rc;
}

static scp_status submit_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct submit *b = arg;
	const char *actor = scp__actor(b->plane);
	char existing[SCP__ID_SIZE];
	int64_t now = b->row.pub.created_us;
	scp_status rc = SCP_OK;

	drop(b);
	b->found = false;
	if (b->spec->idempotency_key)
		rc = scp__store_idempotency(tx, "execute", actor ? actor : "", b->spec->idempotency_key, b->digest,
		    b->id, now, now + KEY_LIFE_US, &b->found, existing, err);
	if (!rc && !b->found)
		rc = insert(tx, b, err);
	if (!rc)
		rc = scp__store_execution_get(
		    tx, b->found ? existing : b->id, SCP__LOAD_CODE | (b->found ? SCP__LOAD_RESULT : 0), &b->made, err);
	return rc;
}

static void fill_row(struct submit *b)
{
	const scp_execution_spec *spec = b->spec;
	scp_execution *e = &b->row.pub;

	e->id = b->id;
	e->session_id = b->session_id;
	e->status = SCP_EXECUTION_PENDING;
	e->language = spec->language;
	e->timeout_s = spec->timeout_s ? spec->timeout_s : DEFAULT_TIMEOUT_S;
	e->code = spec->code;
	e->code_len = spec->code_len ? spec->code_len : strlen(spec->code);
	e->event_json = spec->event_json ? spec->event_json : "{}";
	e->max_retries = spec->retries < 0 ? 0 : spec->retries ? (uint32_t)spec->retries : DEFAULT_RETRIES;
	e->created_us = scp__core_now_us(b->plane->core);
	b->row.env = spec->env;
	b->row.env_count = spec->env_count;
	b->row.stdin_data = spec->stdin_data;
	b->row.stdin_len = spec->stdin_len;
	b->row.request_id = scp__request_id(b->plane);
	b->row.actor = scp__actor(b->plane);
}

/* Two ids that are alike in one process: rather out of memory, or too late. */
static scp_status no_place(scp__core *core, scp_error *err)
{
	bool closing;

	pthread_mutex_lock(&core->lock);
	closing = core->closing;
	pthread_mutex_unlock(&core->lock);
	return closing ? scp__fail(err, SCP_ECLOSED, "the plane is closing") : scp__nomem(err);
}

static scp_status store(struct submit *b, scp__run **run, scp_error *err)
{
	scp__core *core = b->plane->core;
	scp_status rc = SCP_OK;

	for (int tries = 0; tries < ID_TRIES; tries++) {
		rc = scp__id_execution(b->id, b->row.pub.created_us, err);
		if (rc)
			return rc;
		/* Its place is taken before anybody can see the row, so that nobody else drives it too. */
		*run = scp__run_reserve(core, b->id);
		if (!*run)
			return no_place(core, err);
		rc = scp__database_transact(core->db, SCP_DB_WRITE, submit_tx, b, err);
		if (!rc)
			return SCP_OK;
		scp__run_release(*run);
		*run = NULL;
		if (rc != SCP_ECONFLICT || b->spec->idempotency_key)
			return rc;
	}
	return rc;
}

static void submitted(struct submit *b, scp__run *run)
{
	scp__core *core = b->plane->core;
	scp__log_ids ids = { scp__request_id(b->plane), b->session_id, b->made->pub.id, NULL };

	if (b->found) {
		scp__run_release(run);
		return;
	}
	scp__core_log(core, SCP_LOG_INFO, &ids, "execution submitted: %s", scp_language_name(b->spec->language));
	if (b->direct) {
		scp__run_go(run, b->made, b->s);
		return;
	}
	scp__run_release(run);
	scp__session_settle(core, b->session_id);
}

static scp_status submit(
    scp_execution **out, scp_plane *plane, const char *session_id, const scp_execution_spec *spec, scp_error *err)
{
	struct submit b = { .plane = plane, .session_id = session_id, .spec = spec };
	scp__run *run = NULL;
	scp_status rc;

	if (!scp__id_is_session(session_id))
		return scp__fail_as(err, "SessionNotFound", "Session '%.64s' does not exist", session_id);
	scp__digest_execution_spec(session_id, spec, b.digest);
	fill_row(&b);
	rc = store(&b, &run, err);
	if (!rc) {
		submitted(&b, run);
		*out = &b.made->pub;
		b.made = NULL;
	}
	drop(&b);
	return rc;
}

scp_status scp_execute(
    scp_execution **out, scp_plane *plane, const char *session_id, const scp_execution_spec *spec, scp_error *err)
{
	int64_t begun = scp__mono_us();
	scp_status rc;

	if (!out || !session_id)
		return scp__fail(err, SCP_EINVAL, "out and session_id must not be NULL");
	*out = NULL;
	rc = scp__check_execution_spec(spec, err);
	if (!rc)
		rc = scp__enter(plane, true, err);
	if (rc)
		return rc;
	rc = submit(out, plane, session_id, spec, err);
	if (!rc)
		scp__count_submit(plane->core->figures, scp__mono_us() - begun);
	scp__audit(plane, "execution.submit", session_id, rc ? NULL : (*out)->id, rc, err);
	scp__leave(plane);
	return rc;
}
