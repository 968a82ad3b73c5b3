/* Which connection a request goes out on: a kept one that still works, or a new one. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "link_internal.h"

/* What of the request is still to be sent, in two parts. */
static size_t unsent(scp__link_stream *s, struct iovec v[2])
{
	size_t n = 0;
	size_t in_body = s->sent > s->head_len ? s->sent - s->head_len : 0;

	if (s->sent < s->head_len)
		v[n++] = (struct iovec){ s->head + s->sent, s->head_len - s->sent };
	if (in_body < s->body.len)
		v[n++] = (struct iovec){ s->body.data + in_body, s->body.len - in_body };
	return n;
}

scp_status link_connect_send(scp__link_stream *s)
{
	struct iovec v[2];
	struct msghdr m = { .msg_iov = v };

	while ((m.msg_iovlen = unsent(s, v)) > 0) {
		ssize_t n = sendmsg(s->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0)
			s->sent += (size_t)n;
		else if (errno == EAGAIN || errno == EWOULDBLOCK)
			return SCP_EAGAIN;
		else if (errno != EINTR)
			return SCP_EUNAVAIL;
	}
	return SCP_OK;
}

/* Gives the stream its connection and sends what goes at once; on failure the connection is gone again. */
static bool adopt(scp__link_stream *s, int fd, bool reused)
{
	s->fd = fd;
	s->reused = reused;
	s->sent = 0;
	if (link_connect_send(s) != SCP_EUNAVAIL)
		return true;
	close(fd);
	s->fd = -1;
	return false;
}

bool link_connect_kept(scp__link_stream *s)
{
	int fd;

	while ((fd = link_keep_take(s->link, s->container)) >= 0) {
		if (adopt(s, fd, true))
			return true;
	}
	return false;
}

static scp_status connect_fresh(scp__link_stream *s, scp_error *err)
{
	int fd = -1;
	scp_status rc = s->rt->ops->connect(s->rt, s->container, &fd, err);

	if (rc)
		return rc;
	if (adopt(s, fd, false))
		return SCP_OK;
	return scp__fail(err, SCP_EUNAVAIL, "the executor in %s closed the connection at once", s->container);
}

scp_status link_connect(scp__link_stream *s, scp_error *err)
{
	return link_connect_kept(s) ? SCP_OK : connect_fresh(s, err);
}

static bool is_closing(scp__link *link)
{
	bool closing;

	pthread_mutex_lock(&link->lock);
	closing = link->closing;
	pthread_mutex_unlock(&link->lock);
	return closing;
}

/* In the pool's thread. A failure goes to the loop too: call-backs run nowhere else. */
static void connect_job(void *arg)
{
	scp__link_stream *s = arg;
	scp_error *err = &s->connect_err;

	if (is_closing(s->link))
		(void)scp__fail(err, SCP_ECLOSED, "the plane is closing");
	else if (connect_fresh(s, err) == SCP_ENOTFOUND)
		(void)scp__fail(err, SCP_EUNAVAIL, "container %s is gone", s->container);
	link_loop_queue(s, LINK_START);
}

scp_status link_connect_later(scp__link_stream *s, scp_error *err)
{
	scp__link *link = s->link;
	scp_status rc = SCP_ECLOSED;

	memset(&s->connect_err, 0, sizeof(s->connect_err));
	s->connecting = true;
	pthread_mutex_lock(&link->lock);
	if (!link->closing)
		rc = scp__pool_submit(link->pool, connect_job, s);
	pthread_mutex_unlock(&link->lock);
	if (!rc)
		return SCP_OK;
	s->connecting = false;
	if (rc == SCP_ECLOSED)
		return scp__fail(err, SCP_ECLOSED, "the plane is closing");
	return scp__fail(err, SCP_EUNAVAIL, "too many connections to executors are being made");
}
