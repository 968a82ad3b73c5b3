/*
 * The library as the binding's tests need it: canned answers, call-backs from a thread of its own. Linked as
 * libsandboxcp would be; every function that the binding names is here.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sandboxcp/sandboxcp.h>

struct scp_plane {
	scp_plane_options options;
};

struct scp_subscription {
	pthread_t thread;
	scp_execution_event_fn *fn;
	void *user;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool paused;
	bool closed;
	unsigned count;
};

/* For the tests to look at. */
SCP_API atomic_int fake_open_subscriptions;
SCP_API atomic_int fake_sent;
SCP_API atomic_int fake_pauses;
SCP_API atomic_int fake_cancelled;
SCP_API atomic_int fake_snapshots;
SCP_API char fake_text[4096];

static const scp_pair pair = { "A_TOKEN", "***" };
static const scp_pair *const pairs[] = { &pair };
static const scp_resources resources = { sizeof(resources), 1500, 1u << 30, 2u << 30, 64 };
static const scp_error session_error = { SCP_ENOTSUP, 0, "NotSupported", "no such package", "install it" };
static const scp_metrics metrics = { 1.5, 0.5, 8.0, 1, 2, "cgroup" };
static const scp_artifact artifact = { "out.csv", 3, "text/csv", "artifact", "ab", 1000000 };
static const scp_artifact *const artifacts[] = { &artifact };

static scp_status fail(scp_error *err, scp_status status, const char *code, const char *message)
{
	if (err) {
		*err = (scp_error){ .status = status, .retry_after_ms = 1500, .hint = "a hint" };
		strcpy(err->code, code);
		strcpy(err->message, message);
	}
	return status;
}

static void *snapshot(const void *from, size_t size)
{
	void *copy = malloc(size);

	memcpy(copy, from, size);
	atomic_fetch_add(&fake_snapshots, 1);
	return copy;
}
#define SNAPSHOT(...)                                                                                                  \
	__extension__({                                                                                                \
		__auto_type value_ = __VA_ARGS__;                                                                      \
		snapshot(&value_, sizeof(value_));                                                                     \
	})

static void drop(void *p)
{
	if (p)
		atomic_fetch_sub(&fake_snapshots, 1);
	free(p);
}

const char *scp_version(void)
{
	return "0.1.0";
}

const char *scp_status_name(scp_status status)
{
	return status ? "?" : "SCP_OK";
}

static void *log_thread(void *arg)
{
	const scp_plane *p = arg;
	const scp_log_record r = { .struct_size = sizeof(r),
		.level = SCP_LOG_WARN,
		.time_us = 1000000,
		.component = "core",
		.message = "opened",
		.session_id = "sess_1",
		.field_count = 1,
		.fields = &pair };

	p->options.log(&r, p->options.log_user);
	return NULL;
}

scp_status scp_plane_open(scp_plane **out, const scp_plane_options *options, scp_error *err)
{
	pthread_t t;

	*out = NULL;
	if (options->struct_size != sizeof(*options))
		return fail(err, SCP_EINVAL, "InvalidParameter", "struct_size");
	if (options->state_dir && !strcmp(options->state_dir, "/nowhere"))
		return fail(err, SCP_EUNAVAIL, "BackendUnavailable", "no state");
	*out = calloc(1, sizeof(**out));
	(*out)->options = *options;
	if (options->runtime_url_count)
		strcpy(fake_text, options->runtime_urls[0]);
	if (options->log) {
		pthread_create(&t, NULL, log_thread, *out);
		pthread_join(t, NULL);
	}
	return SCP_OK;
}

scp_status scp_plane_migrate(const scp_plane_options *options, scp_error *err)
{
	return options->struct_size == sizeof(*options) ? SCP_OK
							: fail(err, SCP_EINVAL, "InvalidParameter", "struct_size");
}

void scp_plane_close(scp_plane *plane)
{
	free(plane);
}

scp_status scp_plane_metrics(char **prometheus_text, scp_plane *plane, scp_error *err)
{
	(void)plane;
	(void)err;
	*prometheus_text = strdup("sandboxcp_build_info{version=\"0.1.0\"} 1\n");
	return SCP_OK;
}

scp_status scp_plane_health(scp_health **out, scp_plane *plane, uint32_t deadline_ms, scp_error *err)
{
	static const scp_probe probe = { "database", SCP_HEALTHY, 0.5, "sqlite", NULL };
	static const scp_probe *const probes[] = { &probe };
	static const scp_limit limit = { "memory", "enforced", "cgroup" };
	static const scp_limit *const limits[] = { &limit };

	(void)plane;
	(void)deadline_ms;
	(void)err;
	*out = SNAPSHOT((scp_health){ SCP_DEGRADED, "0.1.0", 2.5, probes, 1, limits, 1 });
	return SCP_OK;
}

static scp_session session_of(const char *id, scp_session_status status)
{
	return (scp_session){ .id = strcmp(id, "sess_bad") ? "sess_1" : "sess_bad",
		.template_id = "python-basic",
		.status = status,
		.mode = SCP_PERSISTENT,
		.resources = &resources,
		.env = pairs,
		.env_count = 1,
		.created_us = 1500000,
		.error = status == SCP_SESSION_FAILED ? &session_error : NULL };
}

scp_status scp_session_create(scp_session **out, scp_plane *plane, const scp_session_spec *spec, scp_error *err)
{
	(void)plane;
	if (!strcmp(spec->template_id, "none"))
		return fail(err, SCP_ENOTFOUND, "TemplateNotFound", "no template none");
	if (spec->env_count)
		strcpy(fake_text, spec->env[0].value);
	*out = SNAPSHOT(session_of(strcmp(spec->template_id, "bad") ? "sess_1" : "sess_bad", SCP_SESSION_CREATING));
	return SCP_OK;
}

scp_status scp_session_get(scp_session **out, scp_plane *plane, const char *id, scp_error *err)
{
	(void)plane;
	if (strcmp(id, "sess_1"))
		return fail(err, SCP_ENOTFOUND, "SessionNotFound", "no such session");
	*out = SNAPSHOT(session_of(id, SCP_SESSION_RUNNING));
	return SCP_OK;
}

scp_status scp_session_wait(scp_session **out, scp_plane *plane, const char *id, uint32_t wait_ms, scp_error *err)
{
	(void)plane;
	(void)wait_ms;
	(void)err;
	*out = SNAPSHOT(session_of(id, strcmp(id, "sess_bad") ? SCP_SESSION_RUNNING : SCP_SESSION_FAILED));
	return SCP_OK;
}

/* 450 sessions in pages. */
scp_status scp_session_list(scp_session_page **out, scp_plane *plane, const scp_session_query *query, scp_error *err)
{
	static const scp_session *items[200];
	static scp_session one;
	static const char *const nexts[] = { "200", "400", NULL };
	uint64_t left = 450 - query->offset;

	(void)plane;
	(void)err;
	one = session_of("sess_1", SCP_SESSION_RUNNING);
	for (size_t i = 0; i < 200; i++)
		items[i] = &one;
	*out = SNAPSHOT(
	    (scp_session_page){ left < query->limit ? left : query->limit, items, 450, nexts[query->offset / 200] });
	return SCP_OK;
}

scp_status scp_session_keepalive(scp_session **out, scp_plane *plane, const char *id, uint32_t extend_s, scp_error *err)
{
	(void)extend_s;
	return scp_session_get(out, plane, id, err);
}

scp_status scp_session_terminate(scp_session **out, scp_plane *plane, const char *id, scp_error *err)
{
	(void)plane;
	(void)err;
	strcpy(fake_text, "terminated ");
	strcat(fake_text, id);
	*out = SNAPSHOT(session_of(id, SCP_SESSION_TERMINATED));
	return SCP_OK;
}

void scp_session_free(scp_session *session)
{
	drop(session);
}

void scp_session_page_free(scp_session_page *page)
{
	drop(page);
}

static scp_execution over(void)
{
	return (scp_execution){ .id = "exec_1",
		.session_id = "sess_1",
		.status = SCP_EXECUTION_COMPLETED,
		.language = SCP_PYTHON,
		.result = "success",
		.out = "a\0\xff",
		.out_len = 3,
		.out_bytes = 9,
		.out_truncated = true,
		.exit_code = -1,
		.signal = 9,
		.return_json = "{\"n\": [1, null]}",
		.metrics = &metrics,
		.artifacts = artifacts,
		.artifact_count = 1 };
}

scp_status scp_execute(
    scp_execution **out, scp_plane *plane, const char *id, const scp_execution_spec *spec, scp_error *err)
{
	(void)plane;
	(void)id;
	(void)err;
	snprintf(fake_text, sizeof(fake_text), "%.*s|%zu|%d|%u|%s|%zu|%.*s|%d", (int)spec->code_len, spec->code,
	    spec->code_len, (int)spec->language, spec->timeout_s, spec->event_json ? spec->event_json : "-",
	    spec->env_count, (int)spec->stdin_len, spec->stdin_data ? (const char *)spec->stdin_data : "",
	    spec->retries);
	*out = SNAPSHOT((scp_execution){ .id = "exec_1", .session_id = "sess_1", .status = SCP_EXECUTION_PENDING });
	return SCP_OK;
}

scp_status scp_execution_get(scp_execution **out, scp_plane *plane, const char *id, scp_error *err)
{
	(void)plane;
	(void)id;
	(void)err;
	*out = SNAPSHOT(over());
	return SCP_OK;
}

scp_status scp_execution_wait(scp_execution **out, scp_plane *plane, const char *id, uint32_t wait_ms, scp_error *err)
{
	if (strcmp(id, "exec_forever"))
		return scp_execution_get(out, plane, id, err);
	usleep(wait_ms * 1000);
	*out = SNAPSHOT((scp_execution){ .id = "exec_forever", .status = SCP_EXECUTION_RUNNING });
	return SCP_OK;
}

scp_status scp_execution_list(
    scp_execution_page **out, scp_plane *plane, const scp_execution_query *query, scp_error *err)
{
	(void)plane;
	(void)query;
	(void)err;
	*out = SNAPSHOT((scp_execution_page){ 0 });
	return SCP_OK;
}

scp_status scp_execution_cancel(scp_execution **out, scp_plane *plane, const char *id, scp_error *err)
{
	atomic_fetch_add(&fake_cancelled, 1);
	return scp_execution_get(out, plane, id, err);
}

void scp_execution_free(scp_execution *execution)
{
	drop(execution);
}

void scp_execution_page_free(scp_execution_page *page)
{
	drop(page);
}

static bool may_go_on(struct scp_subscription *s)
{
	bool closed;

	pthread_mutex_lock(&s->lock);
	while (s->paused && !s->closed)
		pthread_cond_wait(&s->changed, &s->lock);
	closed = s->closed;
	pthread_mutex_unlock(&s->lock);
	return !closed;
}

static void *say(void *arg)
{
	struct scp_subscription *s = arg;
	scp_execution e = over();

	for (unsigned i = 1; i <= s->count && may_go_on(s); i++) {
		scp_execution_event v = { .seq = i, .kind = SCP_EVENT_STDOUT, .data = "\xc3\xa9", .len = 2 };

		if (i == s->count)
			v = (scp_execution_event){ .seq = i, .kind = SCP_EVENT_RESULT, .execution = &e };
		atomic_fetch_add(&fake_sent, 1);
		s->fn(s->user, &v);
	}
	return NULL;
}

scp_status scp_execution_subscribe(scp_subscription **out, scp_plane *plane, const char *id, uint64_t after,
    scp_execution_event_fn *fn, void *user, scp_error *err)
{
	struct scp_subscription *s = calloc(1, sizeof(*s));

	(void)plane;
	(void)after;
	(void)err;
	s->fn = fn;
	s->user = user;
	s->count = strcmp(id, "exec_1") ? 1000000 : 3;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	atomic_fetch_add(&fake_open_subscriptions, 1);
	*out = s;
	pthread_create(&s->thread, NULL, say, s);
	return SCP_OK;
}

static void set(scp_subscription *s, bool *what, bool value)
{
	pthread_mutex_lock(&s->lock);
	*what = value;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

void scp_subscription_pause(scp_subscription *s)
{
	atomic_fetch_add(&fake_pauses, 1);
	set(s, &s->paused, true);
}

void scp_subscription_resume(scp_subscription *s)
{
	set(s, &s->paused, false);
}

void scp_subscription_close(scp_subscription *s)
{
	set(s, &s->closed, true);
	pthread_join(s->thread, NULL);
	atomic_fetch_sub(&fake_open_subscriptions, 1);
	free(s);
}

scp_status scp_template_get(scp_template **out, scp_plane *plane, const char *id, scp_error *err)
{
	static const scp_language languages[] = { SCP_PYTHON, SCP_SHELL };
	static const char *const packages[] = { "python3" };

	(void)plane;
	(void)id;
	(void)err;
	*out = SNAPSHOT((scp_template){ .id = "python-basic",
	    .name = "Python",
	    .image = "host:",
	    .languages = languages,
	    .language_count = 2,
	    .packages = packages,
	    .package_count = 1,
	    .default_resources = &resources });
	return SCP_OK;
}

scp_status scp_template_list(scp_template_page **out, scp_plane *plane, const scp_template_query *query, scp_error *err)
{
	(void)plane;
	(void)query;
	(void)err;
	*out = SNAPSHOT((scp_template_page){ 0 });
	return SCP_OK;
}

void scp_template_free(scp_template *tmpl)
{
	drop(tmpl);
}

void scp_template_page_free(scp_template_page *page)
{
	drop(page);
}

/* What operators do is noted in fake_text. */
static scp_status note_spec(const char *what, const char *id, const scp_template_spec *s)
{
	(void)snprintf(fake_text, sizeof(fake_text), "%s %s %s %s %u %u %d %d %u %u %d", what, id, s->name, s->image,
	    s->default_timeout_s, s->default_resources ? s->default_resources->cpu_millis : 0, (int)s->network,
	    (int)s->read_only_root, s->run_as_user, s->warm_pool ? s->warm_pool->max : 0, s->deprecated);
	for (size_t i = 0; i < s->language_count; i++)
		(void)snprintf(fake_text + strlen(fake_text), 20, " l%d", (int)s->languages[i]);
	for (size_t i = 0; i < s->package_count; i++)
		(void)snprintf(fake_text + strlen(fake_text), 20, " p:%s", s->packages[i]);
	for (size_t i = 0; i < s->env_count; i++)
		(void)snprintf(fake_text + strlen(fake_text), 20, " %s=%s", s->env[i].name, s->env[i].value);
	return SCP_OK;
}

scp_status scp_template_create(scp_template **out, scp_plane *plane, const scp_template_spec *spec, scp_error *err)
{
	note_spec("create", spec->id, spec);
	return scp_template_get(out, plane, spec->id, err);
}

scp_status scp_template_update(
    scp_template **out, scp_plane *plane, const char *id, const scp_template_spec *spec, scp_error *err)
{
	note_spec("update", id, spec);
	return scp_template_get(out, plane, id, err);
}

scp_status scp_template_delete(scp_plane *plane, const char *id, scp_error *err)
{
	(void)plane;
	(void)err;
	(void)snprintf(fake_text, sizeof(fake_text), "delete %s", id);
	return SCP_OK;
}

static const scp_usage usage = { 12.5, 1000, 3 };
static const scp_container one_container = { .id = "scp-1",
	.runtime_type = "oci",
	.status = SCP_CONTAINER_RUNNING,
	.session_id = "sess_a",
	.node = "n1",
	.usage = &usage,
	.created_us = 1000000,
	.uptime_s = 1.5,
	.exit_code = -1 };

scp_status scp_container_get(scp_container **out, scp_plane *plane, const char *id, scp_error *err)
{
	(void)plane;
	(void)id;
	(void)err;
	*out = SNAPSHOT(one_container);
	return SCP_OK;
}

scp_status scp_container_list(
    scp_container_page **out, scp_plane *plane, const scp_container_query *query, scp_error *err)
{
	static const scp_container *const items[] = { &one_container };

	(void)plane;
	(void)err;
	(void)snprintf(fake_text, sizeof(fake_text), "containers %d %s %s", (int)query->status,
	    query->runtime_type ? query->runtime_type : "-", query->session_id ? query->session_id : "-");
	*out = SNAPSHOT((scp_container_page){ 1, items, 1, NULL });
	return SCP_OK;
}

scp_status scp_container_logs(
    scp_container_log **out, scp_plane *plane, const char *id, const scp_log_query *query, scp_error *err)
{
	(void)plane;
	(void)err;
	(void)snprintf(fake_text, sizeof(fake_text), "logs %s %u %lld", id, query->tail, (long long)query->since_us);
	*out = SNAPSHOT((scp_container_log){ "a\nb\n", 4, 2 });
	return SCP_OK;
}

void scp_container_free(scp_container *container)
{
	drop(container);
}

void scp_container_page_free(scp_container_page *page)
{
	drop(page);
}

void scp_container_log_free(scp_container_log *log)
{
	drop(log);
}

static const scp_node_share share = { 2000, 4096, 5 };
static const char *const node_images[] = { "host:" };
static const scp_node one_node = { .id = "n1",
	.status = "draining",
	.capacity = &share,
	.allocated = &share,
	.cached_images = node_images,
	.cached_image_count = 1 };

scp_status scp_node_list(scp_node_page **out, scp_plane *plane, const scp_node_query *query, scp_error *err)
{
	static const scp_node *const items[] = { &one_node };

	(void)plane;
	(void)query;
	(void)err;
	*out = SNAPSHOT((scp_node_page){ 1, items, 1, NULL });
	return SCP_OK;
}

scp_status scp_node_drain(scp_node **out, scp_plane *plane, const char *id, bool drain, scp_error *err)
{
	(void)plane;
	(void)err;
	(void)snprintf(fake_text, sizeof(fake_text), "drain %s %d", id, drain);
	*out = SNAPSHOT(one_node);
	return SCP_OK;
}

scp_status scp_reach_get(scp_reach **out, scp_plane *plane, const char *id, scp_error *err)
{
	static const scp_reach there = { false, "n2", "ready", "http://127.0.0.1:8001" };

	(void)plane;
	(void)err;
	(void)snprintf(fake_text, sizeof(fake_text), "reach %s", id);
	*out = SNAPSHOT(there);
	return SCP_OK;
}

void scp_reach_free(scp_reach *reach)
{
	drop(reach);
}

void scp_node_free(scp_node *node)
{
	drop(node);
}

void scp_node_page_free(scp_node_page *page)
{
	drop(page);
}

static scp_status file_out(scp_file **out, uint64_t size)
{
	*out = SNAPSHOT((scp_file){ .path = "a", .size_bytes = size, .type = SCP_FILE, .sha256 = "ab" });
	return SCP_OK;
}

scp_status scp_file_put(
    scp_file **out, scp_plane *plane, const char *session_id, const char *path, scp_source *source, scp_error *err)
{
	char chunk[100];
	size_t len = 0;
	size_t total = 0;

	(void)plane;
	(void)session_id;
	(void)path;
	do {
		scp_status rc = source->fn(source->user, chunk, sizeof(chunk), &len, err);

		if (rc)
			return fail(err, rc, "InternalError", "the source stopped");
		if (total + len < sizeof(fake_text))
			memcpy(fake_text + total, chunk, len);
		total += len;
	} while (len);
	fake_text[total] = '\0';
	return file_out(out, total);
}

scp_status scp_file_put_bytes(scp_file **out, scp_plane *plane, const char *session_id, const char *path,
    const void *data, size_t len, scp_error *err)
{
	(void)plane;
	(void)session_id;
	(void)path;
	(void)err;
	memcpy(fake_text, data, len);
	fake_text[len] = '\0';
	return file_out(out, len);
}

scp_status scp_file_put_path(
    scp_file **out, scp_plane *plane, const char *session_id, const char *path, const char *local_path, scp_error *err)
{
	return scp_file_put_bytes(out, plane, session_id, path, local_path, strlen(local_path), err);
}

scp_status scp_file_get(
    scp_plane *plane, const char *session_id, const char *path, const scp_range *range, scp_sink *sink, scp_error *err)
{
	(void)plane;
	(void)session_id;
	(void)path;
	(void)range;
	for (int i = 0; i < 3; i++) {
		scp_status rc = sink->fn(sink->user, "a\0b", 3, err);

		if (rc)
			return fail(err, rc, "InternalError", "the sink stopped");
	}
	return SCP_OK;
}

scp_status scp_file_get_path(
    scp_plane *plane, const char *session_id, const char *path, const char *local_path, scp_error *err)
{
	(void)plane;
	(void)session_id;
	(void)path;
	(void)err;
	strcpy(fake_text, local_path);
	return SCP_OK;
}

scp_status scp_file_stat(scp_file **out, scp_plane *plane, const char *session_id, const char *path, scp_error *err)
{
	(void)plane;
	(void)session_id;
	(void)path;
	(void)err;
	return file_out(out, 7);
}

scp_status scp_file_list(
    scp_file_page **out, scp_plane *plane, const char *session_id, const scp_file_query *query, scp_error *err)
{
	(void)plane;
	(void)session_id;
	(void)query;
	(void)err;
	*out = SNAPSHOT((scp_file_page){ 0 });
	return SCP_OK;
}

scp_status scp_file_delete(scp_plane *plane, const char *session_id, const char *path, scp_error *err)
{
	(void)plane;
	(void)session_id;
	return strcmp(path, "gone") ? SCP_OK : fail(err, SCP_ENOTFOUND, "FileNotFound", "no such file");
}

void scp_file_free(scp_file *file)
{
	drop(file);
}

void scp_file_page_free(scp_file_page *page)
{
	drop(page);
}

void scp_health_free(scp_health *health)
{
	drop(health);
}
