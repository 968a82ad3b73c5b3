/* What happens unasked. Two threads of its own (one for the clock's ticks, one for what may take long), and one for
 * each runtime that waits for containers to end. */
#ifndef SCP_UPKEEP_UPKEEP_H
#define SCP_UPKEEP_UPKEEP_H

#include "plane.h"

typedef struct scp__upkeep scp__upkeep;

/** Takes up what an earlier process left, then keeps going. With core->upkeep false only waits are ticked. */
scp_status scp__upkeep_start(scp__upkeep **out, scp__core *core, scp_error *err);
/** Ends and joins the threads. NULL is accepted. */
void scp__upkeep_stop(scp__upkeep *u);

/* The chores; each returns after one bounded round. */

/** Sessions that are too old or idle. */
void scp__reap(scp__core *core);
/** Runs: silence and deadlines; pending executions that are nobody's. */
void scp__adopt_due(scp__core *core);
/** Sessions that are over, and whose containers are left on nodes of this process. */
void scp__adopt_over(scp__core *core);
/** Nodes of others that are silent; sessions of those that are lost. */
void scp__look_for_lost(scp__core *core);
/** Nodes of this process that others took for lost are theirs again. `first`: look whether there are any. */
void scp__return_nodes(scp__core *core, bool first);
/** Disks here that are of no use any more, since the storage or another home has what was on them. */
void scp__sweep_disks(scp__core *core);
/** Leases of this process, and its nodes' signs of life. */
void scp__renew(scp__core *core);
/** Runtime against rows. `first`: the executions of a process that is dead become this one's. */
void scp__reconcile(scp__core *core, bool first);
/** Workspaces whose time is up, keys that expired. */
void scp__retain(scp__core *core);
/** Rows of what was over long ago, and the output that is in storage. */
void scp__forget(scp__core *core);

#endif
