/* Files of the fake library. Transfers answer SCP_EAGAIN now and then and call back from a thread of their own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "fake.h"

#define HOLDS (256u * 1024) /* what a transfer holds at most */

unsigned char fake_byte(uint64_t offset)
{
	return (unsigned char)(offset * 31 + (offset >> 8) * 7 + (offset >> 16));
}

/* A thread that says "ready" whenever it is asked to; both transfers have one. */
struct transfer {
	pthread_t thread;
	bool wanted, closed;
	scp_ready_fn *ready;
	void *user;
};

static void *sayer(void *arg)
{
	struct transfer *t = arg;

	pthread_mutex_lock(&fake.lock);
	for (;;) {
		while (!t->closed && (!t->wanted || (fake.hold_uploads && !fake.released)))
			pthread_cond_wait(&fake.changed, &fake.lock);
		if (t->closed)
			break;
		t->wanted = false;
		pthread_mutex_unlock(&fake.lock);
		t->ready(t->user);
		pthread_mutex_lock(&fake.lock);
	}
	pthread_mutex_unlock(&fake.lock);
	return NULL;
}

static void transfer_init(struct transfer *t, scp_ready_fn *ready, void *user)
{
	t->ready = ready;
	t->user = user;
	fake.live++;
	(void)pthread_create(&t->thread, NULL, sayer, t);
}

static scp_status again(struct transfer *t)
{
	pthread_mutex_lock(&fake.lock);
	t->wanted = true;
	pthread_cond_broadcast(&fake.changed);
	pthread_mutex_unlock(&fake.lock);
	return SCP_EAGAIN;
}

static void transfer_fini(struct transfer *t)
{
	pthread_mutex_lock(&fake.lock);
	t->closed = true;
	pthread_cond_broadcast(&fake.changed);
	pthread_mutex_unlock(&fake.lock);
	pthread_join(t->thread, NULL);
	fake.live--;
}

static scp_file *file_new(const char *path, uint64_t size, unsigned version)
{
	struct {
		scp_file file;
		char path[1100], etag[32];
	} *f = calloc(1, sizeof(*f));

	(void)snprintf(f->path, sizeof(f->path), "%s", path);
	(void)snprintf(f->etag, sizeof(f->etag), "v%u", version);
	f->file = (scp_file){ .path = f->path,
		.size_bytes = size,
		.mime_type = "text/html",
		.type = SCP_FILE,
		.etag = f->etag,
		.sha256 = "00" };
	fake.live++;
	return &f->file;
}

void scp_file_free(scp_file *file)
{
	fake.live -= file != NULL;
	free(file);
}

/* ---- up ---- */

struct scp_upload {
	struct transfer t;
	char path[1100];
	uint64_t got;
	unsigned turn;
};

scp_status scp_upload_open(scp_upload **out, scp_plane *plane, const char *session_id, const char *path,
    scp_ready_fn *ready, void *user, scp_error *err)
{
	(void)plane;
	if (strcmp(session_id, "sess_ok") != 0)
		return scp__fail_as(err, "SessionNotFound", "Session '%s' does not exist", session_id);
	if (strstr(path, ".."))
		return scp__fail(err, SCP_EINVAL, "path: '..'");
	*out = calloc(1, sizeof(**out));
	(void)snprintf((*out)->path, sizeof((*out)->path), "%s", path);
	transfer_init(&(*out)->t, ready, user);
	return SCP_OK;
}

static bool held(void)
{
	bool hold;

	pthread_mutex_lock(&fake.lock);
	hold = fake.hold_uploads && !fake.released;
	pthread_mutex_unlock(&fake.lock);
	return hold;
}

scp_status scp_upload_write(scp_upload *u, const void *data, size_t len, size_t *taken, scp_error *err)
{
	const unsigned char *bytes = data;

	*taken = 0;
	if (held() || ++u->turn % 3 == 0)
		return again(&u->t);
	len = len > 5000 ? 5000 : len;
	for (size_t i = 0; i < len; i++)
		if (bytes[i] != fake_byte(u->got + i))
			return scp__fail(err, SCP_EINTERNAL, "byte %llu is another", (unsigned long long)(u->got + i));
	u->got += len;
	*taken = len;
	pthread_mutex_lock(&fake.lock);
	fake.uploaded = u->got;
	pthread_mutex_unlock(&fake.lock);
	if (strstr(u->path, "full") && u->got > 100000)
		return scp__fail(err, SCP_ETOOBIG, "the disk is full");
	return SCP_OK;
}

scp_status scp_upload_commit(scp_upload *u, scp_file **out, scp_error *err)
{
	(void)err;
	if (held() || ++u->turn % 2)
		return again(&u->t);
	*out = file_new(u->path, u->got, 1);
	return SCP_OK;
}

void scp_upload_abort(scp_upload *u)
{
	if (!u)
		return;
	transfer_fini(&u->t);
	free(u);
}

/* ---- down ---- */

struct scp_download {
	struct transfer t;
	scp_file *file;
	bool broken;
	uint64_t at, end;
	unsigned turn;
};

scp_status scp_download_open(scp_download **out, scp_plane *plane, const char *session_id, const char *path,
    const scp_range *range, scp_ready_fn *ready, void *user, scp_error *err)
{
	(void)plane;
	(void)session_id;
	if (strcmp(path, "missing") == 0)
		return scp__fail_as(err, "FileNotFound", "File 'missing' does not exist");
	*out = calloc(1, sizeof(**out));
	transfer_init(&(*out)->t, ready, user);
	fake.opens++;
	(*out)->file = file_new(path, fake.file_size, strcmp(path, "changing") == 0 ? fake.opens : 1);
	(*out)->broken = strcmp(path, "broken") == 0;
	(*out)->at = range ? range->offset : 0;
	(*out)->end = range && range->length ? range->offset + range->length : fake.file_size;
	return SCP_OK;
}

scp_status scp_download_file(scp_download *d, const scp_file **file, scp_error *err)
{
	(void)err;
	if (++d->turn < 2)
		return again(&d->t);
	*file = d->file;
	return SCP_OK;
}

scp_status scp_download_read(scp_download *d, void *data, size_t capacity, size_t *len, scp_error *err)
{
	unsigned char *bytes = data;
	uint64_t n = d->end - d->at;

	*len = 0;
	if (d->broken && d->at > 500)
		return scp__fail(err, SCP_EBACKEND, "the disk is gone");
	if (++d->turn % 8 == 0)
		return again(&d->t);
	n = n > capacity ? capacity : n;
	n = d->broken && n > 600 ? 600 : n;
	for (uint64_t i = 0; i < n; i++)
		bytes[i] = fake_byte(d->at + i);
	d->at += n;
	*len = (size_t)n;
	return SCP_OK;
}

void scp_download_close(scp_download *d)
{
	if (!d)
		return;
	transfer_fini(&d->t);
	scp_file_free(d->file);
	free(d);
}

/* ---- the rest ---- */

scp_status scp_file_link(
    char **url, scp_plane *plane, const char *session_id, const char *path, uint32_t seconds, scp_error *err)
{
	(void)plane;
	(void)session_id;
	(void)path;
	(void)seconds;
	if (!fake.links)
		return scp__fail(err, SCP_ENOTSUP, "no links here");
	*url = strdup("https://storage.example/signed?x=1");
	return SCP_OK;
}

scp_status scp_file_list(
    scp_file_page **out, scp_plane *plane, const char *session_id, const scp_file_query *query, scp_error *err)
{
	(void)plane;
	(void)session_id;
	(void)err;
	(void)snprintf(fake.last, sizeof(fake.last), "files %s %d", query->path ? query->path : "-", query->recursive);
	*out = calloc(1, sizeof(**out));
	return SCP_OK;
}

void scp_file_page_free(scp_file_page *page)
{
	free(page);
}

scp_status scp_file_delete(scp_plane *plane, const char *session_id, const char *path, scp_error *err)
{
	(void)plane;
	(void)err;
	(void)snprintf(fake.last, sizeof(fake.last), "delete %s %s", session_id, path);
	return SCP_OK;
}
