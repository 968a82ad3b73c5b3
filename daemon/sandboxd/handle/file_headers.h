/* A file's headers, entity tags and ranges: no sockets, no library. */
#ifndef SCP_SANDBOXD_FILE_HEADERS_H
#define SCP_SANDBOXD_FILE_HEADERS_H

#include <sandboxcp/file.h>

struct file_headers {
	const char *list[12];
	char type[192], etag[160], range[96];
	char disposition[1200]; /* a name of 255 bytes, once plain and once with every byte escaped */
};

/** @param request_id  a whole line, borrowed like the rest */
void file_headers_fill(struct file_headers *h, const scp_file *file, const scp_range *range, const char *request_id);

bool etag_same(const char *a, const char *b);	       /* strong: as If-Range wants it */
bool etag_matches(const char *list, const char *etag); /* weak: as If-None-Match wants it */

enum range_kind { RANGE_NONE /* to be ignored */, RANGE_ONE, RANGE_BAD /* 416 */ };

/** "bytes=a-b", "a-", "-n": one range alone, cut to the file's size. */
enum range_kind range_parse(const char *header, uint64_t size, scp_range *out);

#endif
