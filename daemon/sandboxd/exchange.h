/* Of exchange.c, intake.c and access_log.c alone. */
#ifndef SCP_SANDBOXD_EXCHANGE_H
#define SCP_SANDBOXD_EXCHANGE_H

#include "app.h"

/* 1 MiB of \x01 a stream is 6 MiB as JSON, and there are two; event, code and return value beside them */
#define EXCHANGE_ANSWER_MAX (32u * MIB)

/** The body is complete: on to its handler. */
void exchange_begin(struct exchange *x);
/** More of the body. SCP_EBUSY: with those of the others it is too much. */
scp_status exchange_take_body(struct exchange *x, const void *data, size_t len);
/** Its line in the log. */
void exchange_log(const struct exchange *x, const http_request *q);

#endif
