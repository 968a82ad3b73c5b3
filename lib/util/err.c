#include "err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* One table for the library, the daemon and the docs: code, status, HTTP status, what it is, what to do. */
static const scp_error_kind kinds[] = {
	{ "InvalidParameter", SCP_EINVAL, 400, "A parameter is invalid",
	    "Correct the named field and send the request again" },
	{ "UnsupportedMediaType", SCP_EINVAL, 415, "Unsupported media type",
	    "Send the Content-Type that the route takes" },
	{ "Unauthorized", SCP_EAUTH, 401, "Not authorized", "Send a valid token as Authorization: Bearer" },
	{ "SessionNotFound", SCP_ENOTFOUND, 404, "Session not found", "Check the session_id or create a new session" },
	{ "ExecutionNotFound", SCP_ENOTFOUND, 404, "Execution not found", "Check the execution_id" },
	{ "InvalidExecution", SCP_ENOTFOUND, 404, "No such execution or session",
	    "Stop reporting about it: it is unknown here, or the token is another session's" },
	{ "TemplateNotFound", SCP_ENOTFOUND, 404, "Template not found", "List the templates and use one of their ids" },
	{ "ContainerNotFound", SCP_ENOTFOUND, 404, "Container not found",
	    "List the containers and use one of their ids" },
	{ "FileNotFound", SCP_ENOTFOUND, 404, "File not found", "List the session's files and use one of their paths" },
	{ "NotFound", SCP_ENOTFOUND, 404, "Not found", "Check the address; /openapi.json lists every route" },
	{ "MethodNotAllowed", SCP_EINVAL, 405, "Method not allowed", "Use one of the methods in the Allow header" },
	{ "Conflict", SCP_ECONFLICT, 409, "Conflict", "Use another id, name or key" },
	{ "TemplateInUse", SCP_ECONFLICT, 409, "Template in use",
	    "Deprecate the template instead, or end its sessions first" },
	{ "StateConflict", SCP_ESTATE, 409, "Not possible in the present state",
	    "Look at the status and try again when it fits" },
	{ "SessionNotRunning", SCP_ESTATE, 409, "Session not running", "Create a new session" },
	{ "PayloadTooLarge", SCP_ETOOBIG, 413, "Payload too large", "Send less, or in several parts" },
	{ "TooManyRequests", SCP_EBUSY, 429, "Too many requests", "Wait as long as Retry-After says and try again" },
	{ "InternalError", SCP_EINTERNAL, 500, "Internal error", "Look for the request_id in the log and report it" },
	{ "NotSupported", SCP_ENOTSUP, 501, "Not supported", "Use a backend that supports it" },
	{ "NoCapacity", SCP_ECAPACITY, 503, "No capacity",
	    "End sessions that aren't needed, add a node, or try again later" },
	{ "BackendUnavailable", SCP_EUNAVAIL, 503, "A backend is unavailable",
	    "Try again; if it lasts, look at /api/v1/health" },
};

#define KIND_COUNT (sizeof(kinds) / sizeof(kinds[0]))

const scp_error_kind *scp_error_kind_at(size_t index)
{
	return index < KIND_COUNT ? &kinds[index] : NULL;
}

const scp_error_kind *scp_error_kind_get(const char *code)
{
	for (size_t i = 0; code && i < KIND_COUNT; i++)
		if (!strcmp(kinds[i].code, code))
			return &kinds[i];
	return scp_error_kind_get("InternalError");
}

/* The code that a status has where the place that fails names none. */
static const struct {
	const char *name;
	const char *code;
} statuses[] = {
	[SCP_OK] = { "SCP_OK", "InternalError" },
	[SCP_EINVAL] = { "SCP_EINVAL", "InvalidParameter" },
	[SCP_EAUTH] = { "SCP_EAUTH", "Unauthorized" },
	[SCP_ENOTFOUND] = { "SCP_ENOTFOUND", "NotFound" },
	[SCP_ECONFLICT] = { "SCP_ECONFLICT", "Conflict" },
	[SCP_ESTATE] = { "SCP_ESTATE", "StateConflict" },
	[SCP_ETOOBIG] = { "SCP_ETOOBIG", "PayloadTooLarge" },
	[SCP_EBUSY] = { "SCP_EBUSY", "TooManyRequests" },
	[SCP_EINTERNAL] = { "SCP_EINTERNAL", "InternalError" },
	[SCP_ENOMEM] = { "SCP_ENOMEM", "InternalError" },
	[SCP_EBACKEND] = { "SCP_EBACKEND", "InternalError" },
	[SCP_ENOTSUP] = { "SCP_ENOTSUP", "NotSupported" },
	[SCP_ECAPACITY] = { "SCP_ECAPACITY", "NoCapacity" },
	[SCP_EUNAVAIL] = { "SCP_EUNAVAIL", "BackendUnavailable" },
	[SCP_ECLOSED] = { "SCP_ECLOSED", "BackendUnavailable" },
	[SCP_ETIMEDOUT] = { "SCP_ETIMEDOUT", "BackendUnavailable" },
	[SCP_ECANCELED] = { "SCP_ECANCELED", "InternalError" },
	[SCP_EAGAIN] = { "SCP_EAGAIN", "BackendUnavailable" },
};

const char *scp_status_name(scp_status status)
{
	if ((size_t)status >= sizeof(statuses) / sizeof(statuses[0]))
		return "?";
	return statuses[status].name;
}

static scp_status vfail(scp_error *err, scp_status status, const char *code, const char *fmt, va_list ap)
{
	const scp_error_kind *kind = scp_error_kind_get(code);
	char message[sizeof(err->message)];

	if (!err)
		return status;
	/* First, for the arguments may quote the record's old message. */
	vsnprintf(message, sizeof(message), fmt, ap);
	memset(err, 0, sizeof(*err));
	err->status = status;
	snprintf(err->code, sizeof(err->code), "%s", kind->code);
	snprintf(err->message, sizeof(err->message), "%s", message);
	snprintf(err->hint, sizeof(err->hint), "%s", kind->solution);
	return status;
}

scp_status scp__fail(scp_error *err, scp_status status, const char *fmt, ...)
{
	va_list ap;

	if ((size_t)status >= sizeof(statuses) / sizeof(statuses[0]) || !status)
		status = SCP_EINTERNAL;
	va_start(ap, fmt);
	vfail(err, status, statuses[status].code, fmt, ap);
	va_end(ap);
	return status;
}

scp_status scp__fail_as(scp_error *err, const char *code, const char *fmt, ...)
{
	scp_status status = scp_error_kind_get(code)->status;
	va_list ap;

	va_start(ap, fmt);
	vfail(err, status, code, fmt, ap);
	va_end(ap);
	return status;
}

scp_status scp__nomem(scp_error *err)
{
	return scp__fail(err, SCP_ENOMEM, "out of memory");
}

static scp_status status_of_errno(int error_number)
{
	switch (error_number) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return SCP_ETOOBIG;
	case ENOENT:
		return SCP_ENOTFOUND;
	case ENOMEM:
		return SCP_ENOMEM;
	default:
		return SCP_EINTERNAL;
	}
}

scp_status scp__fail_errno(scp_error *err, int error_number, const char *fmt, ...)
{
	scp_status status = status_of_errno(error_number);
	char text[80];
	size_t len;
	va_list ap;

	va_start(ap, fmt);
	vfail(err, status, statuses[status].code, fmt, ap);
	va_end(ap);
	if (!err)
		return status;
	len = strlen(err->message);
	snprintf(err->message + len, sizeof(err->message) - len, ": %s", strerror_r(error_number, text, sizeof(text)));
	return status;
}

void scp__hint(scp_error *err, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return;
	va_start(ap, fmt);
	vsnprintf(err->hint, sizeof(err->hint), fmt, ap);
	va_end(ap);
}

scp_status scp__prefix(scp_error *err, const char *fmt, ...)
{
	char old[sizeof(err->message)];
	size_t len;
	va_list ap;

	if (!err)
		return SCP_EINTERNAL;
	memcpy(old, err->message, sizeof(old));
	va_start(ap, fmt);
	vsnprintf(err->message, sizeof(err->message), fmt, ap);
	va_end(ap);
	len = strlen(err->message);
	snprintf(err->message + len, sizeof(err->message) - len, ": %.*s", (int)(sizeof(old) - 1), old);
	return err->status;
}

void scp__retry_after(scp_error *err, uint32_t ms)
{
	if (err)
		err->retry_after_ms = ms;
}

void scp__error_copy(scp_error *to, const scp_error *from)
{
	if (to && from)
		*to = *from;
}
