#include "client.h"

#include <stdlib.h>

#include "server.h"

#define SLICE_BYTES 65536u
#define WAITING_MAX (256u << 10)

struct client {
	LIST_ENTRY(client) next;
	struct executor *executor;
	struct run *run; /* NULL: it has had everything */
	struct http_request *q;
	size_t at;	   /* in the spool */
	size_t record_end; /* a heartbeat comes between records only */
	bool blocked;	   /* enough waits to be sent */
};

static void detach(struct client *c)
{
	if (!c->run)
		return;
	LIST_REMOVE(c, next);
	c->run = NULL;
}

/* Step to the next record. False: there is none now. */
static bool next_record(struct client *c)
{
	const struct spool *spool = &c->run->spool;
	scp__record record;
	size_t used = 0;

	if (c->at < c->record_end)
		return true;
	if (scp__record_next(spool->bytes + c->at, spool->len - c->at, &record, &used))
		return false;
	c->record_end = c->at + used;
	return true;
}

/* The client may be gone behind it. */
static void pump(struct client *c)
{
	struct http_request *q = c->q;

	while (!c->blocked && next_record(c)) {
		size_t n = c->record_end - c->at;

		n = n < SLICE_BYTES ? n : SLICE_BYTES;
		c->blocked = http_reply_write(q, c->run->spool.bytes + c->at, n) > WAITING_MAX;
		c->at += n;
	}
	if (c->at == c->run->spool.len && c->run->state == RUN_OVER) {
		detach(c);
		http_reply_end(q);
	}
}

static void on_drain(http_request *q, void *user)
{
	struct client *c = user;

	(void)q;
	c->blocked = false;
	if (c->run)
		pump(c);
}

static void arm_heartbeat(struct executor *x)
{
	struct timeval tv = { .tv_sec = HEARTBEAT_S };

	(void)event_add(x->heartbeat, &tv);
}

struct client *client_attach(struct run *run, struct http_request *q, uint64_t after)
{
	static const char *const headers[] = { "Content-Type: application/octet-stream", NULL };
	struct client *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->executor = run->executor;
	c->run = run;
	c->q = q;
	c->at = c->record_end = spool_find(&run->spool, after);
	LIST_INSERT_HEAD(&run->clients, c, next);
	if (!c->executor->clients++)
		arm_heartbeat(c->executor);
	http_on_drain(q, on_drain, c);
	http_reply_start(q, 200, headers, -1);
	return c;
}

void client_gone(struct client *client)
{
	if (!client)
		return;
	detach(client);
	if (!--client->executor->clients)
		(void)event_del(client->executor->heartbeat);
	free(client);
}

void client_wake_all(struct run *run)
{
	struct client *c = LIST_FIRST(&run->clients);

	while (c) {
		struct client *next = LIST_NEXT(c, next);

		pump(c);
		c = next;
	}
}

void client_drop_all(struct run *run)
{
	struct client *c;

	while ((c = LIST_FIRST(&run->clients))) {
		detach(c);
		http_reply_abort(c->q);
	}
}

static void heartbeat(struct client *c)
{
	char header[SCP__RECORD_HEADER_MAX];
	size_t len = scp__record_header(header, SCP__EVENT_HEARTBEAT, 0, 0);

	if (!c->blocked && c->at == c->record_end)
		c->blocked = http_reply_write(c->q, header, len) > WAITING_MAX;
}

void client_heartbeats(struct executor *x)
{
	struct client *c;
	struct run *run;

	TAILQ_FOREACH(run, &x->runs, next)
	LIST_FOREACH(c, &run->clients, next)
	heartbeat(c);
	if (x->clients)
		arm_heartbeat(x);
}
