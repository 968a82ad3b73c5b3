/*
 * From any thread into the loop's: a queue and an eventfd, which is written only when the queue was empty, so that a
 * burst of results costs one system call.
 */
#ifndef SCP_SANDBOXD_POST_H
#define SCP_SANDBOXD_POST_H

#include <stdbool.h>
#include <sys/queue.h>

struct event_base;

typedef struct postbox postbox;

/** Embedded in what is posted. Zeroed is ready. */
typedef struct post {
	TAILQ_ENTRY(post) next;
	void (*fn)(struct post *post); /* runs in the loop's thread */
	bool queued;		       /* the postbox's */
} post;

postbox *postbox_new(struct event_base *base);
void postbox_put(postbox *box, post *p);    /* any thread; one that is queued already stays where it is */
void postbox_remove(postbox *box, post *p); /* the loop's thread: it won't run any more */
void postbox_run_all(postbox *box);	    /* the loop's thread, at the end: run until nothing is queued */
void postbox_free(postbox *box);

#endif
