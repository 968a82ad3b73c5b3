/* One route as an OpenAPI operation. */
#include "operation.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_SIZE 128

/* The next of several words; false: none is left, or it is longer than any name. */
static bool next_word(const char **at, char word[NAME_SIZE])
{
	size_t len;

	if (!*at)
		return false;
	*at += strspn(*at, " ");
	len = strcspn(*at, " ");
	if (!len || len >= NAME_SIZE)
		return false;
	memcpy(word, *at, len);
	word[len] = '\0';
	*at += len;
	return true;
}

static bool is_there(const struct doc_writer *d, const char *section, const char *name)
{
	const scp__json *group = scp__json_get(d->components, section);

	return group && scp__json_get(group, name);
}

static void miss(struct doc_writer *d, const struct route *route, const char *section, const char *name)
{
	(void)scp__buf_printf(
	    d->problems, "%s %s: components.json has no %s '%s'\n", route->method, route->pattern, section, name);
}

static void write_ref(struct doc_writer *d, const char *key, const char *section, const char *name)
{
	char target[64 + NAME_SIZE];

	(void)snprintf(target, sizeof(target), "#/components/%s/%s", section, name);
	scp__jw_object(&d->w, key);
	scp__jw_string(&d->w, "$ref", target);
	scp__jw_end_object(&d->w);
}

/* ---- the path ---- */

/* What "{id}" means is said by the part before it: "/sessions/{id}" has a "session_id". `param` is behind the brace. */
static int write_param_name(char *out, size_t size, const char *pattern, const char *param)
{
	const char *end = param - 2, *begin = end; /* at the slash before the brace */

	if (strncmp(param, "id}", 3) != 0 || end <= pattern)
		return snprintf(out, size, "%.*s", (int)strcspn(param, ".}"), param);
	while (begin > pattern && begin[-1] != '/')
		begin--;
	/* without the plural's s */
	return snprintf(out, size, "%.*s_id", (int)(end - begin) - 1, begin);
}

void doc_path(const char *pattern, char out[DOC_PATH_SIZE])
{
	size_t n = 0;

	for (const char *at = pattern; *at && n < DOC_PATH_SIZE / 2;) {
		out[n++] = *at;
		if (*at++ != '{')
			continue;
		n += (size_t)write_param_name(out + n, DOC_PATH_SIZE / 4, pattern, at);
		at += strcspn(at, "}");
	}
	out[n] = '\0';
}

/* ---- parameters ---- */

/* One operation may say more of its parameter than others: "execute.query.wait" before "query.wait". */
static void write_param(struct doc_writer *d, const struct route *route, const char *where, const char *name)
{
	char own[3 * NAME_SIZE], shared[2 * NAME_SIZE];

	(void)snprintf(own, sizeof(own), "%s.%s.%s", route->doc.id, where, name);
	(void)snprintf(shared, sizeof(shared), "%s.%s", where, name);
	if (strlen(own) < NAME_SIZE && is_there(d, "parameters", own))
		write_ref(d, NULL, "parameters", own);
	else if (strlen(shared) < NAME_SIZE && is_there(d, "parameters", shared))
		write_ref(d, NULL, "parameters", shared);
	else
		miss(d, route, "parameters", shared);
}

static void write_path_params(struct doc_writer *d, const struct route *route)
{
	char path[DOC_PATH_SIZE];

	doc_path(route->pattern, path);
	for (char *at = strchr(path, '{'); at; at = strchr(at + 1, '{')) {
		char name[NAME_SIZE];

		(void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(at + 1, "}"), at + 1);
		write_param(d, route, "path", name);
	}
}

static void write_params(struct doc_writer *d, const struct route *route)
{
	const char *query = route->query, *headers = route->doc.headers;
	char name[NAME_SIZE];

	scp__jw_array(&d->w, "parameters");
	write_path_params(d, route);
	while (next_word(&query, name))
		write_param(d, route, "query", name);
	while (next_word(&headers, name))
		write_param(d, route, "header", name);
	scp__jw_end_array(&d->w);
}

/* ---- bodies ---- */

static void write_json(struct doc_writer *d, const struct route *route, const char *schema)
{
	if (!is_there(d, "schemas", schema))
		miss(d, route, "schemas", schema);
	scp__jw_object(&d->w, "content");
	scp__jw_object(&d->w, "application/json");
	write_ref(d, "schema", "schemas", schema);
	scp__jw_end_object(&d->w);
	scp__jw_end_object(&d->w);
}

static void write_body(struct doc_writer *d, const struct route *route)
{
	const char *body = route->doc.body;
	char name[NAME_SIZE];

	if (!body)
		return;
	if (*body == '=') {
		if (!is_there(d, "requestBodies", body + 1))
			miss(d, route, "requestBodies", body + 1);
		write_ref(d, "requestBody", "requestBodies", body + 1);
		return;
	}
	(void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(body, "?"), body);
	scp__jw_object(&d->w, "requestBody");
	scp__jw_bool(&d->w, "required", !strchr(body, '?'));
	write_json(d, route, name);
	scp__jw_end_object(&d->w);
}

/* ---- answers ---- */

static const char *phrase(int status)
{
	return status == 201 ? "Created" : status == 204 ? "Done; there is nothing to say" : "OK";
}

static void write_request_id(struct doc_writer *d)
{
	scp__jw_object(&d->w, "headers");
	write_ref(d, "X-Request-ID", "headers", "X-Request-ID");
	scp__jw_end_object(&d->w);
}

/* "201:Session" */
static void write_answer(struct doc_writer *d, const struct route *route, const char *word)
{
	const char *name = strchr(word, ':');
	char status[8];

	name = name ? name + 1 : "";
	(void)snprintf(status, sizeof(status), "%.3s", word);
	if (*name == '=') {
		if (!is_there(d, "responses", name + 1))
			miss(d, route, "responses", name + 1);
		write_ref(d, status, "responses", name + 1);
		return;
	}
	scp__jw_object(&d->w, status);
	scp__jw_string(&d->w, "description", phrase(atoi(status)));
	write_request_id(d);
	if (*name)
		write_json(d, route, name);
	scp__jw_end_object(&d->w);
}

static bool is_listed(const char *list, int status)
{
	char text[16];
	const char *at = list;

	(void)snprintf(text, sizeof(text), "%d", status);
	while ((at = at ? strstr(at, text) : NULL)) {
		if ((at == list || at[-1] == ' ') && strchr(" :", at[3]))
			return true;
		at += 3;
	}
	return false;
}

/* What a route of that kind can answer, whatever it does. */
static bool is_natural(const struct route *route, int status)
{
	switch (status) {
	case 400:
	case 500:
		return true;
	case 401:
		return route->access != PUBLIC;
	case 404:
		return strchr(route->pattern, '{') != NULL;
	case 413:
	case 415:
		return route->max_body > 0;
	case 429:
	case 503:
		return route->where != LOOP;
	default:
		return false;
	}
}

static bool is_error(int status)
{
	const scp_error_kind *kind;

	for (size_t i = 0; (kind = scp_error_kind_at(i)); i++)
		if (kind->http_status == status)
			return true;
	return false;
}

static void write_responses(struct doc_writer *d, const struct route *route)
{
	const char *answers = route->doc.answers;
	char word[NAME_SIZE], status[8];

	scp__jw_object(&d->w, "responses");
	while (next_word(&answers, word))
		write_answer(d, route, word);
	for (int i = 400; i < 600; i++) {
		if (!is_error(i) || is_listed(route->doc.answers, i) ||
		    !(is_natural(route, i) || is_listed(route->doc.errors, i)))
			continue;
		(void)snprintf(word, sizeof(word), "Error%d", i);
		(void)snprintf(status, sizeof(status), "%d", i);
		write_ref(d, status, "responses", word);
	}
	scp__jw_end_object(&d->w);
}

/* Where it differs from the whole document's. */
static void write_security(struct doc_writer *d, const struct route *route)
{
	if (route->access == API_TOKEN)
		return;
	scp__jw_array(&d->w, "security");
	if (route->access == INTERNAL) {
		scp__jw_object(&d->w, NULL);
		scp__jw_array(&d->w, "internal");
		scp__jw_end_array(&d->w);
		scp__jw_end_object(&d->w);
	}
	scp__jw_end_array(&d->w);
}

void doc_operation(struct doc_writer *d, const struct route *route)
{
	char method[16] = "";

	for (size_t i = 0; route->method[i] && i < sizeof(method) - 1; i++)
		method[i] = (char)tolower((unsigned char)route->method[i]);
	scp__jw_object(&d->w, method);
	scp__jw_string(&d->w, "operationId", route->doc.id);
	scp__jw_array(&d->w, "tags");
	scp__jw_string(&d->w, NULL, route->doc.tag);
	scp__jw_end_array(&d->w);
	scp__jw_string(&d->w, "summary", route->doc.summary);
	if (route->doc.text)
		scp__jw_string(&d->w, "description", route->doc.text);
	write_security(d, route);
	write_params(d, route);
	write_body(d, route);
	write_responses(d, route);
	scp__jw_end_object(&d->w);
}

/* ---- the errors' own ---- */

static void write_error_headers(struct doc_writer *d, int status)
{
	scp__jw_object(&d->w, "headers");
	write_ref(d, "X-Request-ID", "headers", "X-Request-ID");
	if (status == 401)
		write_ref(d, "WWW-Authenticate", "headers", "WWW-Authenticate");
	if (status == 429 || status == 503)
		write_ref(d, "Retry-After", "headers", "Retry-After");
	scp__jw_end_object(&d->w);
}

static void write_error_example(struct doc_writer *d, const scp_error_kind *kind)
{
	scp_error err = { .status = kind->status };
	scp__buf text;

	(void)snprintf(err.code, sizeof(err.code), "%s", kind->code);
	(void)snprintf(err.message, sizeof(err.message), "%s", kind->description);
	scp__buf_init(&text, 8192);
	error_encode(&text, &err, "req_1a2b3c400000007");
	if (text.data && !text.status) {
		scp__jw_object(&d->w, kind->code);
		scp__jw_raw(&d->w, "value", text.data, text.len);
		scp__jw_end_object(&d->w);
	}
	scp__buf_free(&text);
}

static void write_error_response(struct doc_writer *d, int status)
{
	const scp_error_kind *kind;
	char name[16];
	bool first = true;

	(void)snprintf(name, sizeof(name), "Error%d", status);
	for (size_t i = 0; (kind = scp_error_kind_at(i)); i++) {
		if (kind->http_status != status)
			continue;
		if (first) {
			scp__jw_object(&d->w, name);
			scp__jw_string(&d->w, "description", kind->description);
			write_error_headers(d, status);
			scp__jw_object(&d->w, "content");
			scp__jw_object(&d->w, "application/json");
			write_ref(d, "schema", "schemas", "Error");
			scp__jw_object(&d->w, "examples");
			first = false;
		}
		write_error_example(d, kind);
	}
	for (int i = 0; i < 4 && !first; i++)
		scp__jw_end_object(&d->w);
}

void doc_error_responses(struct doc_writer *d)
{
	for (int status = 400; status < 600; status++)
		if (is_error(status))
			write_error_response(d, status);
}
