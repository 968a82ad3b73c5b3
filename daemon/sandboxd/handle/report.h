/* What an executor tells, decoded. Everything lives as long as the request. */
#ifndef SCP_SANDBOXD_REPORT_H
#define SCP_SANDBOXD_REPORT_H

#include "handle.h"

scp_status decode_result_report(const struct request *q, scp_report *report, scp_error *err);
scp_status decode_status_report(
    const struct request *q, uint32_t *attempt, const char **status, int64_t *started_us, scp_error *err);
scp_status decode_heartbeat_report(const struct request *q, uint32_t *attempt, scp_error *err);
scp_status decode_artifacts_report(
    const struct request *q, uint32_t *attempt, const scp_artifact *const **list, size_t *count, scp_error *err);
/** `exited`: of container_exited, else of container_ready. */
scp_status decode_container_report(const struct request *q, bool exited, scp_container_report *report, scp_error *err);

/** RFC 3339: "2026-01-31T12:00:00.000Z", or with an offset. */
bool time_parse(const char *text, int64_t *time_us);

#endif
