#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "err.h"
#include "internal.h"
#include "storage.h"

enum { THREADS = 8, DOWN_MS = 3000 };

scp_status scp__mirror_open(scp__mirror **out, const scp__mirror_options *options, scp_error *err)
{
	scp__mirror *m = calloc(1, sizeof(*m));
	scp_status rc;

	*out = NULL;
	if (!m)
		return scp__nomem(err);
	m->db = options->db;
	m->storage = options->storage;
	m->home = options->home;
	m->log = options->log;
	pthread_mutex_init(&m->lock, NULL);
	pthread_cond_init(&m->opened, NULL);
	m->gates = scp__map_new();
	rc = m->gates ? scp__pool_new(&m->pool, "scp-copy", THREADS, UINT32_MAX, err) : scp__nomem(err);
	if (rc)
		scp__mirror_close(m);
	else
		*out = m;
	return rc;
}

void scp__mirror_stop(scp__mirror *m)
{
	if (m)
		atomic_store(&m->stopped, true);
}

void scp__mirror_close(scp__mirror *m)
{
	if (!m)
		return;
	scp__mirror_stop(m);
	scp__pool_free(m->pool);
	if (m->gates)
		scp__map_free(m->gates);
	pthread_cond_destroy(&m->opened);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

scp_status mirror_saw(scp__mirror *m, scp_status rc)
{
	if (rc == SCP_EUNAVAIL || rc == SCP_ETIMEDOUT)
		atomic_store(&m->down_mono_us, scp__mono_us() + DOWN_MS * INT64_C(1000));
	return rc;
}

bool scp__mirror_is_down(scp__mirror *m)
{
	return scp__mono_us() < atomic_load(&m->down_mono_us);
}

/* ---- gates ---- */

scp_status mirror_gate_enter(scp__mirror *m, const char *workspace_id, const char *path, char gate[MIRROR_KEY_SIZE])
{
	bool entered;

	mirror_key(gate, workspace_id, path);
	pthread_mutex_lock(&m->lock);
	while (scp__map_get(m->gates, gate))
		pthread_cond_wait(&m->opened, &m->lock);
	entered = scp__map_put(m->gates, gate, m);
	pthread_mutex_unlock(&m->lock);
	return entered ? SCP_OK : SCP_ENOMEM;
}

void mirror_gate_leave(scp__mirror *m, const char *gate)
{
	pthread_mutex_lock(&m->lock);
	scp__map_remove(m->gates, gate);
	pthread_cond_broadcast(&m->opened);
	pthread_mutex_unlock(&m->lock);
}
