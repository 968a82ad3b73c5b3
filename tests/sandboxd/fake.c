/* Plane, sessions and executions of the fake library. */
#include "fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"

struct fake fake = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

struct scp_plane {
	char request_id[80], actor[80];
};

void fake_reset(void)
{
	pthread_mutex_lock(&fake.lock);
	memset((char *)&fake + offsetof(struct fake, released), 0, sizeof(fake) - offsetof(struct fake, released));
	fake.file_size = 1000;
	pthread_mutex_unlock(&fake.lock);
}

void fake_release(void)
{
	pthread_mutex_lock(&fake.lock);
	fake.released = true;
	pthread_cond_broadcast(&fake.changed);
	pthread_mutex_unlock(&fake.lock);
}

static void copy(char *out, size_t size, const char *text)
{
	(void)snprintf(out, size, "%s", text ? text : "");
}

#define SAW(...) (void)snprintf(fake.last, sizeof(fake.last), __VA_ARGS__)

/* ---- plane ---- */

scp_status scp_plane_open(scp_plane **out, const scp_plane_options *options, scp_error *err)
{
	(void)options;
	*out = calloc(1, sizeof(**out));
	fake.live++;
	return *out ? SCP_OK : scp__nomem(err);
}

void scp_plane_close(scp_plane *plane)
{
	fake.live -= plane != NULL;
	free(plane);
}

scp_status scp_plane_with(scp_plane **view, scp_plane *plane, const scp_call *call, scp_error *err)
{
	scp_status rc = scp_plane_open(view, NULL, err);

	(void)plane;
	if (rc)
		return rc;
	copy((*view)->request_id, sizeof((*view)->request_id), call->request_id);
	copy((*view)->actor, sizeof((*view)->actor), call->actor);
	return SCP_OK;
}

static void note_caller(const scp_plane *plane)
{
	copy(fake.request_id, sizeof(fake.request_id), plane->request_id);
	copy(fake.actor, sizeof(fake.actor), plane->actor);
}

struct own_health {
	scp_health pub;
	scp_probe probe;
	const scp_probe *probes[1];
};

scp_status scp_plane_health(scp_health **out, scp_plane *plane, uint32_t deadline_ms, scp_error *err)
{
	static const scp_limit limit = { "memory", "enforced", "cgroup" };
	static const scp_limit *const limits[] = { &limit };
	struct own_health *h = calloc(1, sizeof(*h));

	(void)plane;
	(void)deadline_ms;
	(void)err;
	fake.probes++;
	pthread_mutex_lock(&fake.lock);
	while (fake.hold_health && !fake.released)
		pthread_cond_wait(&fake.changed, &fake.lock);
	pthread_mutex_unlock(&fake.lock);
	h->probe = (scp_probe){ "database", fake.health ? fake.health : SCP_HEALTHY, 0.5, "fine", NULL };
	h->probes[0] = &h->probe;
	h->pub = (scp_health){ h->probe.status, "0.1.0", 1.5, h->probes, 1, limits, 1 };
	*out = &h->pub;
	return SCP_OK;
}

scp_status scp_plane_metrics(char **prometheus_text, scp_plane *plane, scp_error *err)
{
	(void)plane;
	(void)err;
	*prometheus_text = strdup("# HELP fake_total F.\n# TYPE fake_total counter\nfake_total 3\n");
	return SCP_OK;
}

void scp_health_free(scp_health *health)
{
	free(health);
}

const char *scp_health_status_name(scp_health_status status)
{
	return status == SCP_HEALTHY ? "healthy" : status == SCP_DEGRADED ? "degraded" : "unhealthy";
}

scp_status scp_plane_check(scp_check **out, const scp_plane_options *options, scp_error *err)
{
	(void)options;
	(void)err;
	*out = calloc(1, sizeof(**out));
	return SCP_OK;
}

void scp_check_free(scp_check *check)
{
	free(check);
}

/* ---- sessions ---- */

const char *scp_session_status_name(scp_session_status status)
{
	static const char *const names[] = { "?", "creating", "running", "completed", "failed", "timeout",
		"terminated" };

	return (unsigned)status < 7 ? names[status] : "?";
}

static const scp_resources some = { sizeof(some), 1250, 1536ull << 20, 2ull << 30, 64 };
static const scp_pair pair_a = { "A", "b" };
static const scp_pair *const pairs[] = { &pair_a };

static scp_session *session_new(const char *id)
{
	scp_session *s = calloc(1, sizeof(*s) + strlen(id) + 1);

	fake.live++;
	strcpy((char *)(s + 1), id);
	s->id = (char *)(s + 1);
	s->template_id = "python-basic";
	s->status = strncmp(id, "sess_slow", 9) == 0 && !fake.released ? SCP_SESSION_CREATING : SCP_SESSION_RUNNING;
	s->mode = SCP_PERSISTENT;
	s->workspace_path = "/workspace";
	s->resources = &some;
	s->env = pairs;
	s->env_count = 1;
	s->created_us = 1767182400000000;
	return s;
}

static scp_status find(scp_session **out, const char *id, scp_error *err)
{
	if (strncmp(id, "sess_ok", 7) != 0 && strncmp(id, "sess_slow", 9) != 0)
		return scp__fail_as(err, "SessionNotFound", "Session '%s' does not exist", id);
	pthread_mutex_lock(&fake.lock);
	*out = session_new(id);
	pthread_mutex_unlock(&fake.lock);
	return SCP_OK;
}

scp_status scp_session_create(scp_session **out, scp_plane *plane, const scp_session_spec *spec, scp_error *err)
{
	pthread_mutex_lock(&fake.lock);
	fake.session = *spec;
	fake.resources = spec->resources ? *spec->resources : (scp_resources){ 0 };
	copy(fake.key, sizeof(fake.key), spec->idempotency_key);
	fake.env[0] = '\0';
	for (size_t i = 0; i < spec->env_count; i++)
		(void)snprintf(fake.env + strlen(fake.env), sizeof(fake.env) - strlen(fake.env), "%s=%s;",
		    spec->env[i].name, spec->env[i].value);
	note_caller(plane);
	*out = fake.error.status ? NULL : session_new(strcmp(spec->template_id, "slow") == 0 ? "sess_slow" : "sess_ok");
	if (fake.error.status)
		*err = fake.error;
	pthread_mutex_unlock(&fake.lock);
	return *out ? SCP_OK : err->status;
}

scp_status scp_session_get(scp_session **out, scp_plane *plane, const char *id, scp_error *err)
{
	(void)plane;
	return find(out, id, err);
}

scp_status scp_session_keepalive(scp_session **out, scp_plane *plane, const char *id, uint32_t extend_s, scp_error *err)
{
	(void)plane;
	SAW("keepalive %u", extend_s);
	return find(out, id, err);
}

scp_status scp_session_terminate(scp_session **out, scp_plane *plane, const char *id, scp_error *err)
{
	scp_status rc = find(out, id, err);

	(void)plane;
	if (!rc)
		(*out)->status = SCP_SESSION_TERMINATED;
	return rc;
}

scp_status scp_session_list(scp_session_page **out, scp_plane *plane, const scp_session_query *query, scp_error *err)
{
	struct {
		scp_session_page page;
		const scp_session *items[1];
	} *p = calloc(1, sizeof(*p));

	(void)plane;
	(void)err;
	pthread_mutex_lock(&fake.lock);
	fake.query = *query;
	SAW("list %s %s", query->template_id ? query->template_id : "-", query->agent_id ? query->agent_id : "-");
	p->items[0] = session_new("sess_ok");
	pthread_mutex_unlock(&fake.lock);
	p->page = (scp_session_page){ 1, p->items, 7, "1" };
	*out = &p->page;
	return SCP_OK;
}

void scp_session_free(scp_session *session)
{
	fake.live -= session != NULL;
	free(session);
}

void scp_session_page_free(scp_session_page *page)
{
	scp_session_free((scp_session *)(uintptr_t)page->items[0]);
	free(page);
}

/* ---- executions ---- */

const char *scp_execution_status_name(scp_execution_status status)
{
	static const char *const names[] = { "?", "pending", "running", "completed", "failed", "timeout", "crashed",
		"cancelled" };

	return (unsigned)status < 8 ? names[status] : "?";
}

const char *scp_language_name(scp_language language)
{
	static const char *const names[] = { "?", "python", "javascript", "shell" };

	return (unsigned)language < 4 ? names[language] : "?";
}

static const scp_metrics metrics = { 12.5, 3, 4.5, 1, 2, "cgroup" };
static const scp_artifact artifact = { "o.csv", 3, "text/csv", "artifact", "", 1767182400000000 };
static const scp_artifact *const artifacts[] = { &artifact };

static const char *long_output(void)
{
	static char text[20001];

	memset(text, 'x', sizeof(text) - 1);
	return text;
}

static scp_execution *execution_new(const char *id)
{
	scp_execution *e = calloc(1, sizeof(*e) + strlen(id) + 1);
	bool live = strncmp(id, "exec_live", 9) == 0 && !fake.released;

	fake.live++;
	strcpy((char *)(e + 1), id);
	*e = (scp_execution){ .id = (char *)(e + 1),
		.session_id = "sess_ok",
		.language = SCP_SHELL,
		.timeout_s = 30,
		.code = "true",
		.code_len = 4,
		.event_json = "{}",
		.env = pairs,
		.env_count = 1,
		.created_us = 1767182400000000,
		.exit_code = -1,
		.status = live ? SCP_EXECUTION_RUNNING : SCP_EXECUTION_COMPLETED };
	if (live)
		return e;
	e->result = "success";
	e->out = "\xff"
		 "a";
	e->out_len = e->out_bytes = 2;
	if (strstr(id, "_big")) {
		e->out = long_output();
		e->out_len = e->out_bytes = strlen(e->out);
	}
	e->exit_code = 0;
	e->return_json = "{\"n\": 1}";
	e->metrics = &metrics;
	e->artifacts = artifacts;
	e->artifact_count = 1;
	return e;
}

static scp_status find_execution(scp_execution **out, const char *id, scp_error *err)
{
	if (strncmp(id, "exec_done", 9) != 0 && strncmp(id, "exec_live", 9) != 0)
		return scp__fail_as(err, "ExecutionNotFound", "Execution '%s' does not exist", id);
	pthread_mutex_lock(&fake.lock);
	*out = execution_new(id);
	pthread_mutex_unlock(&fake.lock);
	return SCP_OK;
}

scp_status scp_execute(
    scp_execution **out, scp_plane *plane, const char *session_id, const scp_execution_spec *spec, scp_error *err)
{
	(void)session_id;
	(void)err;
	pthread_mutex_lock(&fake.lock);
	fake.execution = *spec;
	copy(fake.code, sizeof(fake.code), spec->code);
	copy(fake.event, sizeof(fake.event), spec->event_json);
	copy(fake.input, sizeof(fake.input), spec->stdin_data);
	copy(fake.key, sizeof(fake.key), spec->idempotency_key);
	note_caller(plane);
	*out = execution_new("exec_live");
	pthread_mutex_unlock(&fake.lock);
	return SCP_OK;
}

scp_status scp_execution_get(scp_execution **out, scp_plane *plane, const char *id, scp_error *err)
{
	(void)plane;
	return find_execution(out, id, err);
}

scp_status scp_execution_cancel(scp_execution **out, scp_plane *plane, const char *id, scp_error *err)
{
	(void)plane;
	return find_execution(out, id, err);
}

scp_status scp_execution_list(
    scp_execution_page **out, scp_plane *plane, const scp_execution_query *query, scp_error *err)
{
	(void)plane;
	(void)query;
	(void)err;
	*out = calloc(1, sizeof(**out));
	return SCP_OK;
}

void scp_execution_free(scp_execution *execution)
{
	fake.live -= execution != NULL;
	free(execution);
}

void scp_execution_page_free(scp_execution_page *page)
{
	free(page);
}

/* ---- waits: a thread each ---- */

struct scp_request {
	pthread_t thread;
	char id[64];
	bool session, cancelled;
	uint32_t wait_ms;
	scp_done_fn *fn;
	void *user;
};

static void wait_released(scp_request *r)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += r->wait_ms / 1000;
	pthread_mutex_lock(&fake.lock);
	fake.waiting++;
	while (!fake.released && !r->cancelled && r->wait_ms)
		if (pthread_cond_timedwait(&fake.changed, &fake.lock, &until))
			break;
	pthread_mutex_unlock(&fake.lock);
}

static void *waiter(void *arg)
{
	scp_request *r = arg;
	bool cancelled;
	void *result;

	wait_released(r);
	pthread_mutex_lock(&fake.lock);
	cancelled = r->cancelled;
	result = cancelled ? NULL : r->session ? (void *)session_new(r->id) : (void *)execution_new(r->id);
	pthread_mutex_unlock(&fake.lock);
	if (!cancelled)
		r->fn(r->user, SCP_OK, result, NULL);
	return NULL;
}

static scp_status wait_new(
    scp_request **out, const char *id, bool session, uint32_t wait_ms, scp_done_fn *fn, void *user)
{
	scp_request *r = calloc(1, sizeof(*r));

	fake.live++;
	copy(r->id, sizeof(r->id), id);
	r->session = session;
	r->wait_ms = wait_ms;
	r->fn = fn;
	r->user = user;
	*out = r;
	return pthread_create(&r->thread, NULL, waiter, r) ? SCP_ENOMEM : SCP_OK;
}

scp_status scp_session_wait_async(
    scp_request **out, scp_plane *plane, const char *id, uint32_t wait_ms, scp_done_fn *fn, void *user, scp_error *err)
{
	(void)plane;
	(void)err;
	return wait_new(out, id, true, wait_ms, fn, user);
}

scp_status scp_execution_wait_async(
    scp_request **out, scp_plane *plane, const char *id, uint32_t wait_ms, scp_done_fn *fn, void *user, scp_error *err)
{
	(void)plane;
	(void)err;
	return wait_new(out, id, false, wait_ms, fn, user);
}

void scp_request_cancel(scp_request *request)
{
	if (!request)
		return;
	pthread_mutex_lock(&fake.lock);
	request->cancelled = true;
	pthread_cond_broadcast(&fake.changed);
	pthread_mutex_unlock(&fake.lock);
	pthread_join(request->thread, NULL);
	free(request);
	fake.live--;
}

/* ---- subscriptions: a thread each, too ---- */

struct scp_subscription {
	pthread_t thread;
	char id[64];
	bool paused, closed;
	uint64_t seq;
	scp_execution_event_fn *fn;
	void *user;
};

static bool may_go_on(scp_subscription *s, bool result)
{
	bool open;

	pthread_mutex_lock(&fake.lock);
	while (!s->closed && (s->paused || (result && strncmp(s->id, "exec_live", 9) == 0 && !fake.released)))
		pthread_cond_wait(&fake.changed, &fake.lock);
	open = !s->closed;
	pthread_mutex_unlock(&fake.lock);
	return open;
}

static void play_result(scp_subscription *s, uint64_t seq)
{
	scp_execution_event event = { .seq = seq, .kind = SCP_EVENT_RESULT };

	pthread_mutex_lock(&fake.lock);
	event.execution = execution_new("exec_done");
	pthread_mutex_unlock(&fake.lock);
	s->fn(s->user, &event);
	scp_execution_free((scp_execution *)(uintptr_t)event.execution);
}

static void *player(void *arg)
{
	scp_subscription *s = arg;
	char *text = malloc(fake.event_size + 32);

	for (uint64_t seq = s->seq + 1; seq <= fake.events && may_go_on(s, false); seq++) {
		scp_execution_event event = { .seq = seq, .kind = SCP_EVENT_STDOUT, .data = text };

		event.len = (size_t)sprintf(text, "%llu ", (unsigned long long)seq);
		if (event.len < fake.event_size)
			memset(text + event.len, 'x', fake.event_size - event.len);
		event.len = event.len < fake.event_size ? fake.event_size : event.len;
		s->fn(s->user, &event);
		pthread_mutex_lock(&fake.lock);
		fake.delivered++;
		pthread_mutex_unlock(&fake.lock);
	}
	if (may_go_on(s, true))
		play_result(s, fake.events + 1);
	free(text);
	return NULL;
}

scp_status scp_execution_subscribe(scp_subscription **out, scp_plane *plane, const char *id, uint64_t after,
    scp_execution_event_fn *fn, void *user, scp_error *err)
{
	scp_execution *e = NULL;
	scp_status rc = find_execution(&e, id, err);

	(void)plane;
	scp_execution_free(e);
	if (rc)
		return rc;
	*out = calloc(1, sizeof(**out));
	copy((*out)->id, sizeof((*out)->id), id);
	(*out)->seq = fake.after = after;
	(*out)->fn = fn;
	(*out)->user = user;
	fake.live++;
	fake.waiting++;
	return pthread_create(&(*out)->thread, NULL, player, *out) ? SCP_ENOMEM : SCP_OK;
}

static void set_paused(scp_subscription *s, bool paused)
{
	pthread_mutex_lock(&fake.lock);
	s->paused = paused;
	pthread_cond_broadcast(&fake.changed);
	pthread_mutex_unlock(&fake.lock);
}

void scp_subscription_pause(scp_subscription *subscription)
{
	set_paused(subscription, true);
}

void scp_subscription_resume(scp_subscription *subscription)
{
	set_paused(subscription, false);
}

void scp_subscription_close(scp_subscription *subscription)
{
	if (!subscription)
		return;
	pthread_mutex_lock(&fake.lock);
	subscription->closed = true;
	pthread_cond_broadcast(&fake.changed);
	pthread_mutex_unlock(&fake.lock);
	pthread_join(subscription->thread, NULL);
	free(subscription);
	fake.live--;
}

/* ---- templates ---- */

static const scp_warm_pool warm = { sizeof(warm), 1, 2, 3 };
static const scp_language languages[] = { SCP_PYTHON, SCP_SHELL };

scp_status scp_template_get(scp_template **out, scp_plane *plane, const char *id, scp_error *err)
{
	(void)plane;
	if (strcmp(id, "python-basic") != 0)
		return scp__fail_as(err, "TemplateNotFound", "Template '%s' does not exist", id);
	*out = calloc(1, sizeof(**out));
	**out = (scp_template){ .id = "python-basic",
		.name = "Python",
		.image = "host:",
		.languages = languages,
		.language_count = 2,
		.default_resources = &some,
		.default_timeout_s = 300,
		.read_only_root = true,
		.run_as_user = 1000,
		.seccomp = "default",
		.max_processes = 256,
		.warm_pool = &warm };
	return SCP_OK;
}

scp_status scp_template_list(scp_template_page **out, scp_plane *plane, const scp_template_query *query, scp_error *err)
{
	(void)plane;
	(void)query;
	(void)err;
	*out = calloc(1, sizeof(**out));
	return SCP_OK;
}

void scp_template_free(scp_template *tmpl)
{
	free(tmpl);
}

void scp_template_page_free(scp_template_page *page)
{
	free(page);
}

const char *scp_version(void)
{
	return "0.0.0";
}
