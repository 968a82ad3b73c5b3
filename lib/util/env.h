/* Checks that several rooms share: names of environment variables, and which of them look secret. */
#ifndef SCP_UTIL_ENV_H
#define SCP_UTIL_ENV_H

#include <stdbool.h>
#include <stddef.h>

#include <sandboxcp/plane.h>

bool scp__env_name_valid(const char *name);  /* [A-Za-z_][A-Za-z0-9_]* */
bool scp__env_name_secret(const char *name); /* *KEY*, *TOKEN*, *SECRET*, *PASSWORD*, whatever the case */

/** ≤ 64 names, ≤ 10 KiB in all, no twin. SCP_EINVAL names `field`. */
scp_status scp__env_check(const scp_pair *env, size_t count, const char *field, scp_error *err);

#endif
