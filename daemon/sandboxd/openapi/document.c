#include "document.h"

#include <stdlib.h>
#include <string.h>

#include "../docs/assets.h"
#include "../gzip.h"
#include "digest.h"
#include "operation.h"

#define TEXT_MAX (4u * MIB)

static const char about[] =
    "Runs untrusted code in isolated sandboxes. JSON in and out, UTF-8; unknown fields and query parameters are "
    "refused "
    "by name, as are twin keys and \\u0000 in strings. Lists answer newest first. Beyond what stands at each "
    "operation the server itself may refuse what is no sane HTTP (400), too slow (408), or too long a head (414, 431).";

/* ---- the parts ---- */

static void write_info(struct doc_writer *d)
{
	scp__json_writer *w = &d->w;

	scp__jw_string(w, "openapi", "3.1.0");
	scp__jw_object(w, "info");
	scp__jw_string(w, "title", "sandboxd");
	scp__jw_string(w, "summary", "A sandbox control plane");
	scp__jw_string(w, "description", about);
	scp__jw_object(w, "license");
	scp__jw_string(w, "name", "Apache-2.0");
	scp__jw_string(w, "identifier", "Apache-2.0");
	scp__jw_end_object(w);
	scp__jw_string(w, "version", scp_version());
	scp__jw_end_object(w);
	scp__jw_array(w, "servers");
	scp__jw_object(w, NULL);
	scp__jw_string(w, "url", "/");
	scp__jw_end_object(w);
	scp__jw_end_array(w);
}

static void write_security(struct doc_writer *d)
{
	scp__json_writer *w = &d->w;

	scp__jw_array(w, "security");
	if (!d->with_tokens) { /* without one is fine too */
		scp__jw_object(w, NULL);
		scp__jw_end_object(w);
	}
	scp__jw_object(w, NULL);
	scp__jw_array(w, "bearer");
	scp__jw_end_array(w);
	scp__jw_end_object(w);
	scp__jw_end_array(w);
}

static bool is_first_of_path(const struct route *route)
{
	for (const struct route *r = routes; r < route; r++)
		if (r->doc.id && strcmp(r->pattern, route->pattern) == 0)
			return false;
	return true;
}

static void write_path(struct doc_writer *d, const struct route *first)
{
	char path[DOC_PATH_SIZE];

	doc_path(first->pattern, path);
	scp__jw_object(&d->w, path);
	for (const struct route *r = first; r < routes + route_count; r++)
		if (r->doc.id && strcmp(r->pattern, first->pattern) == 0)
			doc_operation(d, r);
	scp__jw_end_object(&d->w);
}

static void write_paths(struct doc_writer *d)
{
	scp__jw_object(&d->w, "paths");
	for (const struct route *r = routes; r < routes + route_count; r++) {
		if (!r->doc.id)
			(void)scp__buf_printf(d->problems, "%s %s: has no documentation\n", r->method, r->pattern);
		else if (is_first_of_path(r))
			write_path(d, r);
	}
	scp__jw_end_object(&d->w);
}

static void write_value(scp__json_writer *w, const char *key, const scp__json *value)
{
	scp__buf text;

	scp__buf_init(&text, TEXT_MAX);
	if (scp__json_print(&text, value))
		w->out->status = text.status ? text.status : SCP_EINTERNAL;
	else
		scp__jw_raw(w, key, text.data, text.len);
	scp__buf_free(&text);
}

static void write_components(struct doc_writer *d)
{
	scp__jw_object(&d->w, "components");
	for (size_t i = 0; i < scp__json_size(d->components); i++) {
		const scp__json *section = scp__json_at(d->components, i);

		scp__jw_object(&d->w, scp__json_key(section));
		for (size_t j = 0; j < scp__json_size(section); j++)
			write_value(&d->w, scp__json_key(scp__json_at(section, j)), scp__json_at(section, j));
		if (strcmp(scp__json_key(section), "responses") == 0)
			doc_error_responses(d);
		scp__jw_end_object(&d->w);
	}
	scp__jw_end_object(&d->w);
}

/* ---- the whole ---- */

static scp_status parse_components(scp__json **root, scp_error *err)
{
	const struct asset *asset = asset_find("components.json");
	scp__buf text;
	scp_status rc;

	scp__buf_init(&text, TEXT_MAX);
	rc = gzip_inflate(&text, asset->gz, asset->gz_len);
	if (rc)
		rc = scp__fail(err, rc, "components.json can't be unpacked");
	else
		rc = scp__json_parse(root, text.data, text.len, "components.json", err);
	scp__buf_free(&text);
	return rc;
}

scp_status document_write(scp__buf *out, bool with_tokens, scp__buf *problems, scp_error *err)
{
	struct doc_writer d = { .problems = problems, .with_tokens = with_tokens };
	scp__json *root = NULL;
	scp_status rc = parse_components(&root, err);

	if (rc)
		return rc;
	d.components = scp__json_get(root, "components");
	scp__jw_init(&d.w, out);
	scp__jw_object(&d.w, NULL);
	write_info(&d);
	write_security(&d);
	write_value(&d.w, "tags", scp__json_get(root, "tags"));
	write_paths(&d);
	write_components(&d);
	scp__jw_end_object(&d.w);
	scp__json_free(root);
	return out->status ? scp__fail(err, out->status, "the API's document can't be written") : SCP_OK;
}

static scp_status fill(struct document *d, bool with_tokens, scp_error *err)
{
	char digest[SCP__SHA256_HEX_SIZE];
	scp__buf problems;
	scp_status rc;

	scp__buf_init(&problems, 65536);
	rc = document_write(&d->text, with_tokens, &problems, err);
	scp__buf_free(&problems);
	if (!rc && gzip_deflate(&d->packed, d->text.data, d->text.len))
		rc = scp__nomem(err);
	if (rc)
		return rc;
	scp__sha256_hex(d->text.data, d->text.len, digest);
	(void)snprintf(d->etag, sizeof(d->etag), "%.32s", digest);
	return SCP_OK;
}

scp_status document_new(struct document **out, bool with_tokens, scp_error *err)
{
	struct document *d = calloc(1, sizeof(*d));
	scp_status rc;

	*out = NULL;
	if (!d)
		return scp__nomem(err);
	scp__buf_init(&d->text, TEXT_MAX);
	scp__buf_init(&d->packed, TEXT_MAX);
	rc = fill(d, with_tokens, err);
	if (rc)
		document_free(d);
	else
		*out = d;
	return rc;
}

void document_free(struct document *d)
{
	if (!d)
		return;
	scp__buf_free(&d->text);
	scp__buf_free(&d->packed);
	free(d);
}

scp_status document_print(FILE *out, scp_error *err)
{
	struct document *d;
	scp_status rc = document_new(&d, true, err);

	if (rc)
		return rc;
	(void)fwrite(d->text.data, 1, d->text.len, out);
	(void)fputc('\n', out);
	document_free(d);
	return fflush(out) || ferror(out) ? scp__fail(err, SCP_EINTERNAL, "standard output can't be written") : SCP_OK;
}
