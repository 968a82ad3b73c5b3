/* Ending a container and taking it away. */
#include "docker.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "err.h"

#define KILL_LIMIT_MS 15000
#define ROUND_MS 20
#define SETTLE_LIMIT_US 3000000
#define CREATING_MAX_S 60 /* then nobody works at it any more */
#define REMOVE_LIMIT_US 20000000

static scp_status send_signal(docker *d, const char *name, const char *signal_name, scp_error *err)
{
	scp_error local = { 0 };
	scp_status rc = docker_ask(d, NULL, &local, "POST", "/containers/%s/kill?signal=%s", name, signal_name);

	/* It ended meanwhile. */
	if (rc == SCP_ECONFLICT || rc == SCP_ENOTFOUND)
		return SCP_OK;
	if (rc)
		scp__error_copy(err, &local);
	return rc;
}

/* A signal is asked for; what came of it is known when the engine says that it ended. */
static scp_status await_end(docker *d, const char *name, uint32_t limit_ms, scp_error *err)
{
	char path[DOCKER_PATH_SIZE];
	docker_call call = { .method = "POST", .path = path, .timeout_ms = limit_ms };
	docker_answer a;
	scp_status rc;

	(void)snprintf(path, sizeof(path), "/containers/%s/wait?condition=not-running", name);
	rc = docker_do(d, &call, &a, err);
	if (!rc)
		docker_answer_free(&a);
	return rc;
}

static scp_status end_it(docker *d, const char *name, uint32_t grace_ms, scp_error *err)
{
	scp_error local = { 0 };
	scp_status rc = SCP_ETIMEDOUT;

	if (grace_ms) {
		rc = send_signal(d, name, "SIGTERM", err);
		if (rc)
			return rc;
		rc = await_end(d, name, grace_ms, &local);
	}
	if (rc == SCP_ETIMEDOUT) {
		rc = send_signal(d, name, "SIGKILL", err);
		return rc ? rc : await_end(d, name, KILL_LIMIT_MS, err);
	}
	if (rc)
		scp__error_copy(err, &local);
	return rc;
}

scp_status docker_stop(scp_runtime *rt, const char *name, uint32_t grace_ms, scp_error *err)
{
	docker *d = (docker *)rt;
	docker_answer a;
	scp_error local = { 0 };
	scp_status rc = docker_look(d, name, &a, &local);
	bool runs, paused;

	if (rc == SCP_ENOTFOUND)
		return SCP_OK;
	if (rc) {
		scp__error_copy(err, &local);
		return rc;
	}
	runs = docker_runs(a.json);
	paused = strcmp(docker_text(docker_dig(a.json, "State", "Status")), "paused") == 0;
	docker_answer_free(&a);
	if (!runs)
		return SCP_OK;
	docker_folder_mark(d, name, "stopping");
	if (paused)
		(void)docker_resume(rt, name, NULL);
	return end_it(d, name, grace_ms, err);
}

static void nap_ms(long ms)
{
	struct timespec nap = { .tv_nsec = ms * 1000000L };

	(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
}

/* The engine goes on with a request whose sender is gone; until it is done the name is taken and nothing is there. */
scp_status docker_look_settled(docker *d, const char *name, docker_answer *out, scp_error *err)
{
	int64_t deadline_us = scp__mono_us() + SETTLE_LIMIT_US, age_s = docker_folder_marked_s(d, name, "creating");
	scp_error local = { 0 };
	scp_status rc = docker_look(d, name, out, &local);

	while (rc == SCP_ENOTFOUND && age_s >= 0 && age_s < CREATING_MAX_S && scp__mono_us() < deadline_us) {
		nap_ms(ROUND_MS);
		memset(&local, 0, sizeof(local));
		rc = docker_look(d, name, out, &local);
	}
	if (rc)
		scp__error_copy(err, &local);
	return rc;
}

/* Once it was looked at. While it is still being started, or removed by somebody else, the engine says 409. */
static scp_status send_remove(docker *d, const char *name, scp_error *err)
{
	int64_t deadline_us = scp__mono_us() + REMOVE_LIMIT_US;
	scp_error local = { 0 };
	scp_status rc;

	for (;;) {
		memset(&local, 0, sizeof(local));
		rc = docker_ask(d, NULL, &local, "DELETE", "/containers/%s?force=1&v=1", name);
		if (rc != SCP_ECONFLICT || scp__mono_us() > deadline_us)
			break;
		nap_ms(ROUND_MS);
	}
	if (rc == SCP_ENOTFOUND)
		return SCP_OK;
	if (rc)
		scp__error_copy(err, &local);
	return rc;
}

scp_status docker_remove_locked(docker *d, const char *name, scp_error *err)
{
	docker_answer a;
	scp_error local = { 0 };
	scp_status rc = docker_look_settled(d, name, &a, &local);

	if (!rc) {
		docker_watch_forget(d, docker_text(scp__json_get(a.json, "Id")));
		docker_answer_free(&a);
		rc = send_remove(d, name, &local);
	}
	if (rc && rc != SCP_ENOTFOUND) {
		scp__error_copy(err, &local);
		return rc;
	}
	docker_orphans_end(d, name);
	return docker_folder_remove(d, name, err);
}

scp_status docker_remove(scp_runtime *rt, const char *name, scp_error *err)
{
	docker *d = (docker *)rt;
	scp_status rc;
	int lock;

	if (!docker_name_valid(name))
		return SCP_OK;
	lock = docker_lock(d, name, err);
	if (lock < 0)
		return err ? scp__prefix(err, "remove") : SCP_EUNAVAIL;
	rc = docker_remove_locked(d, name, err);
	close(lock);
	return rc;
}

scp_status docker_pause(scp_runtime *rt, const char *name, scp_error *err)
{
	return docker_ask((docker *)rt, NULL, err, "POST", "/containers/%s/pause", name);
}

scp_status docker_resume(scp_runtime *rt, const char *name, scp_error *err)
{
	return docker_ask((docker *)rt, NULL, err, "POST", "/containers/%s/unpause", name);
}
