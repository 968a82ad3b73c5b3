/* Private to json: a value. Members of one array or object lie side by side, so that an index costs nothing. */
#ifndef SCP_JSON_VALUE_H
#define SCP_JSON_VALUE_H

#include "arena.h"
#include "json.h"

struct scp__json {
	scp__json_type type;
	bool boolean;
	double number;
	const char *key;    /* of a member of an object */
	const char *string; /* of a number: the text of a long integer, or NULL */
	struct scp__json *members;
	size_t size;
};

struct scp__json_document {
	struct scp__json root; /* first: a pointer to it is one to the document */
	scp__arena *arena;
};

#endif
