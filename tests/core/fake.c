#include "fake.h"

#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "err.h"
#include "executor.h"

static struct timespec in_ms(int64_t ms)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += ms % 1000 * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	return t;
}

/* With the lock held: until somebody changes something. */
static void await_change(fake *f, const struct timespec *until)
{
	ck_assert_msg(!pthread_cond_clockwait(&f->changed, &f->lock, CLOCK_MONOTONIC, until), "nothing happens");
}

/* ---- containers; with the lock held ---- */

void container_cut(struct container *c)
{
	for (unsigned i = 0; i < c->connection_count; i++) {
		c->connections[i].open = false;
		(void)shutdown(c->connections[i].fd, SHUT_RDWR);
	}
	(void)pthread_cond_broadcast(&c->f->changed);
}

void container_end(struct container *c, bool oom, bool event)
{
	fake *f = c->f;

	if (!c->running)
		return;
	c->running = false;
	c->oom = oom;
	c->exit_code = 137;
	if (event) {
		(void)snprintf(f->events[f->event_count].name, 64, "%s", c->name);
		f->events[f->event_count++].oom = oom;
	}
	container_cut(c);
}

static struct container *container_find(fake *f, const char *name)
{
	for (unsigned i = 0; i < f->count; i++)
		if (f->containers[i]->listed && !strcmp(f->containers[i]->name, name))
			return f->containers[i];
	return NULL;
}

static struct container *container_add(fake *f, const char *name)
{
	struct container *c = calloc(1, sizeof(*c));

	ck_assert_uint_lt(f->count, CONTAINERS_MAX);
	c->f = f;
	(void)snprintf(c->name, sizeof(c->name), "%s", name);
	c->running = c->listed = true;
	c->exit_code = -1;
	f->containers[f->count++] = c;
	(void)pthread_cond_broadcast(&f->changed);
	return c;
}

/* ---- the operations ---- */

static fake *of(scp_runtime *rt)
{
	return (fake *)rt;
}

static const char *node_name(scp_runtime *rt)
{
	return of(rt)->node;
}

static int32_t workspace_uid(scp_runtime *rt)
{
	return of(rt)->owner;
}

static scp_status image_prepare(scp_runtime *rt, const char *image, char *digest, size_t size, scp_error *err)
{
	(void)rt;
	(void)image;
	(void)err;
	if (digest && size)
		digest[0] = 0;
	return SCP_OK;
}

static scp_status run(scp_runtime *rt, const scp_runtime_spec *spec, scp_error *err)
{
	fake *f = of(rt);
	scp_status rc = SCP_OK;

	(void)pthread_mutex_lock(&f->lock);
	f->held++;
	(void)pthread_cond_broadcast(&f->changed);
	while (f->hold)
		(void)pthread_cond_wait(&f->changed, &f->lock);
	f->held--;
	if (f->refuse_count) {
		f->refuse_count--;
		rc = scp__fail(err, f->refuse, "refused by the test");
	} else if (!container_find(f, spec->name)) {
		(void)container_add(f, spec->name);
		if (f->stillborn) {
			f->stillborn--;
			container_end(container_find(f, spec->name), false, true);
		}
	}
	(void)pthread_mutex_unlock(&f->lock);
	return rc;
}

static scp_status remove_container(scp_runtime *rt, const char *name, scp_error *err)
{
	fake *f = of(rt);
	struct container *c;

	(void)err;
	(void)pthread_mutex_lock(&f->lock);
	c = container_find(f, name);
	if (c) {
		container_end(c, false, false);
		c->listed = false;
		(void)pthread_cond_broadcast(&f->changed);
	}
	(void)pthread_mutex_unlock(&f->lock);
	return SCP_OK;
}

static scp_status stop(scp_runtime *rt, const char *name, uint32_t grace_ms, scp_error *err)
{
	(void)grace_ms;
	return remove_container(rt, name, err);
}

static scp_status tell(struct container *c, scp_runtime_info_fn *fn, void *user, scp_error *err)
{
	scp_runtime_info info = { .name = c->name, .exit_code = c->exit_code, .oom_killed = c->oom };

	info.status = c->running ? SCP_CONTAINER_RUNNING : SCP_CONTAINER_EXITED;
	return fn(user, &info, err);
}

static scp_status inspect(scp_runtime *rt, const char *name, scp_runtime_info_fn *fn, void *user, scp_error *err)
{
	fake *f = of(rt);
	struct container *c;
	scp_status rc;

	(void)pthread_mutex_lock(&f->lock);
	c = container_find(f, name);
	if (f->unreachable)
		rc = scp__fail(err, SCP_EUNAVAIL, "unreachable");
	else if (!c)
		rc = scp__fail(err, SCP_ENOTFOUND, "no container %s", name);
	else
		rc = tell(c, fn, user, err);
	(void)pthread_mutex_unlock(&f->lock);
	return rc;
}

static scp_status list(scp_runtime *rt, scp_runtime_info_fn *fn, void *user, scp_error *err)
{
	fake *f = of(rt);
	scp_status rc = SCP_OK;

	(void)pthread_mutex_lock(&f->lock);
	if (f->unreachable)
		rc = scp__fail(err, SCP_EUNAVAIL, "unreachable");
	for (unsigned i = 0; !rc && i < f->count; i++)
		if (f->containers[i]->listed)
			rc = tell(f->containers[i], fn, user, err);
	(void)pthread_mutex_unlock(&f->lock);
	return rc;
}

static scp_status stats(scp_runtime *rt, const char *name, scp_runtime_stats *out, scp_error *err)
{
	fake *f = of(rt);
	struct container *c;

	(void)pthread_mutex_lock(&f->lock);
	c = container_find(f, name);
	if (c)
		*out = (scp_runtime_stats){ .oom_kills = c->oom_kills };
	(void)pthread_mutex_unlock(&f->lock);
	return c ? SCP_OK : scp__fail(err, SCP_ENOTFOUND, "gone");
}

static int add_connection(struct container *c)
{
	struct connection *k = &c->connections[c->connection_count];
	int pair[2];

	ck_assert_uint_lt(c->connection_count, CONNECTIONS_MAX);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	*k = (struct connection){ .c = c, .fd = pair[1], .open = true };
	c->connection_count++;
	ck_assert_int_eq(pthread_create(&k->thread, NULL, executor_serve, k), 0);
	return pair[0];
}

static scp_status connect_to(scp_runtime *rt, const char *name, int *fd, scp_error *err)
{
	fake *f = of(rt);
	struct container *c;
	scp_status rc = SCP_OK;

	(void)pthread_mutex_lock(&f->lock);
	c = container_find(f, name);
	if (f->unreachable)
		rc = scp__fail(err, SCP_EUNAVAIL, "unreachable");
	else if (!c || !c->running)
		rc = scp__fail(err, SCP_ENOTFOUND, "nobody listens");
	else
		*fd = add_connection(c);
	(void)pthread_mutex_unlock(&f->lock);
	return rc;
}

static scp_status next_event(scp_runtime *rt, scp_runtime_event *out, uint32_t timeout_ms, scp_error *err)
{
	fake *f = of(rt);
	struct timespec until = in_ms(timeout_ms);
	scp_status rc = SCP_ETIMEDOUT;
	int e = 0;

	(void)pthread_mutex_lock(&f->lock);
	while (!f->interrupted && f->event_next == f->event_count && !e)
		e = pthread_cond_clockwait(&f->changed, &f->lock, CLOCK_MONOTONIC, &until);
	if (f->interrupted) {
		rc = SCP_ECLOSED;
	} else if (f->event_next < f->event_count) {
		*out = (scp_runtime_event){ .exit_code = 137, .oom_killed = f->events[f->event_next].oom };
		memcpy(out->name, f->events[f->event_next++].name, sizeof(out->name));
		rc = SCP_OK;
	}
	(void)pthread_mutex_unlock(&f->lock);
	return rc ? scp__fail(err, rc, "no event") : SCP_OK;
}

static void interrupt(scp_runtime *rt)
{
	fake *f = of(rt);

	(void)pthread_mutex_lock(&f->lock);
	f->interrupted = true;
	(void)pthread_cond_broadcast(&f->changed);
	(void)pthread_mutex_unlock(&f->lock);
}

static scp_status capacity(scp_runtime *rt, scp_runtime_capacity *out, scp_error *err)
{
	(void)rt;
	(void)err;
	*out = (scp_runtime_capacity){ 8000, UINT64_C(64) << 30, 100 };
	return SCP_OK;
}

static void limits(scp_runtime *rt, const scp_runtime_limit **rows, size_t *count)
{
	static const scp_runtime_limit all[] = { { "memory", "not enforced", "a fake" } };

	(void)rt;
	*rows = all;
	*count = 1;
}

static scp_status health(scp_runtime *rt, uint32_t deadline_ms, char *detail, size_t size, scp_error *err)
{
	fake *f = of(rt);
	bool bad;

	(void)deadline_ms;
	(void)pthread_mutex_lock(&f->lock);
	bad = f->unreachable;
	(void)pthread_mutex_unlock(&f->lock);
	(void)snprintf(detail, size, "a fake");
	return bad ? scp__fail(err, SCP_EUNAVAIL, "unreachable") : SCP_OK;
}

static void free_container(struct container *c)
{
	for (unsigned i = 0; i < c->connection_count; i++) {
		(void)pthread_join(c->connections[i].thread, NULL);
		(void)close(c->connections[i].fd);
	}
	for (unsigned i = 0; i < c->run_count; i++)
		scp__buf_free(&c->runs[i].events);
	free(c);
}

static void close_runtime(scp_runtime *rt)
{
	if (!of(rt)->keep)
		fake_free(of(rt));
}

fake *fake_new(void)
{
	fake *f = calloc(1, sizeof(*f));

	(void)pthread_mutex_init(&f->lock, NULL);
	(void)pthread_cond_init(&f->changed, NULL);
	f->ops = (scp_runtime_ops){ sizeof(f->ops), "fake", node_name, workspace_uid, image_prepare, run, stop,
		remove_container, inspect, list, NULL, stats, connect_to, next_event, interrupt, capacity, limits,
		health, NULL, NULL, close_runtime };
	f->rt.ops = &f->ops;
	f->owner = -1;
	f->node = "fake-node";
	return f;
}

void fake_name_node(fake *f, const char *name)
{
	f->node = name;
}

scp_runtime *fake_runtime(fake *f)
{
	f->interrupted = false;
	return &f->rt;
}

void fake_keep(fake *f)
{
	f->keep = true;
}

void fake_free(fake *f)
{
	if (!f)
		return;
	(void)pthread_mutex_lock(&f->lock);
	for (unsigned i = 0; i < f->count; i++)
		container_cut(f->containers[i]);
	(void)pthread_mutex_unlock(&f->lock);
	for (unsigned i = 0; i < f->count; i++)
		free_container(f->containers[i]);
	(void)pthread_cond_destroy(&f->changed);
	(void)pthread_mutex_destroy(&f->lock);
	free(f);
}

/* ---- what tests do ---- */

/* With the lock held: the last attempt. */
static struct run *last_run(fake *f, const char *execution_id, struct container **where)
{
	struct run *last = NULL;

	for (unsigned i = 0; i < f->count; i++)
		for (unsigned k = 0; k < f->containers[i]->run_count; k++) {
			struct run *r = &f->containers[i]->runs[k];

			if (strcmp(r->execution, execution_id) || (last && last->attempt > r->attempt))
				continue;
			last = r;
			if (where)
				*where = f->containers[i];
		}
	return last;
}

void fake_await_run(fake *f, const char *execution_id, unsigned attempt)
{
	struct timespec until = in_ms(AWAIT_MS);
	struct run *r;

	(void)pthread_mutex_lock(&f->lock);
	while (!(r = last_run(f, execution_id, NULL)) || r->attempt < attempt)
		await_change(f, &until);
	(void)pthread_mutex_unlock(&f->lock);
}

void fake_finish(fake *f, const char *execution_id)
{
	fake_await_run(f, execution_id, 0);
	(void)pthread_mutex_lock(&f->lock);
	script_finish(last_run(f, execution_id, NULL), "completed");
	(void)pthread_cond_broadcast(&f->changed);
	(void)pthread_mutex_unlock(&f->lock);
}

unsigned fake_runs(fake *f, const char *execution_id)
{
	unsigned n = 0;

	(void)pthread_mutex_lock(&f->lock);
	for (unsigned i = 0; i < f->count; i++)
		for (unsigned k = 0; k < f->containers[i]->run_count; k++)
			n += !strcmp(f->containers[i]->runs[k].execution, execution_id);
	(void)pthread_mutex_unlock(&f->lock);
	return n;
}

bool fake_acknowledged(fake *f, const char *execution_id)
{
	struct run *r;
	bool acked;

	(void)pthread_mutex_lock(&f->lock);
	r = last_run(f, execution_id, NULL);
	acked = r && r->acked;
	(void)pthread_mutex_unlock(&f->lock);
	return acked;
}

void fake_await_cancel(fake *f, const char *execution_id)
{
	struct timespec until = in_ms(AWAIT_MS);
	struct run *r;

	(void)pthread_mutex_lock(&f->lock);
	while (!(r = last_run(f, execution_id, NULL)) || !r->cancelled)
		await_change(f, &until);
	(void)pthread_mutex_unlock(&f->lock);
}

void fake_await_ack(fake *f, const char *execution_id)
{
	struct timespec until = in_ms(AWAIT_MS);
	struct run *r;

	(void)pthread_mutex_lock(&f->lock);
	while (!(r = last_run(f, execution_id, NULL)) || !r->acked)
		await_change(f, &until);
	(void)pthread_mutex_unlock(&f->lock);
}

void fake_kill(fake *f, const char *container_id, bool event)
{
	struct container *c;

	(void)pthread_mutex_lock(&f->lock);
	c = container_find(f, container_id);
	ck_assert_ptr_nonnull(c);
	container_end(c, false, event);
	(void)pthread_cond_broadcast(&f->changed);
	(void)pthread_mutex_unlock(&f->lock);
}

void fake_break(fake *f, const char *container_id)
{
	struct container *c;

	(void)pthread_mutex_lock(&f->lock);
	c = container_find(f, container_id);
	ck_assert_ptr_nonnull(c);
	container_cut(c);
	(void)pthread_mutex_unlock(&f->lock);
}

void fake_stray(fake *f)
{
	(void)pthread_mutex_lock(&f->lock);
	(void)container_add(f, "scp-aaaaaaaaaaaaaaaaaaaa");
	(void)pthread_mutex_unlock(&f->lock);
}

static unsigned listed(fake *f)
{
	unsigned n = 0;

	for (unsigned i = 0; i < f->count; i++)
		n += f->containers[i]->listed;
	return n;
}

unsigned fake_containers(fake *f)
{
	unsigned n;

	(void)pthread_mutex_lock(&f->lock);
	n = listed(f);
	(void)pthread_mutex_unlock(&f->lock);
	return n;
}

void fake_await_made(fake *f, unsigned count)
{
	struct timespec until = in_ms(AWAIT_MS);

	(void)pthread_mutex_lock(&f->lock);
	while (f->count < count)
		await_change(f, &until);
	(void)pthread_mutex_unlock(&f->lock);
}

void fake_await_containers(fake *f, unsigned count)
{
	struct timespec until = in_ms(AWAIT_MS);

	(void)pthread_mutex_lock(&f->lock);
	while (listed(f) != count)
		await_change(f, &until);
	(void)pthread_mutex_unlock(&f->lock);
}

static void set(fake *f, bool *flag, bool value)
{
	(void)pthread_mutex_lock(&f->lock);
	*flag = value;
	(void)pthread_cond_broadcast(&f->changed);
	(void)pthread_mutex_unlock(&f->lock);
}

void fake_unreachable(fake *f, bool is)
{
	set(f, &f->unreachable, is);
}

void fake_set_owner(fake *f, int32_t uid)
{
	f->owner = uid;
}

void fake_end_at_once(fake *f, unsigned count)
{
	(void)pthread_mutex_lock(&f->lock);
	f->stillborn = count;
	(void)pthread_mutex_unlock(&f->lock);
}

void fake_hold_run(fake *f, bool hold)
{
	set(f, &f->hold, hold);
}

void fake_await_held(fake *f)
{
	struct timespec until = in_ms(AWAIT_MS);

	(void)pthread_mutex_lock(&f->lock);
	while (!f->held)
		await_change(f, &until);
	(void)pthread_mutex_unlock(&f->lock);
}

void fake_refuse_run(fake *f, scp_status status, unsigned count)
{
	(void)pthread_mutex_lock(&f->lock);
	f->refuse = status;
	f->refuse_count = count;
	(void)pthread_mutex_unlock(&f->lock);
}
