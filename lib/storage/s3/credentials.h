/* Access keys: from the environment, a file (read again when it changes), or an endpoint (renewed before they end). */
#ifndef SCP_STORAGE_S3_CREDENTIALS_H
#define SCP_STORAGE_S3_CREDENTIALS_H

#include <stdint.h>

#include "config.h"

struct s3_keys {
	char *access_key;
	char *secret_key;
	char *token;	   /* "": none */
	int64_t expire_us; /* 0: never */
};

struct s3_credentials; /* any thread */

/** Also gets the first keys, so that what is missing is said at once. `file` may be NULL. */
scp_status s3_credentials_new(struct s3_credentials **out, enum s3_source source, const char *file, scp_error *err);
void s3_credentials_free(struct s3_credentials *c);

/** A copy: s3_keys_free(). SCP_EINVAL: there are none, and where to put them; SCP_EUNAVAIL: the endpoint fails. */
scp_status s3_credentials_get(struct s3_credentials *c, struct s3_keys *out, scp_error *err);
/** Where they come from, in the words of an error's advice. */
const char *s3_credentials_source(const struct s3_credentials *c);
void s3_keys_free(struct s3_keys *k);
scp_status s3_keys_set(
    struct s3_keys *k, const char *access_key, const char *secret_key, const char *token, scp_error *err);

/* Private to credentials: where keys come from. They block. */
scp_status s3_keys_from_environment(struct s3_keys *out, scp_error *err);
scp_status s3_keys_from_file(struct s3_keys *out, const char *file, scp_error *err);
scp_status s3_keys_from_container(struct s3_keys *out, scp_error *err);
scp_status s3_keys_from_instance(struct s3_keys *out, scp_error *err);

#endif
