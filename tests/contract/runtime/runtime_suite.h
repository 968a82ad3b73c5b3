/*
 * The conformance suite of the runtime port: what sandboxcp/sys/runtime.h promises, as cases that know nothing of the
 * adapter. In the containers a guest plays the executor (tests/runtime/guest.c).
 */
#ifndef TEST_CONTRACT_RUNTIME_SUITE_H
#define TEST_CONTRACT_RUNTIME_SUITE_H

#include "../../runtime/fixture.h"
#include "../case.h"

/** The runtime out of reach, or back; false: that can't be done to it. NULL: likewise. */
extern bool (*runtime_away)(bool away);

/* What inspect() or list() said last, copied; `count` times. */
struct seen {
	unsigned count;
	char name[64];
	scp_container_status status;
	int pid, exit_code;
	bool oom_killed;
	int64_t created_us, started_us;
	char label[64], odd[16];
};
scp_runtime_info_fn see; /* `user`: a struct seen */
struct seen inspect(const char *name);
/** All of the node's. */
struct seen list_all(void);

/** All of the suite, into a runner of one's own. */
void add_runtime_suites(SRunner *runner);
Suite *runtime_conformance_suite(void);
Suite *runtime_manners_suite(void);

#endif
