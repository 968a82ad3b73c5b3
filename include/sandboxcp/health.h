/* What works on this machine: a live plane's health, and a check before there is one. */
#ifndef SANDBOXCP_HEALTH_H
#define SANDBOXCP_HEALTH_H

#include <sandboxcp/plane.h>

SCP_BEGIN_DECLS

typedef enum scp_health_status { SCP_HEALTHY = 1, SCP_DEGRADED, SCP_UNHEALTHY } scp_health_status;

/** One probe. */
typedef struct scp_probe {
	const char *name; /* "database", "storage", "runtime" */
	scp_health_status status;
	double latency_ms;
	const char *detail; /* what is used and why, or what is wrong */
	const char *hint;   /* what to do; NULL if nothing */
} scp_probe;

/** One limit and whether this machine enforces it. */
typedef struct scp_limit {
	const char *name;   /* "memory", "cpu", "processes", "disk", "network" */
	const char *state;  /* "enforced", "delayed" or "not enforced" */
	const char *detail; /* by what, or why not */
} scp_limit;

/** Freed whole by scp_health_free(). */
typedef struct scp_health {
	scp_health_status status;
	const char *version;
	double uptime_s;
	const scp_probe *const *probes;
	size_t probe_count;
	const scp_limit *const *limits;
	size_t limit_count;
} scp_health;

/** What `sandboxd --check` and `sandboxctl doctor` say. Freed whole by scp_check_free(). */
typedef struct scp_check {
	bool ok;
	const scp_probe *const *probes;
	size_t probe_count;
	const scp_limit *const *limits;
	size_t limit_count;
} scp_check;

/** "healthy", "degraded", "unhealthy". Static. */
SCP_API const char *scp_health_status_name(scp_health_status status);

/**
 * Probe every backend, at most `deadline_ms` in all (0: 2,000). A backend that doesn't answer in time is degraded.
 * @return SCP_OK, whatever the health; SCP_ENOMEM; SCP_ECLOSED. Any thread.
 */
SCP_API scp_status scp_plane_health(scp_health **out, scp_plane *plane, uint32_t deadline_ms, scp_error *err);

/**
 * Try everything that `options` name on this machine without opening a plane; changes nothing that lasts.
 * @return SCP_OK, whatever was found (look at `ok`); SCP_EINVAL an option is wrong. Blocks for seconds at most.
 */
SCP_API scp_status scp_plane_check(scp_check **out, const scp_plane_options *options, scp_error *err);

/**
 * What happened and how things stand, as Prometheus text (version 0.0.4): what this process counted since it opened the
 * plane, how many rows are alive (alike on every replica), and this process's own figures (process_…). Every label has
 * a fixed set of values. A database that doesn't answer within a second leaves out the rows, nothing else.
 *
 * @param prometheus_text  the caller's, free()
 * @return SCP_OK; SCP_EINVAL; SCP_ENOMEM; SCP_ECLOSED. Blocks for a second at most. Any thread. REST: GET /metrics.
 */
SCP_API scp_status scp_plane_metrics(char **prometheus_text, scp_plane *plane, scp_error *err);
/** As scp_plane_metrics(), at once: `fn` gets the text as `result`. */
SCP_API scp_status scp_plane_metrics_async(
    scp_request **out, scp_plane *plane, scp_done_fn *fn, void *user, scp_error *err);

SCP_API void scp_health_free(scp_health *health);
SCP_API void scp_check_free(scp_check *check);

SCP_END_DECLS

#endif
