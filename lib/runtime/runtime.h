/* The runtime port: checks a backend's vtable, answers what a backend lacks with SCP_ENOTSUP. */
#ifndef SCP_RUNTIME_RUNTIME_H
#define SCP_RUNTIME_RUNTIME_H

#include "log.h"
#include <sandboxcp/sys/runtime.h>

scp_status scp__runtime_check(const scp_runtime *rt, scp_error *err); /* SCP_EINVAL names the missing operation */

const char *scp__runtime_type(scp_runtime *rt);
const char *scp__runtime_node_name(scp_runtime *rt);
int32_t scp__runtime_workspace_uid(scp_runtime *rt);
scp_status scp__runtime_image_prepare(
    scp_runtime *rt, const char *image, char *digest, size_t digest_size, scp_error *err);
/** Whether a sandbox can have a network there; SCP_ENOTSUP says why not. */
scp_status scp__runtime_network(scp_runtime *rt, scp_error *err);
/** *here: it needn't be fetched. */
scp_status scp__runtime_image_look(scp_runtime *rt, const char *image, bool *here, scp_error *err);
/** `fn` may be NULL. */
scp_status scp__runtime_image_fetch(
    scp_runtime *rt, const char *image, scp_runtime_progress_fn *fn, void *user, scp_error *err);
scp_status scp__runtime_run(scp_runtime *rt, const scp_runtime_spec *spec, scp_error *err);
scp_status scp__runtime_stop(scp_runtime *rt, const char *name, uint32_t grace_ms, scp_error *err);
scp_status scp__runtime_remove(scp_runtime *rt, const char *name, scp_error *err);
scp_status scp__runtime_inspect(scp_runtime *rt, const char *name, scp_runtime_info_fn *fn, void *user, scp_error *err);
scp_status scp__runtime_list(scp_runtime *rt, scp_runtime_info_fn *fn, void *user, scp_error *err);
scp_status scp__runtime_logs(
    scp_runtime *rt, const char *name, uint32_t tail, char *out, size_t out_size, scp_error *err);
scp_status scp__runtime_stats(scp_runtime *rt, const char *name, scp_runtime_stats *out, scp_error *err);
scp_status scp__runtime_connect(scp_runtime *rt, const char *name, int *fd, scp_error *err);
scp_status scp__runtime_next_event(scp_runtime *rt, scp_runtime_event *out, uint32_t timeout_ms, scp_error *err);
void scp__runtime_interrupt(scp_runtime *rt);
scp_status scp__runtime_capacity(scp_runtime *rt, scp_runtime_capacity *out, scp_error *err);
void scp__runtime_limits(scp_runtime *rt, const scp_runtime_limit **rows, size_t *count);
scp_status scp__runtime_health(scp_runtime *rt, uint32_t deadline_ms, char *detail, size_t detail_size, scp_error *err);
void scp__runtime_close(scp_runtime *rt); /* NULL is accepted */

/** What an adapter needs of the plane that it serves. Strings are copied. */
typedef struct scp__runtime_options {
	const char *state_dir;	      /* bundles and the like go below it; names the node together with the host */
	const char *allow_unenforced; /* as in scp_plane_options; NULL: none */
	scp__log log;
} scp__runtime_options;

/** Adapters: "oci:", "oci:runc", "oci:crun", "oci:/path/to/program". Probes the machine by running a container;
 *  SCP_ENOTSUP: no runtime program works here, or a limit can't be enforced and isn't allowed: message and hint say
 *  which and what to install or set. */
scp_status scp__oci_open(scp_runtime **out, const char *url, const scp__runtime_options *options, scp_error *err);
/** "docker:unix:///var/run/docker.sock", "docker:tcp://…": asks the engine what it is and can; SCP_EUNAVAIL: it doesn't
 *  answer; SCP_ENOTSUP: it is too old, rootless, on another machine, or can't keep a limit that isn't allowed. */
scp_status scp__docker_open(scp_runtime **out, const char *url, const scp__runtime_options *options, scp_error *err);
/** By the URL's scheme. SCP_EINVAL names the schemes there are. */
scp_status scp__runtime_open(scp_runtime **out, const char *url, const scp__runtime_options *options, scp_error *err);

#endif
