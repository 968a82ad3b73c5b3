#include "xml.h"

#include <expat.h>
#include <stdio.h>
#include <string.h>

#include "err.h"

#define DEPTH_MAX 8
#define NAME_SIZE 48
#define TEXT_MAX (16 * 1024)

struct reading {
	XML_Parser parser;
	s3_xml_fn *fn;
	void *user;
	scp_error *err;
	scp_status rc;
	unsigned depth;
	char names[DEPTH_MAX + 1][NAME_SIZE]; /* the first stands above the root: "" */
	scp__buf text;
};

static void stop(struct reading *r, scp_status rc)
{
	if (!r->rc)
		r->rc = rc;
	XML_StopParser(r->parser, XML_FALSE);
}

static void XMLCALL begin(void *user, const XML_Char *name, const XML_Char **attributes)
{
	struct reading *r = user;

	(void)attributes;
	scp__buf_clear(&r->text);
	if (++r->depth > DEPTH_MAX) {
		stop(r, scp__fail(r->err, SCP_EBACKEND, "an answer with elements deeper than any of S3's"));
		return;
	}
	snprintf(r->names[r->depth], NAME_SIZE, "%s", name);
}

static void XMLCALL end(void *user, const XML_Char *name)
{
	struct reading *r = user;
	scp_status rc = r->text.status;

	(void)name;
	if (rc)
		scp__fail(r->err, SCP_EBACKEND, "an answer with a text longer than any of S3's");
	else
		rc =
		    r->fn(r->user, r->names[r->depth - 1], r->names[r->depth], r->text.len ? r->text.data : "", r->err);
	r->depth--;
	scp__buf_clear(&r->text);
	if (rc)
		stop(r, rc);
}

static void XMLCALL text(void *user, const XML_Char *data, int len)
{
	scp__buf_append(&((struct reading *)user)->text, data, (size_t)len);
}

/* Entities come with it. */
static void XMLCALL doctype(
    void *user, const XML_Char *name, const XML_Char *system_id, const XML_Char *public_id, int internal)
{
	struct reading *r = user;

	(void)name, (void)system_id, (void)public_id, (void)internal;
	stop(r, scp__fail(r->err, SCP_EBACKEND, "an answer with a document type"));
}

scp_status s3_xml_read(const char *data, size_t len, s3_xml_fn *fn, void *user, scp_error *err)
{
	struct reading r = { .parser = XML_ParserCreate(NULL), .fn = fn, .user = user, .err = err };

	if (!r.parser)
		return scp__nomem(err);
	scp__buf_init(&r.text, TEXT_MAX);
	XML_SetUserData(r.parser, &r);
	XML_SetElementHandler(r.parser, begin, end);
	XML_SetCharacterDataHandler(r.parser, text);
	XML_SetStartDoctypeDeclHandler(r.parser, doctype);
	if (XML_Parse(r.parser, data, (int)len, XML_TRUE) != XML_STATUS_OK && !r.rc)
		r.rc = scp__fail(
		    err, SCP_EBACKEND, "an answer that isn't XML: %s", XML_ErrorString(XML_GetErrorCode(r.parser)));
	XML_ParserFree(r.parser);
	scp__buf_free(&r.text);
	return r.rc;
}

scp_status s3_xml_escape(scp__buf *out, const char *t)
{
	for (; *t; t++) {
		if ((unsigned char)*t < ' ')
			return SCP_EINVAL;
		if (*t == '&')
			scp__buf_puts(out, "&amp;");
		else if (*t == '<')
			scp__buf_puts(out, "&lt;");
		else if (*t == '>')
			scp__buf_puts(out, "&gt;");
		else
			scp__buf_append(out, t, 1);
	}
	return out->status;
}
