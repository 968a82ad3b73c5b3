#include "routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "languages/language.h"
#include "listen.h"
#include "request.h"
#include "run.h"

#define INFO_BYTES_MAX 1024u
#define LIST_BYTES_MAX (1u << 20)

struct call;
typedef void call_fn(struct executor *x, struct call *call, http_request *q);

/* What is known of a request until it is over. */
struct call {
	call_fn *run;
	struct client *client;
	scp__buf body;
	size_t taken; /* of the intake's bound */
	bool body_wanted;
	bool answered;
	char execution[EXECUTION_SIZE];
	uint32_t attempt;
};

static void reply_text(http_request *q, int status, const char *text)
{
	static const char *const headers[] = { "Content-Type: text/plain; charset=utf-8", NULL };
	char line[256];
	int len = snprintf(line, sizeof(line), "%s\n", text);

	http_reply(q, status, headers, line, (size_t)len);
}

static void reply_records(http_request *q, const scp__buf *records)
{
	static const char *const headers[] = { "Content-Type: application/octet-stream", NULL };

	if (records->status)
		reply_text(q, 503, "no memory");
	else
		http_reply(q, 200, headers, records->data ? records->data : "", records->len);
}

static void attach(struct call *call, http_request *q, struct run *run, uint64_t after)
{
	call->client = client_attach(run, q, after);
	if (call->client)
		run_wake(run);
	else
		reply_text(q, 503, "no memory");
}

static void post_run(struct executor *x, struct call *call, http_request *q)
{
	const char *why = NULL;
	struct run_request *request = request_parse(&call->body, &why);
	struct run *run;
	uint64_t after;
	int status = 0;

	if (!request) {
		reply_text(q, 400, why);
		return;
	}
	after = request->seq;
	run = run_find(x, request->execution, request->attempt);
	if (run) {
		request_free(request);
		attach(call, q, run, after);
	} else if (run_was_acked(x, request->execution, request->attempt)) {
		request_free(request);
		reply_text(q, 410, "the run's result was acknowledged");
	} else {
		run = run_submit(x, request, &status, &why);
		if (run)
			attach(call, q, run, after);
		else
			reply_text(q, status, why);
	}
}

static void get_run(struct executor *x, struct call *call, http_request *q)
{
	struct run *run = run_find(x, call->execution, call->attempt);
	scp__record r = { .name = "after" };
	char text[24];
	uint64_t after = 0;
	int got = http_query_get(http_query(q), "after", text, sizeof(text));

	r.data = text;
	r.len = got > 0 ? strlen(text) : 0;
	if (got < 0 || (got > 0 && !scp__record_uint(&r, UINT64_MAX, &after)))
		reply_text(q, 400, "after must be a decimal number");
	else if (!run)
		reply_text(q, 404, "no such run");
	else
		attach(call, q, run, after);
}

static void post_ack(struct executor *x, struct call *call, http_request *q)
{
	struct run *run = run_find(x, call->execution, call->attempt);

	if (run && !run_ack(run))
		reply_text(q, 409, "the run is not over");
	else
		http_reply(q, 204, NULL, NULL, 0);
}

static void post_cancel(struct executor *x, struct call *call, http_request *q)
{
	struct run *run = run_find(x, call->execution, call->attempt);

	if (!run) {
		reply_text(q, 404, "no such run");
		return;
	}
	run_cancel(run);
	reply_text(q, 202, "it ends");
}

static void get_runs(struct executor *x, struct call *call, http_request *q)
{
	scp__buf records;
	struct run *run;
	char text[EXECUTION_SIZE + 32];

	(void)call;
	scp__buf_init(&records, LIST_BYTES_MAX);
	TAILQ_FOREACH(run, &x->runs, next)
	{
		(void)snprintf(
		    text, sizeof(text), "%s %u %s", run->execution, (unsigned)run->attempt, run_state_name(run));
		(void)scp__record_put_text(&records, "run", text);
	}
	reply_records(q, &records);
	scp__buf_free(&records);
}

static void get_info(struct executor *x, struct call *call, http_request *q)
{
	scp__buf records;

	(void)call;
	scp__buf_init(&records, INFO_BYTES_MAX);
	(void)scp__record_put_text(&records, SCP__INFO_PROTOCOL, SCP__PROTOCOL_VERSION);
	for (unsigned i = 0; i < LANGUAGE_COUNT; i++)
		if (language_there((enum language)i))
			(void)scp__record_put_text(&records, SCP__INFO_LANGUAGE, language_name((enum language)i));
	(void)scp__record_put_text(&records, SCP__INFO_UID_MODE, x->settings.separate ? "separate" : "same-uid");
	(void)scp__record_put_uint(&records, SCP__INFO_RUNS, x->run_count);
	reply_records(q, &records);
	scp__buf_free(&records);
}

/* "{execution}/{attempt}" and what follows it, in *rest. */
static bool parse_key(const char *path, struct call *call, const char **rest)
{
	const char *slash = strchr(path, '/');
	scp__record r = { .name = "attempt" };
	uint64_t attempt;

	if (!slash || !request_execution_valid(path, (size_t)(slash - path)))
		return false;
	r.data = slash + 1;
	r.len = strcspn(slash + 1, "/");
	if (!scp__record_uint(&r, UINT32_MAX, &attempt))
		return false;
	memcpy(call->execution, path, (size_t)(slash - path));
	call->attempt = (uint32_t)attempt;
	*rest = slash + 1 + r.len;
	return true;
}

static call_fn *find_run_route(struct call *call, const char *method, const char *path)
{
	const char *rest = "";
	bool post = !strcmp(method, "POST");

	if (!parse_key(path, call, &rest))
		return NULL;
	if (!*rest && !strcmp(method, "GET"))
		return get_run;
	if (post && !strcmp(rest, "/ack"))
		return post_ack;
	return post && !strcmp(rest, "/cancel") ? post_cancel : NULL;
}

static call_fn *find_route(struct call *call, const char *method, const char *path)
{
	static const struct {
		const char *method;
		const char *path;
		call_fn *run;
	} routes[] = {
		{ "POST", "/v1/run", post_run },
		{ "GET", "/v1/runs", get_runs },
		{ "GET", "/v1/info", get_info },
	};

	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		if (!strcmp(path, routes[i].path) && !strcmp(method, routes[i].method))
			return routes[i].run;
	if (!strncmp(path, "/v1/runs/", 9))
		return find_run_route(call, method, path + 9);
	return NULL;
}

static void on_head(http_request *q, void *server_user)
{
	struct call *call = calloc(1, sizeof(*call));

	(void)server_user;
	if (!call) {
		reply_text(q, 503, "no memory");
		return;
	}
	http_set_user(q, call);
	call->run = find_route(call, http_method(q), http_path(q));
	call->body_wanted = call->run == post_run;
	scp__buf_init(&call->body, REQUEST_BYTES_MAX);
	http_limit_body(q, call->body_wanted ? REQUEST_BYTES_MAX : 0);
	if (!call->run) {
		call->answered = true;
		reply_text(q, 404, "no such route");
	}
}

static void on_body(http_request *q, const void *data, size_t len, void *server_user)
{
	struct executor *x = server_user;
	struct call *call = http_user(q);

	if (!call || call->answered || !call->body_wanted)
		return;
	if (x->intake_bytes + len > INTAKE_BYTES_MAX || scp__buf_append(&call->body, data, len)) {
		call->answered = true;
		reply_text(q, 503, "too many requests at once");
		return;
	}
	x->intake_bytes += len;
	call->taken += len;
}

static void on_end(http_request *q, void *server_user)
{
	struct executor *x = server_user;
	struct call *call = http_user(q);

	if (!call || call->answered)
		return;
	x->intake_bytes -= call->taken;
	call->taken = 0;
	call->answered = true;
	call->run(x, call, q);
}

static void on_close(http_request *q, void *server_user)
{
	struct executor *x = server_user;
	struct call *call = http_user(q);

	if (!call)
		return;
	client_gone(call->client);
	x->intake_bytes -= call->taken;
	scp__buf_free(&call->body);
	free(call);
}

/* Code in the sandbox has no business here, even if it came by a way in. */
static bool on_accept(int fd, void *server_user)
{
	const struct executor *x = server_user;

	return !x->first_process || listen_peer_allowed(fd, x->settings.separate);
}

const http_handler executor_routes = {
	.on_head = on_head,
	.on_body = on_body,
	.on_end = on_end,
	.on_close = on_close,
	.on_accept = on_accept,
};
