/* Files that are in the daemon itself; docs/embed.py makes the table when the daemon is built. */
#ifndef SCP_SANDBOXD_DOCS_ASSETS_H
#define SCP_SANDBOXD_DOCS_ASSETS_H

#include <stddef.h>

struct asset {
	const char *name; /* "init.js" */
	const unsigned char *gz;
	size_t gz_len;
	size_t len;	 /* unpacked */
	const char *tag; /* changes with the content */
};

extern const struct asset assets[];
extern const size_t asset_count;

/** NULL: there is none of that name. */
const struct asset *asset_find(const char *name);

#endif
