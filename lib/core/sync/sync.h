/*
 * Workspaces brought to a storage that is no folder: after each execution, now and then during long ones, at a
 * session's end, and again where the storage couldn't be reached. One at a time for a workspace, a few at once in all;
 * whoever asks meanwhile gets a round of their own behind it. Where the storage is a folder, everything is there
 * already.
 */
#ifndef SCP_CORE_SYNC_H
#define SCP_CORE_SYNC_H

#include "plane.h"

/** How long a result waits for its files; then it is shown, and they follow. */
enum { SCP__SYNC_PATIENCE_MS = 10000 };

/** Called once, from any library thread; SCP_OK: the storage has all that there was when it was asked for. */
typedef void scp__synced_fn(void *arg, scp_status rc);

/** `fn` may be NULL. A session that is over gives its disk back with it. Never blocks. */
void scp__sync_request(scp__core *core, const char *workspace_id, scp__synced_fn *fn, void *arg);
/** The same with an end to the patience: SCP_ETIMEDOUT then, and it goes on by itself. */
void scp__sync_within(scp__core *core, const char *workspace_id, uint32_t ms, scp__synced_fn *fn, void *arg);
/** Wait here. */
scp_status scp__sync_wait(scp__core *core, const char *workspace_id, uint32_t ms);

#endif
