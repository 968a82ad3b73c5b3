/* Looking at containers: one, all, what they use, what they said. */
#include "docker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"

#define LABELS_MAX 64
#define KILLED (128 + 9)
#define FRAME_HEAD 8

scp_status docker_look(docker *d, const char *name, docker_answer *out, scp_error *err)
{
	scp_error local = { 0 };
	scp_status rc;

	if (!docker_name_valid(name))
		return scp__fail_as(err, "ContainerNotFound", "no container %.64s", name);
	rc = docker_ask(d, out, &local, "GET", "/containers/%s/json", name);
	if (rc == SCP_ENOTFOUND)
		return scp__fail_as(err, "ContainerNotFound", "no container %.64s", name);
	if (rc) {
		scp__error_copy(err, &local);
		return rc;
	}
	if (strcmp(docker_text(scp__json_get(docker_dig(out->json, "Config", "Labels"), DOCKER_LABEL)), d->node_name) ==
	    0)
		return SCP_OK;
	docker_answer_free(out);
	return scp__fail(err, SCP_ECONFLICT, "the engine has a container %s that isn't this control plane's", name);
}

static bool is_set(const scp__json *v)
{
	return v && scp__json_bool(v);
}

bool docker_runs(const scp__json *container)
{
	return is_set(docker_dig(container, "State", "Running"));
}

int docker_pid(const scp__json *container)
{
	const scp__json *pid = docker_dig(container, "State", "Pid");

	return pid ? (int)scp__json_number(pid) : 0;
}

static int exit_code(const scp__json *container)
{
	const scp__json *code = docker_dig(container, "State", "ExitCode");

	return code ? (int)scp__json_number(code) : -1;
}

/* The engine says it of any process there; pid 1 itself, if it was killed and nobody else did it. */
bool docker_oom_killed(docker *d, const char *name, const scp__json *container)
{
	return is_set(docker_dig(container, "State", "OOMKilled")) && exit_code(container) == KILLED &&
	       docker_folder_marked_s(d, name, "stopping") < 0;
}

/* ---- one ---- */

static size_t copy_labels(const scp__json *container, scp_pair *pairs)
{
	const scp__json *labels = docker_dig(container, "Config", "Labels");
	size_t count = 0, size = labels ? scp__json_size(labels) : 0;

	for (size_t i = 0; i < size && count < LABELS_MAX; i++) {
		const scp__json *label = scp__json_at(labels, i);

		if (strcmp(scp__json_key(label), DOCKER_LABEL) != 0)
			pairs[count++] = (scp_pair){ scp__json_key(label), docker_text(label) };
	}
	return count;
}

static scp_container_status status_of(const scp__json *container, const char *name, docker *d)
{
	const char *status = docker_text(docker_dig(container, "State", "Status"));

	if (docker_runs(container))
		return SCP_CONTAINER_RUNNING;
	if (strcmp(status, "created") != 0)
		return SCP_CONTAINER_EXITED;
	/* It is being made, or whoever made it is gone. */
	return docker_lock_idle(d, name) ? SCP_CONTAINER_EXITED : SCP_CONTAINER_CREATING;
}

static scp_status describe(
    docker *d, const char *name, const scp__json *container, scp_runtime_info_fn *fn, void *user, scp_error *err)
{
	scp_pair labels[LABELS_MAX];
	scp_runtime_info info = { .name = name, .exit_code = -1, .labels = labels };

	info.status = status_of(container, name, d);
	info.created_us = docker_time_us(docker_text(scp__json_get(container, "Created")));
	info.started_us = docker_time_us(docker_text(docker_dig(container, "State", "StartedAt")));
	info.label_count = copy_labels(container, labels);
	info.host_pid = d->place.local ? docker_pid(container) : 0;
	if (info.status == SCP_CONTAINER_EXITED && info.started_us) {
		info.exit_code = exit_code(container);
		info.oom_killed = docker_oom_killed(d, name, container);
	}
	return fn(user, &info, err);
}

scp_status docker_inspect(scp_runtime *rt, const char *name, scp_runtime_info_fn *fn, void *user, scp_error *err)
{
	docker_answer a;
	scp_status rc = docker_look((docker *)rt, name, &a, err);

	if (rc)
		return rc;
	rc = describe((docker *)rt, name, a.json, fn, user, err);
	docker_answer_free(&a);
	return rc;
}

/* ---- all ---- */

static scp_status each_of(const scp__json *list, docker_each_fn *fn, void *user, scp_error *err)
{
	scp_status rc = SCP_OK;

	for (size_t i = 0; !rc && list && i < scp__json_size(list); i++) {
		const scp__json *one = scp__json_at(list, i), *names = scp__json_get(one, "Names");
		const char *name = names && scp__json_size(names) ? docker_text(scp__json_at(names, 0)) : "";

		if (*name == '/' && docker_name_valid(name + 1))
			rc = fn(user, docker_text(scp__json_get(one, "Id")), name + 1,
			    docker_text(scp__json_get(one, "State")), err);
	}
	return rc;
}

scp_status docker_each(docker *d, bool exited_only, docker_each_fn *fn, void *user, scp_error *err)
{
	char filters[160];
	docker_answer a;
	scp__buf query;
	scp_status rc;

	(void)snprintf(filters, sizeof(filters), "{\"label\":[\"" DOCKER_LABEL "=%s\"]%s}", d->node_name,
	    exited_only ? ",\"status\":[\"exited\",\"dead\"]" : "");
	scp__buf_init(&query, 1024);
	docker_escape(&query, filters);
	rc = query.status ? scp__nomem(err)
			  : docker_ask(d, &a, err, "GET", "/containers/json?all=1&filters=%s", query.data);
	scp__buf_free(&query);
	if (rc)
		return rc;
	rc = each_of(a.json, fn, user, err);
	docker_answer_free(&a);
	return rc;
}

struct listing {
	docker *d;
	scp_runtime_info_fn *fn;
	void *user;
};

/* The engine's list tells neither exit codes nor process ids. */
static scp_status list_one(void *user, const char *id, const char *name, const char *state, scp_error *err)
{
	struct listing *l = user;
	scp_error local = { 0 };
	scp_status rc;

	(void)id;
	(void)state;
	rc = docker_inspect(&l->d->base, name, l->fn, l->user, &local);
	if (rc == SCP_ENOTFOUND)
		return SCP_OK; /* removed meanwhile */
	if (rc)
		scp__error_copy(err, &local);
	return rc;
}

scp_status docker_list(scp_runtime *rt, scp_runtime_info_fn *fn, void *user, scp_error *err)
{
	struct listing l = { (docker *)rt, fn, user };

	return docker_each(l.d, false, list_one, &l, err);
}

/* ---- use and log ---- */

scp_status docker_stats(scp_runtime *rt, const char *name, scp_runtime_stats *out, scp_error *err)
{
	docker_answer a;
	scp_status rc = docker_look((docker *)rt, name, &a, err);

	memset(out, 0, sizeof(*out));
	if (rc)
		return rc;
	/* The engine's own stats say nothing of processes that the limit killed. */
	if (!docker_runs(a.json))
		out->oom_kills = is_set(docker_dig(a.json, "State", "OOMKilled"));
	else if (docker_cgroup_stats(docker_pid(a.json), out))
		rc = scp__fail(err, SCP_EUNAVAIL, "container %s: its cgroup can't be read", name);
	docker_answer_free(&a);
	return rc;
}

/* Frames of "stream, 0, 0, 0, length (big-endian)" and that many bytes become the bytes alone, in place. */
static size_t demultiplex(char *data, size_t len)
{
	size_t at = 0, to = 0;

	while (len - at >= FRAME_HEAD) {
		const unsigned char *head = (const unsigned char *)data + at;
		size_t size = (size_t)head[4] << 24 | (size_t)head[5] << 16 | (size_t)head[6] << 8 | head[7];

		at += FRAME_HEAD;
		if (size > len - at)
			size = len - at;
		memmove(data + to, data + at, size);
		at += size;
		to += size;
	}
	return to;
}

scp_status docker_logs(scp_runtime *rt, const char *name, uint32_t tail, char *out, size_t out_size, scp_error *err)
{
	docker *d = (docker *)rt;
	docker_answer a;
	scp_status rc;
	size_t len, from;

	if (!out_size)
		return scp__fail(err, SCP_EINVAL, "logs: no room for any");
	out[0] = '\0';
	rc = docker_look(d, name, &a, err);
	if (rc)
		return rc;
	docker_answer_free(&a);
	rc = docker_ask(d, &a, err, "GET", "/containers/%s/logs?stdout=1&stderr=1&tail=%u", name, tail);
	if (rc == SCP_ECONFLICT) /* it goes at this moment */
		return scp__fail(err, SCP_ENOTFOUND, "container %s is being removed", name);
	if (rc)
		return rc;
	len = a.body.len ? demultiplex(a.body.data, a.body.len) : 0;
	from = len > out_size - 1 ? len - (out_size - 1) : 0;
	if (len)
		memcpy(out, a.body.data + from, len - from);
	out[len - from] = '\0';
	docker_answer_free(&a);
	return SCP_OK;
}
