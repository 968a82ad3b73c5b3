/* What the daemon asks of a request. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "internal.h"

struct http__joined {
	struct http__joined *next;
	const char *name; /* in the head's text */
	char value[];
};

const char *http_method(const http_request *q)
{
	return q->head.text + q->head.method;
}

const char *http_raw_path(const http_request *q)
{
	return q->head.text + q->head.path;
}

const char *http_path(const http_request *q)
{
	return q->head.decoded ? q->head.decoded : http_raw_path(q);
}

const char *http_query(const http_request *q)
{
	return q->head.text + q->head.query;
}

static bool is_named(const http_request *q, unsigned i, const char *name)
{
	return strcasecmp(q->head.text + q->head.fields[i].name, name) == 0;
}

static const char *field_value(const http_request *q, unsigned i)
{
	return q->head.text + q->head.fields[i].value;
}

/* The values from field `first` on, in one string that the request keeps. */
static const char *join(http_request *q, const char *name, unsigned first)
{
	struct http__joined *j;
	size_t size = 1;

	for (j = q->joined; j; j = j->next)
		if (strcasecmp(j->name, name) == 0)
			return j->value;
	for (unsigned i = first; i < q->head.field_count; i++)
		size += is_named(q, i, name) ? strlen(field_value(q, i)) + 2 : 0;
	j = malloc(sizeof(*j) + size);
	if (!j)
		return field_value(q, first);
	j->name = q->head.text + q->head.fields[first].name;
	j->next = q->joined;
	j->value[0] = '\0';
	for (unsigned i = first; i < q->head.field_count; i++) {
		if (!is_named(q, i, name))
			continue;
		if (i != first)
			strcat(j->value, ", ");
		strcat(j->value, field_value(q, i));
	}
	q->joined = j;
	return j->value;
}

const char *http_header(const http_request *q, const char *name)
{
	int first = -1;

	for (unsigned i = 0; i < q->head.field_count; i++) {
		if (!is_named(q, i, name))
			continue;
		if (first >= 0)
			return join((http_request *)(uintptr_t)q, name, (unsigned)first);
		first = (int)i;
	}
	return first < 0 ? NULL : field_value(q, (unsigned)first);
}

int64_t http_content_length(const http_request *q)
{
	return q->head.chunked ? -1 : (int64_t)q->head.length;
}

static void write_peer(char *out, size_t size, const struct sockaddr_storage *a)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)a;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)a;
	char text[INET6_ADDRSTRLEN] = "";

	if (a->ss_family == AF_INET && inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text)))
		(void)snprintf(out, size, "%s:%u", text, ntohs(v4->sin_port));
	else if (a->ss_family == AF_INET6 && inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text)))
		(void)snprintf(out, size, "[%s]:%u", text, ntohs(v6->sin6_port));
	else
		(void)snprintf(out, size, "unix");
}

const char *http_peer(const http_request *q)
{
	char *peer = (char *)(uintptr_t)q->peer;
	struct sockaddr_storage a = { 0 };
	socklen_t len = sizeof(a);

	/* asked of the kernel only where somebody wants to know */
	if (!*peer && q->conn) {
		(void)getpeername(bufferevent_getfd(q->conn->bev), (struct sockaddr *)&a, &len);
		write_peer(peer, sizeof(q->peer), &a);
	}
	return peer;
}

bool http_expects_continue(const http_request *q)
{
	return q->head.expects_continue;
}

void http_limit_body(http_request *q, uint64_t max_bytes)
{
	q->body_max = max_bytes;
}

int http_answer_status(const http_request *q)
{
	return q->status;
}

uint64_t http_answer_bytes(const http_request *q)
{
	return q->answer_bytes;
}

void http_set_common_headers(http_request *q, const char *const *lines)
{
	q->common = lines;
}

void http_set_user(http_request *q, void *user)
{
	q->user = user;
}

void *http_user(const http_request *q)
{
	return q->user;
}

void http_pause_body(http_request *q)
{
	q->paused = true;
}

void http_resume_body(http_request *q)
{
	if (!q->paused)
		return;
	q->paused = false;
	q->conn->fresh = true;
	http__conn_kick(q->conn);
}

void http__request_free(http_request *q)
{
	while (q->joined) {
		struct http__joined *j = q->joined;

		q->joined = j->next;
		free(j);
	}
	free(q->head.decoded);
	free(q);
}
