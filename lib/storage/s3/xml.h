/* S3's answers: elements as they end, over expat; the only includer of expat.h. */
#ifndef SCP_STORAGE_S3_XML_H
#define SCP_STORAGE_S3_XML_H

#include <stddef.h>

#include "buf.h"

/** An element has ended; `text` is what stood in it directly. All borrowed. */
typedef scp_status s3_xml_fn(void *user, const char *parent, const char *name, const char *text, scp_error *err);

/** SCP_EBACKEND: not well-formed, with a document type, or beyond a bound; else what `fn` said. */
scp_status s3_xml_read(const char *data, size_t len, s3_xml_fn *fn, void *user, scp_error *err);

/** Append `text` for an element. SCP_EINVAL: XML can't say it. */
scp_status s3_xml_escape(scp__buf *out, const char *text);

#endif
