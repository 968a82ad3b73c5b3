/* Private to the cgroup files of the oci adapter. */
#ifndef SCP_RUNTIME_OCI_CGROUP_H
#define SCP_RUNTIME_OCI_CGROUP_H

#include "oci.h"

/** The container's folder in the hierarchy of `controller`; false: there is no such controller here. */
bool scp__cgroup_dir(const scp__oci_cgroups *c, enum scp__oci_controller controller, const char *name, char out[256]);
/** The first bytes of a control file, NUL-terminated; -1 with errno. */
ssize_t scp__cgroup_read(const char *dir, const char *file, char *out, size_t size);
int scp__cgroup_write(const char *dir, const char *file, const char *text);

#endif
