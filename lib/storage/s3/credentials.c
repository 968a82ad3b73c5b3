#include "credentials.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "clock.h"
#include "err.h"

#define SECOND_US INT64_C(1000000)
#define RENEW_US (300 * SECOND_US) /* so long before the end new keys are asked for */
#define RETRY_US (20 * SECOND_US)

struct s3_credentials {
	enum s3_source source;
	char *file;
	pthread_mutex_t lock; /* not held while keys are got */
	pthread_cond_t got;
	bool getting;
	struct s3_keys keys; /* access_key NULL: none yet */
	int64_t look_us;     /* when to look whether there are others */
	struct stat seen;    /* the file, when it was read */
	scp_error why;	     /* of the last time that it failed */
};

static void wipe(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

void s3_keys_free(struct s3_keys *k)
{
	free(k->access_key);
	wipe(k->secret_key);
	wipe(k->token);
	*k = (struct s3_keys){ 0 };
}

static bool is_sendable(const char *text)
{
	for (; *text; text++)
		if (*text < '!' || *text > '~')
			return false;
	return true;
}

scp_status s3_keys_set(
    struct s3_keys *k, const char *access_key, const char *secret_key, const char *token, scp_error *err)
{
	if (!access_key || !*access_key || !secret_key || !*secret_key)
		return scp__fail(err, SCP_EINVAL, "storage: an access key id or its secret is missing");
	if (!is_sendable(access_key) || !is_sendable(token ? token : "") || strlen(access_key) > 128)
		return scp__fail(err, SCP_EINVAL,
		    "storage: an access key id or a session token has characters that "
		    "none has");
	k->access_key = strdup(access_key);
	k->secret_key = strdup(secret_key);
	k->token = strdup(token ? token : "");
	if (k->access_key && k->secret_key && k->token)
		return SCP_OK;
	s3_keys_free(k);
	return scp__nomem(err);
}

const char *s3_credentials_source(const struct s3_credentials *c)
{
	switch (c->source) {
	case S3_KEYS_FILE:
		return "--storage-credentials-file";
	case S3_KEYS_CONTAINER:
		return "the role of this container";
	case S3_KEYS_INSTANCE:
		return "the role of this instance";
	default:
		return "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
	}
}

static scp_status fetch(struct s3_credentials *c, struct s3_keys *out, scp_error *err)
{
	switch (c->source) {
	case S3_KEYS_FILE:
		return s3_keys_from_file(out, c->file, err);
	case S3_KEYS_CONTAINER:
		return s3_keys_from_container(out, err);
	case S3_KEYS_INSTANCE:
		return s3_keys_from_instance(out, err);
	default:
		return s3_keys_from_environment(out, err);
	}
}

/* With the lock held. */
static bool file_changed(struct s3_credentials *c)
{
	struct stat now;
	bool changed;

	if (stat(c->file, &now))
		return false; /* the keys that were read may be good still */
	changed = now.st_ino != c->seen.st_ino || now.st_size != c->seen.st_size ||
		  now.st_mtim.tv_sec != c->seen.st_mtim.tv_sec || now.st_mtim.tv_nsec != c->seen.st_mtim.tv_nsec;
	c->seen = now;
	return changed;
}

static bool are_good(const struct s3_credentials *c, int64_t now_us)
{
	return c->keys.access_key && (!c->keys.expire_us || now_us < c->keys.expire_us);
}

/* With the lock held: are other keys to be got? */
static bool is_due(struct s3_credentials *c, int64_t now_us)
{
	if (now_us < c->look_us)
		return false;
	if (!are_good(c, now_us))
		return true;
	if (c->source != S3_KEYS_FILE)
		return c->keys.expire_us && now_us >= c->keys.expire_us - RENEW_US;
	c->look_us = now_us + SECOND_US;
	return file_changed(c);
}

/* With the lock held. */
static void set_next_look(struct s3_credentials *c)
{
	int64_t now_us = scp__now_us();

	c->look_us = now_us + (c->source == S3_KEYS_FILE || !are_good(c, now_us) ? SECOND_US : RETRY_US);
	if (c->keys.expire_us > now_us && c->keys.expire_us < c->look_us)
		c->look_us = c->keys.expire_us;
}

/* With the lock held, which is let go of meanwhile. */
static void renew(struct s3_credentials *c)
{
	struct s3_keys keys = { 0 };
	scp_error why = { 0 };
	scp_status rc;

	c->getting = true;
	if (c->source == S3_KEYS_FILE)
		(void)file_changed(c); /* what is read now is what is compared later */
	pthread_mutex_unlock(&c->lock);
	rc = fetch(c, &keys, &why);
	pthread_mutex_lock(&c->lock);
	c->getting = false;
	c->why = why;
	if (!rc) {
		s3_keys_free(&c->keys);
		c->keys = keys;
	}
	set_next_look(c);
	pthread_cond_broadcast(&c->got);
}

static scp_status copy_keys(const struct s3_credentials *c, struct s3_keys *out, scp_error *err)
{
	scp_status rc = s3_keys_set(out, c->keys.access_key, c->keys.secret_key, c->keys.token, err);

	out->expire_us = c->keys.expire_us;
	return rc;
}

scp_status s3_credentials_get(struct s3_credentials *c, struct s3_keys *out, scp_error *err)
{
	scp_status rc;

	*out = (struct s3_keys){ 0 };
	pthread_mutex_lock(&c->lock);
	/* Who has good keys still doesn't wait for those who get better ones. */
	while (c->getting && !are_good(c, scp__now_us()))
		pthread_cond_wait(&c->got, &c->lock);
	if (!c->getting && is_due(c, scp__now_us()))
		renew(c);
	if (are_good(c, scp__now_us())) {
		rc = copy_keys(c, out, err);
	} else {
		rc = c->why.status ? c->why.status : SCP_EUNAVAIL;
		scp__error_copy(err, &c->why);
	}
	pthread_mutex_unlock(&c->lock);
	return rc;
}

scp_status s3_credentials_new(struct s3_credentials **out, enum s3_source source, const char *file, scp_error *err)
{
	struct s3_credentials *c = calloc(1, sizeof(*c));
	struct s3_keys first;
	scp_status rc;

	*out = NULL;
	if (!c || (file && !(c->file = strdup(file)))) {
		free(c);
		return scp__nomem(err);
	}
	c->source = source ? source : file ? S3_KEYS_FILE : S3_KEYS_ENVIRONMENT;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->got, NULL);
	rc = s3_credentials_get(c, &first, err);
	s3_keys_free(&first);
	/* An endpoint that doesn't answer now may later. */
	if (rc && rc != SCP_EUNAVAIL) {
		s3_credentials_free(c);
		return rc;
	}
	*out = c;
	return SCP_OK;
}

void s3_credentials_free(struct s3_credentials *c)
{
	if (!c)
		return;
	s3_keys_free(&c->keys);
	pthread_cond_destroy(&c->got);
	pthread_mutex_destroy(&c->lock);
	free(c->file);
	free(c);
}
