/* What a template's image may be called. */
#ifndef SCP_CORE_IMAGE_H
#define SCP_CORE_IMAGE_H

#include <sandboxcp/error.h>

/** `host:`, `dir:/path`, `tar:/file`, or a registry's `[host[:port]/]name[:tag][@sha256:…]`. Says nothing about whether
 *  there is such an image. SCP_EINVAL names `field` and what is wrong. */
scp_status scp__image_check(const char *field, const char *image, scp_error *err);

#endif
