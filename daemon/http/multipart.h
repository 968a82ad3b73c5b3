/*
 * A streaming parser of multipart/form-data (RFC 7578): bytes go in as they come, parts come out by call-backs, and
 * nothing but a part's headers is ever held. Strict: CRLF only, a name for each part, no folded headers.
 */
#ifndef SCP_DAEMON_HTTP_MULTIPART_H
#define SCP_DAEMON_HTTP_MULTIPART_H

#include <stddef.h>

typedef struct multipart multipart;

/** One part's head; borrowed for the call. Absent is NULL. Names are as sent, %22 and backslash quotes undone. */
typedef struct multipart_part {
	const char *name;
	const char *filename;
	const char *content_type;
} multipart_part;

/** Anything but 0 from a call-back stops the parser: multipart_feed() returns -1, then and ever after. */
typedef struct multipart_handler {
	int (*on_part)(void *user, const multipart_part *part);
	int (*on_data)(
	    void *user, const void *data, size_t len); /* points into what was fed, or at a few bytes of ours */
	int (*on_part_end)(void *user);
} multipart_handler;

/**
 * @param content_type  the request's Content-Type; NULL is wrong
 * @param max_parts     0: 16
 * @param why           what is wrong where NULL is returned: not multipart/form-data, or no good boundary. May be NULL.
 */
multipart *multipart_new(
    const char *content_type, unsigned max_parts, const multipart_handler *handler, void *user, const char **why);

/** 0, or -1: malformed (multipart_error() says what), or a call-back stopped it. */
int multipart_feed(multipart *m, const void *data, size_t len);

/** The body is over. 0, or -1: it ended before its closing boundary. */
int multipart_end(multipart *m);

/** What is wrong with it; NULL: nothing, or a call-back stopped it. Static. */
const char *multipart_error(const multipart *m);

void multipart_free(multipart *m); /* NULL is accepted */

#endif
