/* The release of the headers, and of the library that is loaded. */
#ifndef SANDBOXCP_VERSION_H
#define SANDBOXCP_VERSION_H

#include <sandboxcp/export.h>

SCP_BEGIN_DECLS

#define SCP_VERSION_MAJOR 0
#define SCP_VERSION_MINOR 1
#define SCP_VERSION_PATCH 0
#define SCP_VERSION_STRING "0.1.0"

/** The loaded library's version, "MAJOR.MINOR.PATCH"; static storage. Any thread. */
SCP_API const char *scp_version(void);

SCP_END_DECLS

#endif
