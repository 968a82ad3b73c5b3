/* Each decoder of a request's body. The first byte says which; a refusal names what is wrong. */
#include <string.h>

#include "fuzz.h"
#include "report.h"

static scp_status decode_one(uint8_t which, const struct request *q, scp_error *err)
{
	scp_session_spec session = SCP_SESSION_SPEC_INIT;
	scp_execution_spec execution = SCP_EXECUTION_SPEC_INIT;
	scp_template_spec template = { .struct_size = sizeof(template) };
	scp_report report = { .struct_size = sizeof(report) };
	scp_container_report container = { .struct_size = sizeof(container) };
	const scp_artifact *const *artifacts = NULL;
	const char *status = NULL;
	uint32_t number = 0;
	int64_t time = 0;
	size_t count = 0;

	switch (which % 10) {
	case 0:
		return decode_session(q, &session, err);
	case 1:
		return decode_execution(q, &execution, err);
	case 2:
		return decode_template(q, &template, err);
	case 3:
		return decode_keepalive(q, &number, err);
	case 4:
		return decode_nothing(q, err);
	case 5:
		return decode_result_report(q, &report, err);
	case 6:
		return decode_status_report(q, &number, &status, &time, err);
	case 7:
		return decode_heartbeat_report(q, &number, err);
	case 8:
		return decode_artifacts_report(q, &number, &artifacts, &count, err);
	default:
		return decode_container_report(q, which & 0x80, &container, err);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct request q = { 0 };
	scp__json *json = NULL;
	scp_error err = { 0 };

	if (size && scp__json_parse(&json, (const char *)data + 1, size - 1, "body", NULL))
		return 0;
	q.json = json;
	q.arena = q.scratch = scp__arena_new();
	must(q.arena);
	if (decode_one(size ? data[0] : 0, &q, &err))
		must(err.status == SCP_EINVAL && err.message[0]);
	scp__arena_free(q.arena);
	scp__json_free(json);
	return 0;
}
