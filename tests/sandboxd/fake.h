/* A library of the test's own behind the daemon: what it is asked is remembered, what it answers can be set. */
#ifndef SCP_TESTS_SANDBOXD_FAKE_H
#define SCP_TESTS_SANDBOXD_FAKE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <sandboxcp/sandboxcp.h>

/*
 * Ids that mean something: "sess_ok…" is running, "sess_slow…" is creating until fake_release(); executions:
 * "exec_done…" is over, "exec_live…" runs until fake_release(), with "_big" behind it its output is long; anything else
 * isn't there. Files: "missing" isn't there, "big" is fake.file_size bytes of a pattern, "broken" fails in the middle,
 * "changing" is another file at each open.
 */
struct fake {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool released;
	scp_error error; /* what scp_session_create() and scp_session_list() fail with, if its status isn't SCP_OK */
	/* what was asked last */
	char last[256];
	char env[256];
	char code[256], event[256], input[256], key[256], request_id[80], actor[80];
	scp_session_spec session;
	scp_resources resources;
	scp_execution_spec execution;
	scp_session_query query;
	uint64_t after;
	unsigned events; /* how many stdout events an execution has */
	size_t event_size;
	unsigned delivered; /* of them, so far */
	bool hold_uploads;  /* take nothing until fake_release() */
	uint64_t uploaded;
	uint64_t file_size;
	unsigned opens;
	bool links;		  /* the storage can make links */
	const char *peer_url;	  /* of the process that has what is "elsewhere" */
	scp_health_status health; /* of the database; 0: healthy */
	bool hold_health;	  /* no probe answers until fake_release() */
	_Atomic unsigned probes;  /* how often health was asked for */
	_Atomic unsigned live;	  /* waits, subscriptions, transfers and snapshots that weren't freed */
	_Atomic unsigned waiting; /* waits and subscriptions that began */
};

extern struct fake fake;

/** What templates were made of (fake_operator.c). */
struct fake_operator {
	scp_template_spec spec; /* its numbers; the texts are below */
	scp_warm_pool pool;
	scp_resources resources;
	scp_container_query containers;
	scp_log_query log;
	scp_node_query nodes;
	char template_text[1024]; /* id|name|description|image|base_image|seccomp|key|languages|packages…|env… */
};

extern struct fake_operator fake_operator;

void fake_reset(void);
void fake_release(void);

/** The byte at `offset` of every file here. */
unsigned char fake_byte(uint64_t offset);

#endif
