/*
 * Objects in a bucket. Directories are prefixes: there is one while something is in it. What a caller must not mix up,
 * this doesn't: a bucket, a key or a clock that is wrong is SCP_EUNAVAIL and says so, only a key that is certainly not
 * there is SCP_ENOTFOUND.
 */
#ifndef SCP_STORAGE_S3_H
#define SCP_STORAGE_S3_H

#include "buf.h"
#include "config.h"
#include "credentials.h"
#include "digest.h"
#include "http.h"
#include "storage.h"

#define S3_KEY_MAX 1024 /* S3's, with the prefix */
#define S3_PAIRS_MAX 8
#define S3_PAGE 1000
#define S3_RETRY_AFTER_MS 2000

struct s3 {
	scp_storage base;
	scp__arena *arena;
	struct s3_config config;
	struct s3_credentials *credentials;
	scp__http *http;
};

/* What is of interest in an answer's head. */
struct s3_head {
	int status;
	char etag[72]; /* without quotes */
	bool sized;    /* the length was told */
	uint64_t length;
	uint64_t total; /* of a Content-Range; else length */
	int64_t modified_us;
	int64_t date_us;
	char sha256[SCP__SHA256_HEX_SIZE]; /* as it was put; "": not known */
	char checksum[64];		   /* x-amz-checksum-sha256 of the whole object, base64; "": none */
	char region[64];
	bool opaque_etag; /* encrypted with keys that make the ETag no MD5 */
};

/* One request. Zero is fine for whatever isn't needed. */
struct s3_call {
	const char *method;
	const char *key; /* without the storage's prefix; NULL: the bucket */
	bool whole_key;	 /* the key has the prefix already */
	scp_pair query[S3_PAIRS_MAX];
	size_t query_count;
	scp_pair headers[S3_PAIRS_MAX];
	size_t header_count;
	const void *body;
	size_t len;
	const char *sha256; /* of the body; NULL: made here */
	uint32_t timeout_ms;
	bool slow; /* S3 works before it answers: it may be silent all that time */
	bool once; /* not to be tried again */
	/* What came of it. */
	struct s3_head head;
	scp__buf answer; /* bounded; of a failure too */
	char code[64];	 /* of S3's error; "": none */
	char why[200];	 /* its message */
};

void s3_call_query(struct s3_call *c, const char *name, const char *value);
void s3_call_header(struct s3_call *c, const char *name, const char *value);

/** Sign, send, read the answer. A status from 300 on is an error already. s3_call_free() must follow. */
scp_status s3_call_run(struct s3 *s, struct s3_call *c, scp_error *err);
/** The same for a GET whose body is pulled. What is signed lives in *wire, s3_wire_close(). */
struct s3_wire;
scp_status s3_call_open(struct s3 *s, struct s3_call *c, struct s3_wire **wire, scp_error *err);
scp_status s3_wire_read(struct s3_wire *w, void *data, size_t capacity, size_t *len, scp_error *err);
void s3_wire_close(struct s3_wire *w);
void s3_call_free(struct s3_call *c);

/** What a status from 300 on, or an error in a body, means. Never SCP_OK. */
scp_status s3_fail(struct s3 *s, struct s3_call *c, scp_error *err);
/** Fill c->code and c->why from c->answer, where it is S3's error. */
void s3_read_error(struct s3_call *c, char region[64]);

/** The key with the storage's prefix. SCP_EINVAL: longer than S3 takes. */
scp_status s3_full_key(const struct s3 *s, const char *key, char out[S3_KEY_MAX + 1], scp_error *err);
/** Without a signature: scheme://host/path for a key, for requests (false) or for others (true). */
void s3_address(
    const struct s3 *s, const char *full_key, bool for_others, scp__buf *url, char host[320], scp__buf *path);

/** HEAD. SCP_ENOTFOUND: no such object; a directory isn't looked for. */
scp_status s3_look(struct s3 *s, const char *key, struct s3_head *out, scp_error *err);
/** Is there anything below "key/"? */
scp_status s3_is_directory(struct s3 *s, const char *key, bool *yes, scp_error *err);
void s3_describe(const struct s3_head *head, const char *key, scp_object *out);
/** "0123…" of 32 hex digits: an MD5. */
bool s3_etag_is_md5(const char *etag);

/* ---- pages of a listing ---- */

struct s3_entry {
	char *key; /* without the storage's prefix; a common prefix keeps its '/' */
	bool directory;
	uint64_t size;
	int64_t modified_us;
	char etag[72];
};

struct s3_page {
	struct s3_entry *entries;
	size_t count;
	bool more;
	char *token;
};

struct s3_page_query {
	const char *prefix; /* as it stands: "w/" */
	const char *after;  /* "" or a key; not with a token */
	const char *token;  /* NULL: the first */
	bool flat;	    /* delimited by '/' */
	unsigned limit;
};

scp_status s3_page_get(struct s3 *s, const struct s3_page_query *q, struct s3_page *out, scp_error *err);
void s3_page_free(struct s3_page *p);

/* ---- uploads in parts ---- */

struct s3_multipart;
scp_status s3_multipart_new(struct s3 *s, const char *key, struct s3_multipart **out, scp_error *err);
scp_status s3_multipart_add(struct s3_multipart *m, const void *data, size_t len, scp_error *err);
scp_status s3_multipart_complete(struct s3_multipart *m, struct s3_head *out, scp_error *err);
/** Aborts it, unless it is complete. NULL is accepted. */
void s3_multipart_free(struct s3_multipart *m);
/** Abort whatever is under way below a prefix. */
scp_status s3_multipart_sweep(struct s3 *s, const char *prefix, scp_error *err);

/* ---- the port's ---- */

scp_status s3_put_open(
    scp_storage *st, const char *key, const scp_put_options *options, scp_object_writer **out, scp_error *err);
scp_status s3_put_write(scp_object_writer *w, const void *data, size_t len, scp_error *err);
scp_status s3_put_commit(scp_object_writer *w, scp_object *out, scp_error *err);
void s3_put_close(scp_object_writer *w);
scp_status s3_get_open(scp_storage *st, const char *key, uint64_t offset, uint64_t length, scp_object_reader **out,
    scp_object *object, scp_error *err);
scp_status s3_get_read(scp_object_reader *r, void *data, size_t capacity, size_t *len, scp_error *err);
void s3_get_close(scp_object_reader *r);
scp_status s3_list(scp_storage *st, const char *prefix, const char *after, const scp_list_options *options,
    scp_object_fn *fn, void *user, char *next, size_t next_size, scp_error *err);
scp_status s3_remove(scp_storage *st, const char *key, scp_error *err);
scp_status s3_remove_prefix(scp_storage *st, const char *prefix, scp_error *err);

#endif
