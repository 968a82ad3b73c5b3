/* A sandbox-executor of a test's own, and a small client for it. Everything fails the test that calls it. */
#ifndef TEST_EXECUTOR_BOX_H
#define TEST_EXECUTOR_BOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "protocol.h"

struct box {
	pid_t pid;
	char dir[64];
	char socket[96];
	char workspace[96];
};

/** Before all else, in main(): the executor's path. False: no folder for the boxes. */
bool boxes_init(const char *executor);
const char *boxes_executor(void);
/** Removes what failed tests left. */
void boxes_fini(void);

/** `args` are further ones, NULL-terminated; may be NULL. */
void box_start(struct box *box, const char *const *args);
void box_stop(struct box *box);
/** Without a warning. */
void box_kill(struct box *box);
/** As an ordinary user (if we are root): the executor and its code have one uid. */
void box_start_same_uid(struct box *box);
void box_write_file(const struct box *box, const char *path, const char *text);
bool box_has_file(const struct box *box, const char *path);

/** An answer that comes in pieces. */
struct stream {
	int fd;
	int status; /* of HTTP */
	bool chunked;
	bool ended;  /* completely */
	size_t left; /* of this chunk, or of the body */
	scp__buf raw;
	scp__buf body;
	size_t at; /* in the body: what has been taken */
};

void stream_open(
    struct stream *s, const struct box *box, const char *method, const char *target, const void *body, size_t len);
/** The next record. False: the answer is over. Its data is borrowed until the next call. */
bool stream_next(struct stream *s, scp__record *record);
void stream_close(struct stream *s);

/** One whole request; returns the status. */
int ask(const struct box *box, const char *method, const char *target);

struct spec {
	const char *execution;
	unsigned attempt;
	unsigned seq;
	const char *language;
	const char *code;
	size_t code_len;     /* 0: strlen */
	unsigned timeout_ms; /* 0: 30,000 */
	const char *event;
	const char *stdin_data;
	const char *env;
};

struct outcome {
	int http;
	bool started;
	bool over; /* a result came, and nothing behind it */
	uint64_t first_seq;
	uint64_t last_seq; /* they came without a gap */
	scp__buf out;
	scp__buf errors;
	scp__buf artifacts; /* "path size sha256\n" each */
	char status[32];
	int exit_code; /* -1: none */
	int signal;    /* -1: none */
	uint64_t out_bytes;
	uint64_t errors_bytes;
	uint64_t cpu_us;
	uint64_t duration_us;
	uint64_t peak_bytes;
	char error[SCP__ERROR_MAX + 1];
	scp__buf returned;
	bool has_return;
};

void run_open(struct stream *s, const struct box *box, const struct spec *spec);
/** Reads until the answer is over. */
void outcome_read(struct outcome *o, struct stream *s);
void outcome_free(struct outcome *o);
/** Reads until `started`. */
void await_started(struct stream *s);
/** Reads until stdout has brought `text`. */
void await_output(struct stream *s, const char *text);

/** Run to the end. */
void run(struct outcome *o, const struct box *box, const struct spec *spec);

/** Whether a process whose command line holds `word` is there, besides this one. */
bool process_with(const char *word);
/** Waits until there is none; false: there still is one after `ms`. */
bool process_with_goes(const char *word, unsigned ms);

#include <check.h>

Suite *results_suite(void);
Suite *lives_suite(void);
Suite *wire_suite(void);
Suite *start_suite(void);

#endif
