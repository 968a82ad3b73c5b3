/*
 * A backend with a clock before it: a database, storage or runtime that hands every call on to another one, and counts
 * how long that took and whether it failed. It uses nothing of a backend but its port.
 */
#ifndef SCP_METER_METER_H
#define SCP_METER_METER_H

#include <sandboxcp/sys/database.h>
#include <sandboxcp/sys/runtime.h>
#include <sandboxcp/sys/storage.h>

#include "figures.h"

/* Put one before *backend: closing it closes both. On error nothing has changed. `f` must live longer. */

scp_status scp__meter_database(scp_database **db, scp__figures *f, scp_error *err);
scp_status scp__meter_storage(scp_storage **st, scp__figures *f, scp_error *err);
scp_status scp__meter_runtime(scp_runtime **rt, scp__figures *f, scp_error *err);

/* Take it away again: gives the backend behind it (or what was given, if it is no meter; NULL for NULL). */

scp_database *scp__unmeter_database(scp_database *db);
scp_storage *scp__unmeter_storage(scp_storage *st);
scp_runtime *scp__unmeter_runtime(scp_runtime *rt);

#endif
