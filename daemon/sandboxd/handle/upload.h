/* Of upload.c and spool.c alone. */
#ifndef SCP_SANDBOXD_UPLOAD_H
#define SCP_SANDBOXD_UPLOAD_H

#include "handle.h"
#include "multipart.h"

#define HELD_MAX (128u * 1024)

/* spool.c: an unnamed temporary file. */
struct spool {
	int fd;
	uint64_t written;
	uint64_t read;
};

void spool_init(struct spool *s);
scp_status spool_open(struct spool *s, scp_error *err);
scp_status spool_write(struct spool *s, const void *data, size_t len, scp_error *err);
bool spool_left(const struct spool *s);
scp_status spool_read(struct spool *s, scp__buf *out, scp_error *err); /* some of it, appended */
void spool_close(struct spool *s);

enum part { PART_NONE, PART_FILE, PART_PATH };

struct upload {
	struct exchange *x;
	scp_plane *plane; /* a view: it carries the request's id */
	scp_upload *up;
	multipart *form; /* NULL: the body is the file */
	const char *path;
	scp__buf path_text;
	scp__buf held; /* bytes that the library couldn't take yet */
	struct spool spool;
	post ready;
	enum part part;
	bool has_file;
	bool ended; /* the body is complete */
};

#endif
