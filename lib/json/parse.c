#include "json.h"

#include <cjson/cJSON.h>

#include "err.h"
#include "plain_locale.h"
#include "scan.h"
#include "value.h"

static bool copy(scp__arena *arena, struct scp__json *to, const cJSON *from);

static size_t count_members(const cJSON *from)
{
	size_t n = 0;

	for (const cJSON *c = from->child; c; c = c->next)
		n++;
	return n;
}

static bool copy_members(scp__arena *arena, struct scp__json *to, const cJSON *from)
{
	size_t i = 0;

	to->type = cJSON_IsArray(from) ? SCP__JSON_ARRAY : SCP__JSON_OBJECT;
	to->size = count_members(from);
	if (!to->size)
		return true;
	to->members = scp__arena_alloc(arena, to->size * sizeof(*to->members));
	if (!to->members)
		return false;
	for (const cJSON *c = from->child; c; c = c->next)
		if (!copy(arena, &to->members[i++], c))
			return false;
	return true;
}

/* Recursion ends at SCP__JSON_DEPTH: the scan has seen to it. */
static bool copy(scp__arena *arena, struct scp__json *to, const cJSON *from)
{
	if (from->string && !(to->key = scp__arena_strdup(arena, from->string)))
		return false;
	if (cJSON_IsArray(from) || cJSON_IsObject(from))
		return copy_members(arena, to, from);
	if (cJSON_IsString(from)) {
		to->type = SCP__JSON_STRING;
		to->string = scp__arena_strdup(arena, from->valuestring);
		return to->string != NULL;
	}
	if (cJSON_IsNumber(from)) {
		to->type = SCP__JSON_NUMBER;
		to->number = from->valuedouble;
	} else if (cJSON_IsBool(from)) {
		to->type = SCP__JSON_BOOL;
		to->boolean = cJSON_IsTrue(from);
	}
	return true;
}

static struct scp__json_document *document_of(const cJSON *tree)
{
	scp__arena *arena = scp__arena_new();
	struct scp__json_document *d = arena ? scp__arena_alloc(arena, sizeof(*d)) : NULL;

	if (d && copy(arena, &d->root, tree)) {
		d->arena = arena;
		return d;
	}
	scp__arena_free(arena);
	return NULL;
}

static scp_status parse(scp__json **out, const char *text, size_t len, const char *what, scp_error *err)
{
	scp_status rc = scp__json_scan(text, len, what, err);
	struct scp__json_document *d;
	cJSON *tree;

	if (rc)
		return rc;
	/* The text is good: only memory can be missing now. */
	tree = cJSON_ParseWithLength(text, len);
	if (!tree)
		return scp__nomem(err);
	d = document_of(tree);
	cJSON_Delete(tree);
	if (!d)
		return scp__nomem(err);
	*out = &d->root;
	return SCP_OK;
}

scp_status scp__json_parse(scp__json **out, const char *text, size_t len, const char *what, scp_error *err)
{
	locale_t before = plain_locale_enter();
	scp_status rc;

	*out = NULL;
	rc = parse(out, text, len, what, err);
	plain_locale_leave(before);
	return rc;
}

scp_status scp__json_check(const char *text, size_t len, const char *what, scp_error *err)
{
	locale_t before = plain_locale_enter();
	scp_status rc = scp__json_scan(text, len, what, err);

	plain_locale_leave(before);
	return rc;
}

void scp__json_free(scp__json *root)
{
	if (root)
		scp__arena_free(((struct scp__json_document *)root)->arena);
}
