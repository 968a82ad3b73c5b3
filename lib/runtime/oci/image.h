/* Private to the image files of the oci adapter. */
#ifndef SCP_RUNTIME_OCI_IMAGE_H
#define SCP_RUNTIME_OCI_IMAGE_H

#include "oci.h"

/** Unpack once, into state_dir/images/SHA256. */
scp_status scp__oci_tar_resolve(scp__oci *o, const char *path, scp__oci_image *out, scp_error *err);
/** Mount what of this host is shown below `root`, which has the mount points. */
scp_status scp__oci_host_mount(const char *root, scp_error *err);
/** The same as rows of config.json. */
scp_status scp__oci_host_show(scp__oci_binds *binds, scp_error *err);

/* Idempotent; 0, or -1 with errno. Modes are as said whatever the umask. */
int scp__oci_make_dir(int at, const char *name, mode_t mode);
int scp__oci_make_file(int at, const char *name, mode_t mode, const char *text);
/** The mount points that every image needs. */
int scp__oci_make_points(int root);

#endif
