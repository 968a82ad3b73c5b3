#include "json.h"

#include <cjson/cJSON.h>

#include <stdlib.h>

#include "err.h"
#include "plain_locale.h"
#include "scan.h"
#include "value.h"

static const scp__json_bounds usual = { .depth = SCP__JSON_DEPTH };

struct copier {
	scp__arena *arena;
	const char *text;
	const struct scp__json_long *next; /* of the long integers that are still to come */
	size_t left;
	size_t values; /* copied so far */
};

static bool copy(struct copier *c, struct scp__json *to, const cJSON *from);

static size_t count_members(const cJSON *from)
{
	size_t n = 0;

	for (const cJSON *c = from->child; c; c = c->next)
		n++;
	return n;
}

static bool copy_members(struct copier *c, struct scp__json *to, const cJSON *from)
{
	size_t i = 0;

	to->type = cJSON_IsArray(from) ? SCP__JSON_ARRAY : SCP__JSON_OBJECT;
	to->size = count_members(from);
	if (!to->size)
		return true;
	to->members = scp__arena_alloc(c->arena, to->size * sizeof(*to->members));
	if (!to->members)
		return false;
	for (const cJSON *m = from->child; m; m = m->next)
		if (!copy(c, &to->members[i++], m))
			return false;
	return true;
}

static bool copy_number(struct copier *c, struct scp__json *to, const cJSON *from, size_t value)
{
	to->type = SCP__JSON_NUMBER;
	to->number = from->valuedouble;
	if (!c->left || c->next->value != value)
		return true;
	to->string = scp__arena_memdup(c->arena, c->text + c->next->at, c->next->len);
	c->next++;
	c->left--;
	return to->string != NULL;
}

/* Recursion ends at SCP__JSON_DEPTH_MAX: the scan has seen to it. */
static bool copy(struct copier *c, struct scp__json *to, const cJSON *from)
{
	size_t value = c->values++;

	if (from->string && !(to->key = scp__arena_strdup(c->arena, from->string)))
		return false;
	if (cJSON_IsArray(from) || cJSON_IsObject(from))
		return copy_members(c, to, from);
	if (cJSON_IsNumber(from))
		return copy_number(c, to, from, value);
	if (cJSON_IsString(from)) {
		to->type = SCP__JSON_STRING;
		to->string = scp__arena_strdup(c->arena, from->valuestring);
		return to->string != NULL;
	}
	if (cJSON_IsBool(from)) {
		to->type = SCP__JSON_BOOL;
		to->boolean = cJSON_IsTrue(from);
	}
	return true;
}

static struct scp__json_document *document_of(const cJSON *tree, const char *text, const struct scp__json_longs *longs)
{
	scp__arena *arena = scp__arena_new();
	struct copier c = { .arena = arena, .text = text, .next = longs->list, .left = longs->count };
	struct scp__json_document *d = arena ? scp__arena_alloc(arena, sizeof(*d)) : NULL;

	if (d && copy(&c, &d->root, tree)) {
		d->arena = arena;
		return d;
	}
	scp__arena_free(arena);
	return NULL;
}

/* The text is good: only memory can be missing now. */
static scp_status make(
    scp__json **out, const char *text, size_t len, const struct scp__json_longs *longs, scp_error *err)
{
	cJSON *tree = cJSON_ParseWithLength(text, len);
	struct scp__json_document *d;

	if (!tree)
		return scp__nomem(err);
	d = document_of(tree, text, longs);
	cJSON_Delete(tree);
	if (!d)
		return scp__nomem(err);
	*out = &d->root;
	return SCP_OK;
}

scp_status scp__json_parse_within(
    scp__json **out, const char *text, size_t len, const char *what, const scp__json_bounds *bounds, scp_error *err)
{
	locale_t before = plain_locale_enter();
	struct scp__json_longs longs = { 0 };
	scp_status rc = scp__json_scan(text, len, what, bounds, &longs, err);

	*out = NULL;
	if (!rc)
		rc = make(out, text, len, &longs, err);
	free(longs.list);
	plain_locale_leave(before);
	return rc;
}

scp_status scp__json_parse(scp__json **out, const char *text, size_t len, const char *what, scp_error *err)
{
	return scp__json_parse_within(out, text, len, what, &usual, err);
}

scp_status scp__json_check(const char *text, size_t len, const char *what, scp_error *err)
{
	locale_t before = plain_locale_enter();
	scp_status rc = scp__json_scan(text, len, what, &usual, NULL, err);

	plain_locale_leave(before);
	return rc;
}

void scp__json_free(scp__json *root)
{
	if (root)
		scp__arena_free(((struct scp__json_document *)root)->arena);
}
