#include "transfer.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "err.h"

#define HEAD_MAX (64 * 1024)
#define HEAD_LINES 256
#define STALL_S 30
#define SPILL_MAX (1024 * 1024) /* libcurl gives 64 KiB at a time */
#define RETRY_AFTER_MAX_S 30

/* A status that may be another one soon. */
static bool passing(int status)
{
	return status == 429 || status == 500 || status == 502 || status == 503 || status == 504;
}

/* Without the query, which may hold a signature, and without a password. */
static scp_status blame(struct transfer *t, scp_status status, const char *why)
{
	const char *host = strstr(t->request->url, "://"), *at;
	size_t len;

	host = host ? host + 3 : t->request->url;
	len = strcspn(host, "/?#");
	at = memrchr(host, '@', len);
	if (at) {
		len -= (size_t)(at + 1 - host);
		host = at + 1;
	}
	if (t->unix_socket)
		return scp__fail(&t->err, status, "%s %s: %s", t->request->method, t->unix_socket, why);
	return scp__fail(&t->err, status, "%s %.*s: %s", t->request->method, (int)(len < 128 ? len : 128), host, why);
}

/*
 * libcurl repeats a request by itself where a kept connection turns out to be closed, whatever the method is. It comes
 * by here each time, before the first byte is sent.
 */
static int before_send(void *user, char *ip, char *local_ip, int port, int local_port)
{
	struct transfer *t = user;

	(void)ip, (void)local_ip, (void)port, (void)local_port;
	t->sends++;
	return t->sends > (t->request->idempotent ? 2u : 1u) ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static size_t give_body(char *data, size_t size, size_t count, void *user)
{
	struct transfer *t = user;
	size_t len = 0;

	t->refused = t->request->source(t->request->source_user, data, size * count, &len, &t->err);
	return t->refused ? CURL_READFUNC_ABORT : len;
}

/* "Name: value" lines, cut at their ends, become an array; the strings are the buffer's. */
static void split_head(scp__buf *head, const char *lines[HEAD_LINES + 1])
{
	size_t count = 0;
	char *line, *next;

	for (line = head->data; line && *line && count < HEAD_LINES; line = next) {
		next = strchr(line, '\n');
		*next++ = '\0';
		lines[count++] = line;
	}
	lines[count] = NULL;
}

static void note_retry_after(struct transfer *t, const char *const *lines)
{
	const char *value = scp__http_header(lines, "Retry-After");
	unsigned long seconds = value ? strtoul(value, NULL, 10) : 0;

	t->retry_after_ms = 1000u * (uint32_t)(seconds < RETRY_AFTER_MAX_S ? seconds : RETRY_AFTER_MAX_S);
}

/* Otherwise this answer is the one to deliver. */
static bool time_for_another(const struct transfer *t)
{
	return !t->deadline_us || scp__mono_us() + (int64_t)t->retry_after_ms * 1000 < t->deadline_us;
}

static scp_status end_of_head(struct transfer *t)
{
	const char *lines[HEAD_LINES + 1];
	long status = 0;

	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status < 200) /* 100 Continue and the like: the answer is still to come */
		return SCP_OK;
	t->head_done = true;
	t->status = (int)status;
	split_head(&t->head, lines);
	note_retry_after(t, lines);
	t->again = !t->last && passing(t->status) && time_for_another(t);
	if (t->again)
		return SCP_OK;
	t->delivered = true;
	return t->request->on_head ? t->request->on_head(t->request->user, t->status, lines, &t->err) : SCP_OK;
}

/* One line of a head; also of those that come before the final one, and of a trailer. */
static scp_status take_line(struct transfer *t, const char *line, size_t len)
{
	while (len && (line[len - 1] == '\n' || line[len - 1] == '\r'))
		len--;
	if (t->head_done)
		return SCP_OK;
	if (!len)
		return end_of_head(t);
	if (len >= 5 && !memcmp(line, "HTTP/", 5)) {
		scp__buf_clear(&t->head);
		t->lines = 0;
		return SCP_OK;
	}
	if (memchr(line, '\0', len) || memchr(line, '\n', len))
		return blame(t, SCP_EBACKEND, "a malformed header");
	scp__buf_append(&t->head, line, len);
	if (scp__buf_append(&t->head, "\n", 1) || ++t->lines > HEAD_LINES)
		return blame(t, SCP_EBACKEND, "the headers are too large");
	return SCP_OK;
}

static size_t take_header(char *data, size_t size, size_t count, void *user)
{
	struct transfer *t = user;

	t->refused = take_line(t, data, size * count);
	return t->refused ? 0 : size * count;
}

/* As much as is wanted; what is left of this piece waits in the buffer, and all further ones in libcurl. */
static size_t take_pulled(struct transfer *t, const char *data, size_t len)
{
	size_t n;

	if (t->again)
		return len;
	if (!t->to || t->spill.len) {
		t->paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	n = len < t->room - t->got ? len : t->room - t->got;
	memcpy(t->to + t->got, data, n);
	t->got += n;
	if (n < len && scp__buf_append(&t->spill, data + n, len - n))
		t->refused = scp__nomem(&t->err);
	return t->refused ? 0 : len;
}

static size_t take_body(char *data, size_t size, size_t count, void *user)
{
	struct transfer *t = user;

	if (t->pulled)
		return take_pulled(t, data, size * count);
	if (!t->again && t->request->on_body)
		t->refused = t->request->on_body(t->request->user, data, size * count, &t->err);
	return t->refused ? 0 : size * count;
}

/* libcurl speaks of localhost and a port; who gave a socket's path wants to know what is wrong with that. */
static scp_status unconnected(struct transfer *t, const char *why)
{
	char text[80];
	long number = 0;

	if (t->unix_socket && !curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &number) && number)
		why = strerror_r((int)number, text, sizeof(text));
	return blame(t, SCP_EUNAVAIL, why);
}

static scp_status outcome(struct transfer *t, CURLcode rc)
{
	const char *why = t->text[0] ? t->text : curl_easy_strerror(rc);

	if (t->refused)
		return t->refused;
	switch (rc) {
	case CURLE_OK:
		return t->head_done ? SCP_OK : blame(t, SCP_EUNAVAIL, "no answer");
	case CURLE_OUT_OF_MEMORY:
		return scp__nomem(&t->err);
	case CURLE_ABORTED_BY_CALLBACK:
		return blame(t, SCP_EUNAVAIL, "the connection was closed under a request that may not be repeated");
	case CURLE_COULDNT_CONNECT:
		return unconnected(t, why);
	case CURLE_OPERATION_TIMEDOUT:
		return blame(t, t->sends ? SCP_ETIMEDOUT : SCP_EUNAVAIL, why);
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
		return blame(t, SCP_EINVAL, why);
	default:
		return blame(t, SCP_EUNAVAIL, why);
	}
}

static bool has_header(const struct transfer *t, const char *name)
{
	return scp__http_header(t->request->headers, name) != NULL;
}

static bool add_line(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);

	if (longer)
		*list = longer;
	return longer != NULL;
}

/* libcurl would wait for "100 Continue" and would call a body a form. */
static scp_status make_headers(struct transfer *t)
{
	bool fine = has_header(t, "Expect") || add_line(&t->sent, "Expect:");

	if (fine && !has_header(t, "Content-Type"))
		fine = add_line(&t->sent, "Content-Type:");
	for (const char *const *h = t->request->headers; fine && h && *h; h++) {
		if (strpbrk(*h, "\r\n") || !strchr(*h, ':'))
			return blame(t, SCP_EINVAL, "a malformed header was given");
		fine = add_line(&t->sent, *h);
	}
	return fine ? SCP_OK : scp__nomem(&t->err);
}

static void set_body(struct transfer *t)
{
	const scp__http_request *q = t->request;

	if (q->source) {
		curl_easy_setopt(t->easy, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(t->easy, CURLOPT_READFUNCTION, give_body);
		curl_easy_setopt(t->easy, CURLOPT_READDATA, t);
		curl_easy_setopt(t->easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)q->source_len);
	} else if (q->body || !strcmp(q->method, "POST") || !strcmp(q->method, "PUT")) {
		curl_easy_setopt(t->easy, CURLOPT_POST, 1L);
		curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)(q->body ? q->body_len : 0));
		curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, q->body ? q->body : "");
	}
	if (!strcmp(q->method, "HEAD"))
		curl_easy_setopt(t->easy, CURLOPT_NOBODY, 1L);
	else
		curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, q->method);
}

static void set_options(struct transfer *t)
{
	uint32_t stall_s = t->request->stall_timeout_s ? t->request->stall_timeout_s : STALL_S;

	curl_easy_setopt(t->easy, CURLOPT_URL, t->request->url);
	curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->text);
	curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, t->pulled ? 0L : (long)t->timeout_ms);
	curl_easy_setopt(t->easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(t->easy, CURLOPT_LOW_SPEED_TIME, (long)stall_s);
	curl_easy_setopt(t->easy, CURLOPT_PREREQFUNCTION, before_send);
	curl_easy_setopt(t->easy, CURLOPT_PREREQDATA, t);
	curl_easy_setopt(t->easy, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(t->easy, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
	set_body(t);
}

static void forget(struct transfer *t)
{
	scp__buf_free(&t->head);
	curl_slist_free_all(t->sent);
	t->sent = NULL;
}

scp_status transfer_begin(struct transfer *t)
{
	scp_status rc;

	scp__buf_init(&t->head, HEAD_MAX);
	scp__buf_init(&t->spill, SPILL_MAX);
	rc = make_headers(t);
	if (rc) {
		forget(t);
		return rc;
	}
	set_options(t);
	curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->sent);
	return SCP_OK;
}

scp_status transfer_end(struct transfer *t, CURLcode code)
{
	forget(t);
	return outcome(t, code);
}

scp_status transfer_run(struct transfer *t)
{
	scp_status rc = transfer_begin(t);

	return rc ? rc : transfer_end(t, curl_easy_perform(t->easy));
}
