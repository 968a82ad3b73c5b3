/*
 * Pages for people and what they load, out of the daemon itself: /, /docs and the document that it shows. Nothing comes
 * from elsewhere and nothing inline runs: the policy says so to the browser.
 */
#include <stdio.h>
#include <string.h>

#include "docs/assets.h"
#include "gzip.h"
#include "handle.h"
#include "openapi/document.h"

#define POLICY                                                                                                         \
	"Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "     \
	"font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/* `headers` has places for the etag's line and the rest. */
static scp_status add_headers(struct request *q, struct reply *r, const char *tag, scp_error *err)
{
	const char **lines = scp__arena_alloc(q->arena, 6 * sizeof(*lines));
	char line[64];

	if (!lines)
		return scp__nomem(err);
	/* weak: gzipped or not, it is the same page */
	(void)snprintf(line, sizeof(line), "ETag: W/\"%s\"", tag);
	lines[0] = scp__arena_strdup(q->arena, line);
	if (!lines[0])
		return scp__nomem(err);
	lines[1] = "Cache-Control: no-cache";
	lines[2] = "X-Content-Type-Options: nosniff";
	lines[3] = "Referrer-Policy: no-referrer";
	lines[4] = POLICY;
	r->headers = lines;
	return SCP_OK;
}

static bool is_known(const struct request *q, const char *tag)
{
	return q->if_none_match && (strcmp(q->if_none_match, "*") == 0 || strstr(q->if_none_match, tag));
}

static void reply_fixed(struct reply *r, const void *bytes, size_t len, bool gzipped)
{
	r->fixed = bytes;
	r->fixed_len = len;
	r->gzipped = gzipped;
}

static scp_status reply_asset(struct request *q, struct reply *r, const char *name, const char *type, scp_error *err)
{
	const struct asset *asset = asset_find(name);
	scp_status rc = add_headers(q, r, asset->tag, err);

	r->content_type = type;
	if (rc)
		return rc;
	if (is_known(q, asset->tag))
		r->status = 304;
	else if (q->gzip)
		reply_fixed(r, asset->gz, asset->gz_len, true);
	else
		rc = gzip_inflate(&r->body, asset->gz, asset->gz_len);
	return rc ? scp__fail(err, rc, "%s can't be unpacked", name) : SCP_OK;
}

scp_status get_home(struct request *q, struct reply *r, scp_error *err)
{
	return reply_asset(q, r, "home.html", "text/html; charset=utf-8", err);
}

scp_status get_docs(struct request *q, struct reply *r, scp_error *err)
{
	return reply_asset(q, r, "docs.html", "text/html; charset=utf-8", err);
}

scp_status get_docs_asset(struct request *q, struct reply *r, scp_error *err)
{
	static const char *const names[] = { "swagger-ui-bundle.js", "init.js", "swagger-ui.css", "page.css", NULL };

	for (const char *const *name = names; *name; name++) {
		bool is_style = strstr(*name, ".css") != NULL;

		if (strcmp(q->param[0], *name) == 0)
			return reply_asset(
			    q, r, *name, is_style ? "text/css; charset=utf-8" : "text/javascript; charset=utf-8", err);
	}
	return scp__fail_as(err, "NotFound", "There is nothing at /docs/%.100s", q->param[0]);
}

scp_status get_openapi(struct request *q, struct reply *r, scp_error *err)
{
	const struct document *d = q->app->document;
	scp_status rc = add_headers(q, r, d->etag, err);

	if (rc)
		return rc;
	if (is_known(q, d->etag))
		r->status = 304;
	else if (q->gzip)
		reply_fixed(r, d->packed.data, d->packed.len, true);
	else
		reply_fixed(r, d->text.data, d->text.len, false);
	return SCP_OK;
}

/* Browsers ask; there is none. */
scp_status get_favicon(struct request *q, struct reply *r, scp_error *err)
{
	(void)q;
	(void)err;
	r->status = 204;
	return SCP_OK;
}
