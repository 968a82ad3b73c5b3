#include "state.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#define S(state) (1u << SCP_SESSION_##state)
#define E(state) (1u << SCP_EXECUTION_##state)
#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static const struct {
	const char *name;
	uint32_t next;
	scp_execution_status ends; /* what becomes of its live executions */
} sessions[] = {
	[SCP_SESSION_CREATING] = { "creating", S(RUNNING) | S(FAILED) | S(TIMEOUT) | S(TERMINATED), 0 },
	[SCP_SESSION_RUNNING] = { "running", S(COMPLETED) | S(FAILED) | S(TIMEOUT) | S(TERMINATED), 0 },
	[SCP_SESSION_COMPLETED] = { "completed", 0, SCP_EXECUTION_CANCELLED },
	[SCP_SESSION_FAILED] = { "failed", 0, SCP_EXECUTION_FAILED },
	[SCP_SESSION_TIMEOUT] = { "timeout", 0, SCP_EXECUTION_TIMEOUT },
	[SCP_SESSION_TERMINATED] = { "terminated", 0, SCP_EXECUTION_CANCELLED },
};
static_assert(COUNT(sessions) == SCP_SESSION_TERMINATED + 1, "every session state has a row");

static const struct {
	const char *name;
	uint32_t next;
} executions[] = {
	[SCP_EXECUTION_PENDING] = { "pending",
	    E(PENDING) | E(RUNNING) | E(COMPLETED) | E(FAILED) | E(TIMEOUT) | E(CRASHED) | E(CANCELLED) },
	[SCP_EXECUTION_RUNNING] = { "running",
	    E(PENDING) | E(COMPLETED) | E(FAILED) | E(TIMEOUT) | E(CRASHED) | E(CANCELLED) },
	[SCP_EXECUTION_COMPLETED] = { "completed", 0 },
	[SCP_EXECUTION_FAILED] = { "failed", 0 },
	[SCP_EXECUTION_TIMEOUT] = { "timeout", 0 },
	[SCP_EXECUTION_CRASHED] = { "crashed", 0 },
	[SCP_EXECUTION_CANCELLED] = { "cancelled", 0 },
};
static_assert(COUNT(executions) == SCP_EXECUTION_CANCELLED + 1, "every execution state has a row");

static const char *const languages[] = {
	[SCP_PYTHON] = "python",
	[SCP_JAVASCRIPT] = "javascript",
	[SCP_SHELL] = "shell",
};

uint32_t scp__session_from(scp_session_status to)
{
	uint32_t from = 0;

	for (unsigned i = 1; i < COUNT(sessions); i++)
		if (sessions[i].next & 1u << to)
			from |= 1u << i;
	return from;
}

uint32_t scp__execution_from(scp_execution_status to)
{
	uint32_t from = 0;

	for (unsigned i = 1; i < COUNT(executions); i++)
		if (executions[i].next & 1u << to)
			from |= 1u << i;
	return from;
}

bool scp__session_over(scp_session_status status)
{
	return !sessions[status].next;
}

bool scp__execution_over(scp_execution_status status)
{
	return !executions[status].next;
}

scp_execution_status scp__execution_end_of(scp_session_status to)
{
	return sessions[to].ends;
}

const char *scp_session_status_name(scp_session_status status)
{
	return status >= 1 && (size_t)status < COUNT(sessions) ? sessions[status].name : "?";
}

const char *scp_execution_status_name(scp_execution_status status)
{
	return status >= 1 && (size_t)status < COUNT(executions) ? executions[status].name : "?";
}

const char *scp_language_name(scp_language language)
{
	return language >= 1 && (size_t)language < COUNT(languages) ? languages[language] : "?";
}

scp_session_status scp__session_status_parse(const char *name)
{
	for (unsigned i = 1; i < COUNT(sessions); i++)
		if (!strcmp(sessions[i].name, name))
			return (scp_session_status)i;
	return 0;
}

scp_execution_status scp__execution_status_parse(const char *name)
{
	for (unsigned i = 1; i < COUNT(executions); i++)
		if (!strcmp(executions[i].name, name))
			return (scp_execution_status)i;
	return 0;
}
