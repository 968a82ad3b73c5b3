/*
 * AWS Signature Version 4 as S3 wants it: paths are encoded once and never normalised. Written here since curl's signs
 * no URLs and rewrites odd paths. Proven with AWS's published vectors.
 */
#ifndef SCP_STORAGE_SIGV4_H
#define SCP_STORAGE_SIGV4_H

#include <stdbool.h>
#include <stdint.h>

#include <sandboxcp/plane.h>

#include "buf.h"

#define SIGV4_UNSIGNED "UNSIGNED-PAYLOAD"
#define SIGV4_TIME_SIZE 17 /* "20150830T123600Z" */

struct sigv4_signer {
	const char *access_key;
	const char *secret_key;
	const char *token; /* of a session; NULL or "": none. A header is the caller's to add; presigning adds it. */
	const char *region;
	const char *service;
	int64_t time_us;
};

/** What is signed. Everything is raw: escaping is done here. Each header is signed; Host and X-Amz-Date are among them.
 */
struct sigv4_request {
	const char *method;
	const char *path; /* "/a b/c" */
	const scp_pair *query;
	size_t query_count;
	const scp_pair *headers;
	size_t header_count;
	const char *payload_sha256; /* hex, or SIGV4_UNSIGNED */
};

/** "20150830T123600Z". Returns `out`. */
char *sigv4_time(char out[SIGV4_TIME_SIZE], int64_t time_us);

/** Append `text` percent-encoded; '/' stays if `path`. */
void sigv4_escape(scp__buf *out, const char *text, bool path);

/** Append the query in its canonical order and encoding: what is signed is also what must be sent. */
scp_status sigv4_query(scp__buf *out, const scp_pair *query, size_t count, scp_error *err);

/** Append the value of the Authorization header. */
scp_status sigv4_authorize(
    scp__buf *out, const struct sigv4_signer *signer, const struct sigv4_request *q, scp_error *err);

/** Append the query of a URL that is good for `seconds`: the request's own parameters, the signature's, the signature.
 */
scp_status sigv4_presign(
    scp__buf *out, const struct sigv4_signer *signer, const struct sigv4_request *q, uint32_t seconds, scp_error *err);

/* For tests: the steps between. */
scp_status sigv4_canonical(scp__buf *out, const struct sigv4_request *q, scp_error *err);

#endif
