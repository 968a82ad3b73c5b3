/* Private to the oci adapter's files that serve an ordinary user. */
#ifndef SCP_RUNTIME_OCI_USER_H
#define SCP_RUNTIME_OCI_USER_H

#include "oci.h"

#define SCP__OCI_USER_NAME 64
#define SCP__OCI_RUNTIME_DIR 80
#define SCP__OCI_PROGRAM_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/** This user's name, or its number. Returns `out`. */
const char *scp__oci_user_name(char out[SCP__OCI_USER_NAME]);
/** $XDG_RUNTIME_DIR, or where it should be. SCP_ENOTSUP: not there, or not this user's alone. */
scp_status scp__oci_user_runtime_dir(char out[SCP__OCI_RUNTIME_DIR], scp_error *err);
/** Everything but cgroups and ids; *run_root: where runtime files go. SCP_ENOTSUP: message and hint. */
scp_status scp__oci_user_check(char run_root[SCP__OCI_RUN_ROOT_SIZE], scp_error *err);

typedef struct scp__oci_user_env_vars {
	char runtime_dir[SCP__OCI_RUNTIME_DIR + 24];
	char bus[256];
	const char *list[4]; /* as scp__proc_options.env wants it; valid as long as the rest */
} scp__oci_user_env_vars;
/** The environment in which a program finds the user's systemd. */
scp_status scp__oci_user_env(scp__oci_user_env_vars *env, scp_error *err);

/** Fill `c` for an ordinary user: scopes of the user's own systemd; where there is none and every limit may be missing
 *  (`allowed`), no cgroups at all. SCP_ENOTSUP says what to install or set. */
scp_status scp__oci_cgroups_open_user(scp__oci_cgroups *c, const char *hash, unsigned allowed, scp_error *err);

#endif
