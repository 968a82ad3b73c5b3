/* A storage of one's own: objects in this process's memory, with a bound. See sandboxcp-backends(7). */
#ifndef EXAMPLES_MEMORY_STORAGE_H
#define EXAMPLES_MEMORY_STORAGE_H

#include <sandboxcp/sys/storage.h>

/** *out: for scp_plane_options.storage; whoever keeps it ends it by its operation close. At most `max_bytes` are kept
 * in all objects together, those that are being written included. SCP_ENOMEM. */
scp_status memory_storage_open(scp_storage **out, uint64_t max_bytes, scp_error *err);

#endif
