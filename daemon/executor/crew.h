/* The executor's side of its supervisors: a few idle ones are kept, so that a run needn't wait for a fork. */
#ifndef EXECUTOR_CREW_H
#define EXECUTOR_CREW_H

#include <event2/event.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "supervisor/channel.h"
#include "supervisor/limits.h"

struct crew;

/** One supervisor. */
struct hand {
	TAILQ_ENTRY(hand) next;
	struct crew *crew;
	struct event *readable;
	struct share *share;
	void *job; /* whose it is; NULL: nobody's (idle, or ending what its last job left) */
	pid_t pid;
	int channel;
	bool busy;
	bool heavy; /* its share holds more than is worth keeping */
};

TAILQ_HEAD(hand_list, hand);

struct crew_calls {
	/** A report about a job: REPORT_STARTED, then REPORT_ENDED (or that alone); after it the hand is the job's no
	 * more. */
	void (*report)(void *job, const struct report *report);
	/** The supervisor died instead. */
	void (*lost)(void *job);
	/** A place is free. */
	void (*idle)(void *user);
};

struct crew {
	struct event_base *base;
	const struct settings *settings;
	struct crew_calls calls;
	void *user;
	unsigned max;
	unsigned count;
	unsigned idle_count;
	struct hand_list hands;
	struct event *spare; /* makes one more, off the way of a run */
	struct event *sweep; /* ends what a lost supervisor left to us */
	struct event *child;
	bool closing;
};

/** 0, or -1 with errno. `max`: jobs at once. */
int crew_init(struct crew *crew, struct event_base *base, const struct settings *settings, unsigned max,
    const struct crew_calls *calls, void *user);
/** Ends every supervisor, and with it its job. */
void crew_fini(struct crew *crew);

/** An idle supervisor, or a new one. NULL: all places are taken, or it can't be made now. It is the caller's until
 *  crew_start() or crew_give_back(). */
struct hand *crew_take(struct crew *crew);
void crew_give_back(struct hand *hand);
/** Start the job in hand->share->job (`large`: its text is). -1: the supervisor is gone, and the hand with it. The
 *  descriptors stay open. */
int crew_start(struct hand *hand, void *job, bool large, const int fds[JOB_FD_COUNT]);
/** COMMAND_TERM or COMMAND_KILL, to the hand's job. */
void crew_command(struct hand *hand, enum command command);
/** The supervisor itself hangs: end it. lost() comes later. */
void crew_kill(struct hand *hand);

#endif
