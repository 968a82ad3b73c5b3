/* The link as its callers see it: open and close, start a run, attach to one. */
#include "link.h"

#include <stdlib.h>

#include "link_internal.h"

#define LINK_CONNECTORS 2u /* threads that connect for the loop; each waits for one runtime at a time */
#define LINK_CONNECT_QUEUE 4096u

void link_unref(scp__link *link)
{
	if (atomic_fetch_sub(&link->refs, 1) != 1)
		return;
	scp__map_free(link->kept);
	pthread_mutex_destroy(&link->lock);
	free(link->scratch);
	free(link);
}

static scp_status start_threads(scp__link *link, scp_error *err)
{
	scp_status rc;

	link->scratch = malloc(LINK_READ);
	link->kept = scp__map_new();
	if (!link->scratch || !link->kept)
		return scp__nomem(err);
	rc = scp__pool_new(&link->pool, "scp-connect", LINK_CONNECTORS, LINK_CONNECT_QUEUE, err);
	if (rc)
		return rc;
	rc = link_loop_start(link, err);
	if (rc)
		scp__pool_free(link->pool);
	return rc;
}

scp_status scp__link_new(scp__link **out, const scp__log *log, scp_error *err)
{
	scp__link *link = calloc(1, sizeof(*link));
	scp_status rc;

	*out = NULL;
	if (!link)
		return scp__nomem(err);
	atomic_init(&link->refs, 1);
	pthread_mutex_init(&link->lock, NULL);
	link->queue_end = &link->queue;
	link->answer_ms = LINK_ANSWER_MS;
	if (log)
		link->log = *log;
	rc = start_threads(link, err);
	if (rc)
		link_unref(link);
	else
		*out = link;
	return rc;
}

/* Connectors end first: what they still bring, the loop ends. */
void scp__link_free(scp__link *link)
{
	if (!link)
		return;
	pthread_mutex_lock(&link->lock);
	link->closing = true;
	pthread_mutex_unlock(&link->lock);
	scp__pool_free(link->pool);
	link_loop_stop(link);
	link_keep_sweep(link, INT64_MAX);
	link_unref(link);
}

static scp_status check_open(scp__link *link, scp_error *err)
{
	bool closing;

	pthread_mutex_lock(&link->lock);
	closing = link->closing;
	pthread_mutex_unlock(&link->lock);
	return closing ? scp__fail(err, SCP_ECLOSED, "the plane is closing") : SCP_OK;
}

/* The stream has its request: connect, and let the loop have it. On failure the stream is gone. */
static scp_status begin(scp__link_stream **out, scp__link_stream *s, scp_error *err)
{
	scp_status rc = check_open(s->link, err);

	if (!rc)
		rc = link_connect(s, err);
	if (rc) {
		link_stream_unref(s);
		return rc;
	}
	*out = s; /* before the first call-back, which may close it */
	link_loop_queue(s, LINK_START);
	return SCP_OK;
}

scp_status scp__link_run(scp__link *link, scp__link_stream **out, scp_runtime *rt, const char *container,
    const scp__link_run_request *request, const scp__link_handler *handler, void *user, scp_error *err)
{
	scp__link_stream *s;
	scp_status rc = link_stream_new(&s, link, rt, container, handler, user, err);

	*out = NULL;
	if (rc)
		return rc;
	rc = link_request_run(s, request, err);
	if (!rc)
		return begin(out, s, err);
	link_stream_unref(s);
	return rc;
}

scp_status scp__link_attach(scp__link *link, scp__link_stream **out, scp_runtime *rt, const char *container,
    const char *execution_id, uint32_t attempt, uint64_t after, const scp__link_handler *handler, void *user,
    scp_error *err)
{
	scp__link_stream *s;
	scp_status rc = link_stream_new(&s, link, rt, container, handler, user, err);

	*out = NULL;
	if (rc)
		return rc;
	rc = link_request_attach(s, execution_id, attempt, after, err);
	if (!rc)
		return begin(out, s, err);
	link_stream_unref(s);
	return rc;
}
