/* A runtime that only connects, and an executor that says what a test tells it to. */
#ifndef TESTS_LINK_FAKE_H
#define TESTS_LINK_FAKE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "link.h"

#define FAKE_REQUESTS 64
#define FAKE_THREADS 64

typedef struct fake fake;

/* Answers one request on fd; false: close the connection behind it. In a thread of the connection. */
typedef bool fake_answer_fn(fake *f, int fd, unsigned number);

struct fake {
	scp_runtime rt;
	scp_runtime_ops ops;
	int listen_fd;
	char path[64];
	fake_answer_fn *answer;
	const char *bytes; /* for fake_say() */
	size_t len;
	bool keep;
	atomic_uint connects;
	atomic_int refuse; /* connect() answers with this scp_status */
	atomic_bool stop;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	char *requests[FAKE_REQUESTS]; /* whole, the first ones */
	size_t request_lens[FAKE_REQUESTS];
	unsigned request_count;
	int fds[FAKE_THREADS];
	pthread_t threads[FAKE_THREADS];
	size_t thread_count;
	pthread_t acceptor;
	atomic_ulong sent;
	atomic_bool blocked; /* a writer found that nobody reads */
};

fake *fake_new(fake_answer_fn *answer);
void fake_free(fake *f);
/** Answers f->bytes, keeps the connection if f->keep. */
bool fake_say(fake *f, int fd, unsigned number);
bool fake_send(fake *f, int fd, const void *data, size_t len);
unsigned fake_requests(fake *f); /* how many came */
/** Waits until that many requests came. */
void fake_wait_requests(fake *f, unsigned count);

/* What a handler saw. */
typedef struct seen {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	char text[4096]; /* "name:seq:bytes;" of each record, as far as it fits */
	unsigned records;
	unsigned long bytes;
	unsigned ends;
	scp_status status;
	scp_error err;
	scp__link_stream *stream; /* for handlers that pause or close */
} seen;

extern const scp__link_handler seen_handler;
void seen_init(seen *s);
void seen_record(void *user, const scp__record *record);
void seen_end(void *user, scp_status status, const scp_error *err);
scp_status seen_wait(seen *s); /* until `end` */

#endif
