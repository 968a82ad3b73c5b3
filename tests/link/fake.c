#include "fake.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static scp_status fake_connect(scp_runtime *rt, const char *name, int *fd, scp_error *err)
{
	fake *f = (fake *)rt;
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int rc = atomic_load(&f->refuse);

	(void)name;
	(void)err;
	atomic_fetch_add(&f->connects, 1);
	if (rc)
		return (scp_status)rc;
	strcpy(a.sun_path, f->path);
	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(*fd, (struct sockaddr *)&a, sizeof(a))) {
		close(*fd);
		return SCP_EUNAVAIL;
	}
	return SCP_OK;
}

/* Reads one request whole; its length, or 0: the connection ended. */
static size_t read_request(int fd, char **out)
{
	size_t capacity = 8u << 20;
	char *b = malloc(capacity);
	size_t len = 0;
	size_t want = SIZE_MAX;

	while (len < want) {
		ssize_t n = read(fd, b + len, capacity - 1 - len);
		char *end;

		if (n <= 0) {
			free(b);
			return 0;
		}
		len += (size_t)n;
		b[len] = '\0';
		end = strstr(b, "\r\n\r\n");
		if (end && want == SIZE_MAX)
			want = (size_t)(end + 4 - b) + strtoul(strstr(b, "Content-Length: ") + 16, NULL, 10);
	}
	*out = b;
	return len;
}

static unsigned keep_request(fake *f, char *request, size_t len)
{
	unsigned n;

	pthread_mutex_lock(&f->lock);
	n = f->request_count++;
	if (n < FAKE_REQUESTS) {
		f->requests[n] = request;
		f->request_lens[n] = len;
		request = NULL;
	}
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
	free(request);
	return n;
}

struct connection {
	fake *f;
	int fd;
};

static void *serve(void *arg)
{
	struct connection c = *(struct connection *)arg;
	char *request;
	size_t len;

	free(arg);
	while ((len = read_request(c.fd, &request)) && c.f->answer(c.f, c.fd, keep_request(c.f, request, len)))
		;
	shutdown(c.fd, SHUT_RDWR);
	return NULL;
}

static void reap(fake *f)
{
	for (size_t i = 0; i < f->thread_count; i++) {
		shutdown(f->fds[i], SHUT_RDWR);
		pthread_join(f->threads[i], NULL);
		close(f->fds[i]);
	}
	f->thread_count = 0;
}

static void *accept_all(void *arg)
{
	fake *f = arg;
	int fd;

	while ((fd = accept(f->listen_fd, NULL, NULL)) >= 0) {
		struct connection *c = malloc(sizeof(*c));

		if (f->thread_count == FAKE_THREADS)
			reap(f);
		*c = (struct connection){ f, fd };
		f->fds[f->thread_count] = fd;
		pthread_create(&f->threads[f->thread_count++], NULL, serve, c);
	}
	return NULL;
}

fake *fake_new(fake_answer_fn *answer)
{
	fake *f = calloc(1, sizeof(*f));
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	f->ops.struct_size = sizeof(f->ops);
	f->ops.connect = fake_connect;
	f->rt.ops = &f->ops;
	f->answer = answer;
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->changed, NULL);
	snprintf(f->path, sizeof(f->path), "/tmp/scp-link-test.%d.%p", (int)getpid(), (void *)f);
	strcpy(a.sun_path, f->path);
	f->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(f->listen_fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(listen(f->listen_fd, 128), 0);
	pthread_create(&f->acceptor, NULL, accept_all, f);
	return f;
}

void fake_free(fake *f)
{
	atomic_store(&f->stop, true);
	shutdown(f->listen_fd, SHUT_RDWR);
	pthread_join(f->acceptor, NULL);
	reap(f);
	close(f->listen_fd);
	unlink(f->path);
	for (size_t i = 0; i < FAKE_REQUESTS; i++)
		free(f->requests[i]);
	pthread_cond_destroy(&f->changed);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

bool fake_send(fake *f, int fd, const void *data, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = send(fd, (const char *)data + done, len - done, MSG_NOSIGNAL | MSG_DONTWAIT);
		struct pollfd p = { .fd = fd, .events = POLLOUT };

		if (n > 0) {
			done += (size_t)n;
			atomic_fetch_add(&f->sent, (unsigned long)n);
		} else if (n < 0 && errno == EAGAIN) {
			if (poll(&p, 1, 100) == 0)
				atomic_store(&f->blocked, true);
			if (atomic_load(&f->stop))
				return false;
		} else {
			return false;
		}
	}
	return true;
}

bool fake_say(fake *f, int fd, unsigned number)
{
	(void)number;
	return fake_send(f, fd, f->bytes, f->len) && f->keep;
}

unsigned fake_requests(fake *f)
{
	unsigned n;

	pthread_mutex_lock(&f->lock);
	n = f->request_count;
	pthread_mutex_unlock(&f->lock);
	return n;
}

void fake_wait_requests(fake *f, unsigned count)
{
	pthread_mutex_lock(&f->lock);
	while (f->request_count < count)
		pthread_cond_wait(&f->changed, &f->lock);
	pthread_mutex_unlock(&f->lock);
}

void seen_init(seen *s)
{
	memset(s, 0, sizeof(*s));
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
}

void seen_record(void *user, const scp__record *r)
{
	seen *s = user;
	size_t at;

	pthread_mutex_lock(&s->lock);
	at = strlen(s->text);
	if (r->len < 64 && at < sizeof(s->text) - 128)
		snprintf(s->text + at, sizeof(s->text) - at, "%s:%llu:%.*s;", r->name, (unsigned long long)r->seq,
		    (int)r->len, (const char *)r->data);
	s->records++;
	s->bytes += r->len;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

void seen_end(void *user, scp_status status, const scp_error *err)
{
	seen *s = user;

	pthread_mutex_lock(&s->lock);
	s->ends++;
	s->status = status;
	if (err)
		s->err = *err;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

const scp__link_handler seen_handler = { .record = seen_record, .end = seen_end };

scp_status seen_wait(seen *s)
{
	scp_status rc;

	pthread_mutex_lock(&s->lock);
	while (!s->ends)
		pthread_cond_wait(&s->changed, &s->lock);
	rc = s->status;
	pthread_mutex_unlock(&s->lock);
	return rc;
}
