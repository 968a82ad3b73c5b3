/* Private to the cgroup files of the oci adapter. */
#ifndef SCP_RUNTIME_OCI_CGROUP_H
#define SCP_RUNTIME_OCI_CGROUP_H

#include "oci.h"

#define SCP__CGROUP_DIR_SIZE 448
/* Where the user's systemd has our scopes; it is there in every login. */
#define SCP__CGROUP_USER_SLICE "app.slice"
/* What crun makes in a scope for the container, with the limits; systemd leaves it alone. */
#define SCP__CGROUP_USER_INNER "container"

/** The container's folder in the hierarchy of `controller`; false: there is no such controller here. */
bool scp__cgroup_dir(
    const scp__oci_cgroups *c, enum scp__oci_controller controller, const char *name, char out[SCP__CGROUP_DIR_SIZE]);
/** The first bytes of a control file, NUL-terminated; -1 with errno. */
ssize_t scp__cgroup_read(const char *dir, const char *file, char *out, size_t size);
int scp__cgroup_write(const char *dir, const char *file, const char *text);

#endif
