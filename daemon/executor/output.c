#include "output.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES 65536u
#define READS_A_TURN 4u
#define FINISH_BYTES_MAX (8u << 20) /* pipes hold 1 MiB at most; more is a survivor's that still writes */
#define SMALL_BYTES 4096u

/* All outputs share what they read into: they are one thread's, and nothing stays in it. */
static char scratch[READ_BYTES];

static void keep_result(struct output *o, const char *bytes, size_t len)
{
	size_t room = SPOOL_TAIL - o->kept;

	len = len < room ? len : room;
	memcpy(spool_tail(o->spool) + o->kept, bytes, len);
	o->kept += len;
}

static void keep_stream(struct output *o, const char *bytes, size_t len)
{
	size_t room = SCP__OUTPUT_MAX - o->kept;
	size_t before;

	len = len < room ? len : room;
	if (!len)
		return;
	before = o->spool->len;
	if (o->header_bytes + SCP__RECORD_HEADER_MAX > SPOOL_STREAM_HEADERS ||
	    !spool_event(o->spool, o->name, bytes, len)) {
		o->kept = SCP__OUTPUT_MAX; /* no room for a further header: what comes now is counted only */
		return;
	}
	o->header_bytes += o->spool->len - before - len;
	o->records++;
	o->kept += len;
	o->grew(o->user);
}

/* Returns bytes read; 0 if there is nothing now or any more (then it is closed). */
static size_t read_once(struct output *o)
{
	ssize_t n;

	do
		n = read(o->fd, scratch, sizeof(scratch));
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0) {
		output_close(o);
		return 0;
	}
	o->total += (uint64_t)n;
	if (o->name)
		keep_stream(o, scratch, (size_t)n);
	else
		keep_result(o, scratch, (size_t)n);
	return (size_t)n;
}

/* A record costs a header: who writes byte by byte for long waits for more to come together in the pipe. */
static long pause_usec(const struct output *o)
{
	if (!o->name || o->kept >= SCP__OUTPUT_MAX || o->records < 512)
		return 0;
	if (o->records < 2048)
		return 10000;
	return o->records < 4096 ? 100000 : 900000;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct output *o = arg;
	struct timeval tv = { 0 };
	size_t n = READ_BYTES;

	(void)fd;
	(void)what;
	for (unsigned i = 0; i < READS_A_TURN && n == READ_BYTES; i++)
		n = read_once(o);
	if (o->fd < 0 || n >= SMALL_BYTES)
		return;
	tv.tv_usec = pause_usec(o);
	if (tv.tv_usec && !event_add(o->pause, &tv))
		(void)event_del(o->readable);
}

static void on_pause(evutil_socket_t fd, short what, void *arg)
{
	struct output *o = arg;

	(void)fd;
	(void)what;
	if (o->fd >= 0)
		(void)event_add(o->readable, NULL);
}

int output_open(struct output *o, struct event_base *base, int fd)
{
	o->fd = fd;
	o->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, o);
	o->pause = evtimer_new(base, on_pause, o);
	if (!o->readable || !o->pause || event_add(o->readable, NULL)) {
		output_close(o);
		return -1;
	}
	return 0;
}

void output_finish(struct output *o)
{
	uint64_t limit = o->total + FINISH_BYTES_MAX;

	while (o->fd >= 0 && o->total < limit && read_once(o))
		;
	output_close(o);
}

void output_close(struct output *o)
{
	if (o->readable)
		event_free(o->readable);
	if (o->pause)
		event_free(o->pause);
	o->readable = o->pause = NULL;
	if (o->fd >= 0)
		close(o->fd);
	o->fd = -1;
}
