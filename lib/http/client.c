#include "http.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>

#include "arena.h"
#include "client.h"
#include "clock.h"
#include "err.h"

#define CONNECT_TIMEOUT_MS 5000
#define IDLE_MAX 16
#define BACKOFF_FIRST_MS 200
#define BACKOFF_LAST_MS 5000

/* libcurl's own state is once a process, and never undone: the host may use it too. */
static pthread_once_t global_once = PTHREAD_ONCE_INIT;

static void global_init(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

static bool copy_options(scp__http *c, const scp__http_options *from)
{
	scp__http_options *to = &c->options;

	if (from)
		*to = *from;
	if (!to->connect_timeout_ms)
		to->connect_timeout_ms = CONNECT_TIMEOUT_MS;
	if (!to->max_connections)
		to->max_connections = IDLE_MAX;
	to->unix_socket = scp__arena_strdup(c->arena, to->unix_socket);
	to->ca_file = scp__arena_strdup(c->arena, to->ca_file);
	to->client_cert_file = scp__arena_strdup(c->arena, to->client_cert_file);
	to->client_key_file = scp__arena_strdup(c->arena, to->client_key_file);
	c->idle = scp__arena_alloc(c->arena, to->max_connections * sizeof(*c->idle));
	c->lines = scp__arena_alloc(c->arena, to->max_connections * sizeof(*c->lines));
	return c->idle && c->lines &&
	       (!from || (!from->unix_socket == !to->unix_socket && !from->ca_file == !to->ca_file &&
			     !from->client_cert_file == !to->client_cert_file &&
			     !from->client_key_file == !to->client_key_file));
}

scp_status scp__http_new(scp__http **out, const scp__http_options *options, scp_error *err)
{
	scp__arena *arena = scp__arena_new();
	scp__http *c = arena ? scp__arena_alloc(arena, sizeof(*c)) : NULL;

	*out = NULL;
	pthread_once(&global_once, global_init);
	if (c)
		c->arena = arena;
	if (!c || !copy_options(c, options)) {
		scp__arena_free(arena);
		return scp__nomem(err);
	}
	pthread_mutex_init(&c->lock, NULL);
	*out = c;
	return SCP_OK;
}

void scp__http_free(scp__http *c)
{
	if (!c)
		return;
	while (c->idle_count)
		curl_easy_cleanup(c->idle[--c->idle_count]);
	while (c->line_count)
		line_close(&c->lines[--c->line_count]);
	pthread_mutex_destroy(&c->lock);
	scp__arena_free(c->arena);
}

static CURL *take_handle(scp__http *c)
{
	CURL *easy = NULL;

	pthread_mutex_lock(&c->lock);
	if (c->idle_count)
		easy = c->idle[--c->idle_count];
	pthread_mutex_unlock(&c->lock);
	return easy ? easy : curl_easy_init();
}

static void give_handle_back(scp__http *c, CURL *easy)
{
	/* Forgets the options, which point into the caller's memory, but keeps the connection. */
	curl_easy_reset(easy);
	pthread_mutex_lock(&c->lock);
	if (c->idle_count < c->options.max_connections) {
		c->idle[c->idle_count++] = easy;
		easy = NULL;
	}
	pthread_mutex_unlock(&c->lock);
	curl_easy_cleanup(easy);
}

static void set_tls(const scp__http_options *o, CURL *easy)
{
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, o->insecure ? 0L : 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, o->insecure ? 0L : 2L);
	if (o->ca_file)
		curl_easy_setopt(easy, CURLOPT_CAINFO, o->ca_file);
	if (o->client_cert_file)
		curl_easy_setopt(easy, CURLOPT_SSLCERT, o->client_cert_file);
	if (o->client_key_file)
		curl_easy_setopt(easy, CURLOPT_SSLKEY, o->client_key_file);
}

void client_set_options(const scp__http *c, CURL *easy)
{
	const scp__http_options *o = &c->options;

	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl_easy_setopt(easy, CURLOPT_MAXCONNECTS, 1L);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 64L * 1024);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)o->connect_timeout_ms);
	if (o->unix_socket) {
		curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, o->unix_socket);
		curl_easy_setopt(easy, CURLOPT_PROXY, "");
	}
	set_tls(o, easy);
}

static scp_status try_once(scp__http *c, struct transfer *t)
{
	scp_status rc;

	t->easy = take_handle(c);
	if (!t->easy)
		return scp__nomem(&t->err);
	client_set_options(c, t->easy);
	rc = transfer_run(t);
	give_handle_back(c, t->easy);
	t->easy = NULL;
	return rc;
}

/* Between half of the step and all of it, so that those who failed together don't come back together. */
uint32_t scp__http_backoff_ms(unsigned attempt)
{
	uint32_t step = (uint32_t)BACKOFF_FIRST_MS << (attempt < 5 ? attempt : 5);
	uint32_t random = 0;

	if (step > BACKOFF_LAST_MS)
		step = BACKOFF_LAST_MS;
	(void)!getrandom(&random, sizeof(random), GRND_NONBLOCK);
	return step / 2 + random % (step / 2 + 1);
}

static void sleep_ms(uint32_t ms)
{
	struct timespec left = { .tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000 };

	while (nanosleep(&left, &left) && errno == EINTR)
		;
}

/* What is left of the request's time after a wait; false: nothing is. */
static bool time_left(int64_t deadline_us, uint32_t wait_ms, uint32_t *left_ms)
{
	int64_t left_us = deadline_us - scp__mono_us() - (int64_t)wait_ms * 1000;

	*left_ms = 0;
	if (!deadline_us)
		return true;
	if (left_us < 1000)
		return false;
	*left_ms = (uint32_t)(left_us / 1000);
	return true;
}

static bool worth_another_try(const struct transfer *t, scp_status rc)
{
	if (t->last || t->delivered)
		return false;
	return rc ? rc == SCP_EUNAVAIL || rc == SCP_ETIMEDOUT : t->again;
}

static scp_status check_request(const scp__http_request *q, scp_error *err)
{
	if (!q->method || !*q->method || strspn(q->method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != strlen(q->method))
		return scp__fail(err, SCP_EINVAL, "the method of a request is a word in capitals");
	if (!q->url)
		return scp__fail(err, SCP_EINVAL, "a request without a URL");
	return SCP_OK;
}

static scp_status try_until_it_counts(scp__http *c, struct transfer *t, client_try_fn *try)
{
	const scp__http_request *q = t->request;
	unsigned tries = q->idempotent && !q->source ? q->retries : 0;
	const struct transfer fresh = *t;
	uint32_t wait_ms, left_ms = q->timeout_ms;
	scp_status rc;

	for (unsigned attempt = 0;; attempt++) {
		*t = fresh;
		t->timeout_ms = left_ms;
		wait_ms = scp__http_backoff_ms(attempt);
		/* Where the time ends before another try could begin, this one's answer counts. */
		t->last = attempt >= tries || !time_left(t->deadline_us, wait_ms, &left_ms);
		rc = try(c, t);
		if (!worth_another_try(t, rc))
			return rc;
		if (t->retry_after_ms > wait_ms)
			wait_ms = t->retry_after_ms;
		if (!time_left(t->deadline_us, wait_ms, &left_ms))
			return rc ? rc
				  : scp__fail(&t->err, SCP_ETIMEDOUT, "answered %d until the time was up", t->status);
		sleep_ms(wait_ms);
	}
}

scp_status client_do(scp__http *c, struct transfer *t, client_try_fn *try)
{
	scp_status rc = check_request(t->request, &t->err);

	if (rc)
		return rc;
	t->unix_socket = c->options.unix_socket;
	if (t->request->timeout_ms)
		t->deadline_us = scp__mono_us() + (int64_t)t->request->timeout_ms * 1000;
	return try_until_it_counts(c, t, try);
}

scp_status scp__http_do(scp__http *c, const scp__http_request *q, int *status, scp_error *err)
{
	struct transfer t = { .request = q };
	scp_status rc = client_do(c, &t, try_once);

	if (rc)
		scp__error_copy(err, &t.err);
	else if (status)
		*status = t.status;
	return rc;
}

const char *scp__http_header(const char *const *headers, const char *name)
{
	size_t len = strlen(name);
	const char *value;

	for (; headers && *headers; headers++) {
		if (strncasecmp(*headers, name, len) || (*headers)[len] != ':')
			continue;
		value = *headers + len + 1;
		return value + strspn(value, " \t");
	}
	return NULL;
}
