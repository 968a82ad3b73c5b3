/*
 * Making a container: its folder, then create and start by its name. Whoever dies in between leaves what list() finds
 * and remove() takes away, or a folder that the next opening sweeps.
 */
#include "docker.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "err.h"

#define LISTEN_LIMIT_US 20000000
#define LISTEN_ROUND_MS 2
#define LOOK_EVERY 50 /* rounds */
#define LOG_TAIL 4

struct making {
	docker *d;
	const scp_runtime_spec *spec;
	char executor[PATH_MAX];
	char sock[DOCKER_PATH_SIZE];
	scp_error *err;
};

static scp_status check(const scp_runtime_spec *spec, scp_error *err)
{
	if (!spec->name || !docker_name_valid(spec->name))
		return scp__fail(err, SCP_EINVAL, "container name: at most %d of [a-z0-9-]", DOCKER_NAME_MAX);
	if (!spec->image || !spec->executor_path || !spec->resources)
		return scp__fail(
		    err, SCP_EINVAL, "container %s: image, executor and resources must be given", spec->name);
	return SCP_OK;
}

/* In a sandbox even uid 0 is one of "the others" of this file. */
static scp_status find_executor(struct making *m)
{
	struct stat st;

	if (!realpath(m->spec->executor_path, m->executor) || stat(m->executor, &st))
		return scp__fail(m->err, SCP_EINVAL, "there is no executor at %s", m->spec->executor_path);
	if (S_ISREG(st.st_mode) && (st.st_mode & 05) == 05)
		return SCP_OK;
	return scp__fail(
	    m->err, SCP_EINVAL, "the executor %s must be a program that everybody may run (chmod 755)", m->executor);
}

static scp_status no_size(const struct making *m)
{
	scp__fail(m->err, SCP_ENOTSUP,
	    "the docker runtime can't bound what is written to a writable root: the engine's "
	    "storage (%s) knows no size here",
	    m->d->engine_storage);
	scp__hint(m->err,
	    "Use a template with a read-only root (/tmp and /workspace are writable); or keep the engine's "
	    "data on XFS with pquota, or on btrfs; or --allow-unenforced disk");
	return SCP_ENOTSUP;
}

/* *sizeless: the engine can't give the root a size. */
static scp_status post_create(struct making *m, const scp__buf *body, bool *sizeless)
{
	char path[DOCKER_PATH_SIZE];
	docker_call call = { .method = "POST", .path = path, .body = body->data, .body_len = body->len };
	docker_answer a;
	scp_status rc;

	(void)snprintf(path, sizeof(path), "/containers/create?name=%s", m->spec->name);
	docker_folder_mark(m->d, m->spec->name, "creating");
	rc = docker_do(m->d, &call, &a, m->err);
	if (rc)
		return rc;
	docker_folder_unmark(m->d, m->spec->name, "creating");
	*sizeless = !m->spec->read_only_root && docker_creation_wants_no_size(&a);
	if (a.status >= 400 && !*sizeless)
		rc = docker_refused(&a, m->err);
	else if (a.status < 400)
		docker_folder_note(m->d, m->spec->name, DOCKER_STARTING, docker_text(scp__json_get(a.json, "Id")));
	docker_answer_free(&a);
	return rc;
}

static scp_status create_by(struct making *m, docker_creation *c)
{
	bool sizeless = false;
	scp__buf body;
	scp_status rc = docker_creation_write(m->d, c, &body, m->err);

	if (rc)
		return rc;
	rc = post_create(m, &body, &sizeless);
	scp__buf_free(&body);
	if (rc || !sizeless)
		return rc;
	if (c->unbounded || !(m->d->allowed & DOCKER_HAS_DISK))
		return no_size(m);
	c->unbounded = true;
	return create_by(m, c);
}

static scp_status create(struct making *m)
{
	docker_creation c = { .spec = m->spec, .executor = m->executor, .sock = m->sock };
	docker_answer image;
	scp_status rc = docker_image_look(m->d, m->spec->image, &image, m->err);

	if (rc)
		return rc;
	c.image = image.json;
	rc = find_executor(m);
	if (!rc)
		rc = docker_folder_make(m->d, m->spec->name, m->sock, m->err);
	if (!rc)
		rc = create_by(m, &c);
	docker_answer_free(&image);
	return rc;
}

/* ---- what was started ---- */

static scp_status check_limits(struct making *m, int pid)
{
	unsigned lacking = DOCKER_HAS_ALL & ~docker_cgroup_verify(pid, m->spec) & ~m->d->allowed;

	if (!lacking)
		return SCP_OK;
	return scp__fail(m->err, SCP_ENOTSUP, "the engine started %s without its limit of%s%s%s", m->spec->name,
	    lacking & DOCKER_HAS_MEMORY ? " memory" : "", lacking & DOCKER_HAS_CPU ? " cpu" : "",
	    lacking & DOCKER_HAS_PROCESSES ? " processes" : "");
}

/* What its log says, on one line. */
static scp_status ended(struct making *m)
{
	char text[400] = "";

	(void)docker_logs(&m->d->base, m->spec->name, LOG_TAIL, text, sizeof(text), NULL);
	for (char *at = text; *at; at++)
		if ((unsigned char)*at < ' ')
			*at = ' ';
	return scp__fail(m->err, SCP_EBACKEND, "the container ended at once: %s", text[0] ? text : "(it said nothing)");
}

static bool listens(struct making *m)
{
	int fd;

	if (docker_connect(&m->d->base, m->spec->name, &fd, NULL))
		return false;
	close(fd);
	return true;
}

static scp_status look_again(struct making *m, bool verify)
{
	docker_answer a;
	scp_status rc = docker_look(m->d, m->spec->name, &a, m->err);

	if (rc)
		return rc;
	if (!docker_runs(a.json))
		rc = ended(m);
	else if (verify)
		rc = check_limits(m, docker_pid(a.json));
	docker_answer_free(&a);
	return rc;
}

/* Started isn't listening yet, and who connects takes "nobody listens" for the end. */
static scp_status await_listening(struct making *m)
{
	struct timespec nap = { .tv_nsec = LISTEN_ROUND_MS * 1000000L };
	int64_t deadline_us = scp__mono_us() + LISTEN_LIMIT_US;
	scp_status rc = SCP_OK;

	for (unsigned round = 1; !rc && !listens(m); round++) {
		if (scp__mono_us() > deadline_us)
			return scp__fail(m->err, SCP_EUNAVAIL, "the executor in %s doesn't listen", m->spec->name);
		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
		if (round % LOOK_EVERY == 0)
			rc = look_again(m, false);
	}
	return rc;
}

static scp_status start(struct making *m)
{
	scp_error local = { 0 };
	scp_status rc = docker_ask(m->d, NULL, &local, "POST", "/containers/%s/start", m->spec->name);

	/* Its network, which a process that closed took away before this used it: the next try makes it anew. */
	if (rc == SCP_ENOTFOUND && m->spec->network)
		return scp__fail(m->err, SCP_EUNAVAIL, "container %s: its network went away", m->spec->name);
	if (rc)
		scp__error_copy(m->err, &local);
	return rc;
}

static scp_status make(struct making *m)
{
	scp_status rc = m->spec->network ? docker_network_need(m->d, m->err) : SCP_OK;

	if (!rc)
		rc = create(m);

	if (!rc)
		rc = start(m);
	if (!rc && m->spec->network)
		rc = docker_network_wall(m->d, m->spec->name, m->err);
	if (!rc)
		rc = look_again(m, true);
	if (!rc)
		rc = await_listening(m);
	if (!rc)
		docker_folder_unmark(m->d, m->spec->name, DOCKER_STARTING);
	return rc;
}

/* true: it runs already; what an earlier attempt left is removed */
static scp_status begin(struct making *m, bool *running)
{
	docker_answer a;
	scp_error local = { 0 };
	scp_status rc = docker_look_settled(m->d, m->spec->name, &a, &local);

	*running = false;
	if (rc == SCP_ENOTFOUND)
		return SCP_OK;
	if (rc) {
		scp__error_copy(m->err, &local);
		return rc;
	}
	*running = docker_runs(a.json);
	docker_answer_free(&a);
	/* Whoever started it may have died before there was a wall around it. */
	if (*running && m->spec->network)
		return docker_network_wall(m->d, m->spec->name, m->err);
	return *running ? SCP_OK : docker_remove_locked(m->d, m->spec->name, m->err);
}

scp_status docker_run(scp_runtime *rt, const scp_runtime_spec *spec, scp_error *err)
{
	struct making m = { .d = (docker *)rt, .spec = spec, .err = err };
	scp_status rc = check(spec, err);
	bool running = false;
	int lock;

	if (rc)
		return rc;
	lock = docker_lock(m.d, spec->name, err);
	if (lock < 0)
		return SCP_EUNAVAIL;
	rc = begin(&m, &running);
	if (!rc && !running) {
		rc = make(&m);
		if (rc)
			(void)docker_remove_locked(m.d, spec->name, NULL);
	}
	close(lock);
	return rc;
}
