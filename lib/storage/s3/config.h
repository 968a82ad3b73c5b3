/* What the URL of an S3 storage says. */
#ifndef SCP_STORAGE_S3_CONFIG_H
#define SCP_STORAGE_S3_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include <sandboxcp/error.h>

enum s3_source { S3_KEYS_DEFAULT, S3_KEYS_ENVIRONMENT, S3_KEYS_FILE, S3_KEYS_CONTAINER, S3_KEYS_INSTANCE };

/** "https" and "s3.example.org:9000": without the port where it is the scheme's own, as it stands in Host. */
struct s3_place {
	const char *scheme;
	const char *authority;
};

struct s3_config {
	const char *bucket;
	const char *region;
	struct s3_place endpoint;
	struct s3_place public_endpoint; /* of presigned URLs */
	const char *prefix;		 /* "", or ends with '/' */
	const char *ca_file;		 /* NULL: the system's */
	bool path_style;
	enum s3_source source;
	uint32_t part_mib;
};

/** "s3://bucket?endpoint=…&region=…". Strings are the arena's. SCP_EINVAL names what is wrong, never a value. */
scp_status s3_config_read(struct s3_config *out, scp__arena *arena, const char *url, scp_error *err);

#endif
