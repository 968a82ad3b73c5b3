/* Private to the image files of the oci adapter. */
#ifndef SCP_RUNTIME_OCI_IMAGE_H
#define SCP_RUNTIME_OCI_IMAGE_H

#include "oci.h"

/** Unpack once, into state_dir/images/SHA256. */
scp_status scp__oci_tar_resolve(scp__oci *o, const char *path, scp__oci_image *out, scp_error *err);
/** Mount what of this host is shown below `root`, which has the mount points. */
scp_status scp__oci_host_mount(const char *root, scp_error *err);

#endif
