/* Private to http: one try of one request on one handle. */
#ifndef SCP_HTTP_TRANSFER_H
#define SCP_HTTP_TRANSFER_H

#include <curl/curl.h>

#include "buf.h"
#include "http.h"

struct transfer {
	CURL *easy;
	const scp__http_request *request;
	const char *unix_socket;
	uint32_t timeout_ms; /* of this try; 0: none */
	int64_t deadline_us; /* of the whole request, monotonic; 0: none */
	bool last;	     /* no try follows: whatever the status is, it is the answer */
	/* What came of it. */
	int status;
	bool again;		 /* a status that another try may better; nothing was delivered */
	bool delivered;		 /* the caller has seen something */
	uint32_t retry_after_ms; /* as the server said; 0: it didn't */
	scp_error err;
	/* Meanwhile. */
	scp_status refused; /* what a call-back said */
	unsigned sends;
	bool head_done;
	unsigned lines;
	scp__buf head;
	struct curl_slist *sent; /* the request's headers */
	char text[CURL_ERROR_SIZE];
	/* A body that the caller pulls (stream.c). */
	bool pulled;
	bool paused;	/* libcurl holds bytes back until somebody wants them */
	char *to;	/* where they go; NULL: nobody wants any */
	size_t room;	/* of `to` */
	size_t got;	/* what came into `to` */
	scp__buf spill; /* what came with it and had no room */
};

/** Ready t->easy, which has the client's options already, for the request. SCP_OK: transfer_end() must follow. */
scp_status transfer_begin(struct transfer *t);
/** What came of it: SCP_OK, or what is in t->err. */
scp_status transfer_end(struct transfer *t, CURLcode code);
/** Both, and all between. */
scp_status transfer_run(struct transfer *t);

#endif
