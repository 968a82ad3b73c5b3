/* Finding the route of a request in the table, and its parameters in the path. */
#include <stdio.h>
#include <string.h>

#include "app.h"

/* Where a parameter begins and how long it is. */
struct match {
	unsigned count;
	const char *at[MAX_PARAMS];
	size_t len[MAX_PARAMS];
};

static bool take_param(struct match *m, const char *at, size_t len)
{
	if (!len || m->count == MAX_PARAMS)
		return false;
	m->at[m->count] = at;
	m->len[m->count++] = len;
	return true;
}

static bool matches(const char *pattern, const char *path, struct match *m)
{
	m->count = 0;
	while (*pattern == '/' && *path == '/') {
		size_t want = strcspn(++pattern, "/"), have = strcspn(++path, "/");

		if (*pattern == '{') {
			bool rest = memcmp(pattern + want - 4, "...}", 4) == 0;

			have = rest ? strlen(path) : have;
			if (!take_param(m, path, have))
				return false;
		} else if (want != have || memcmp(pattern, path, want) != 0) {
			return false;
		}
		pattern += want;
		path += have;
	}
	return !*pattern && !*path;
}

static const struct route *find_exactly(const char *method, const char *path, struct match *m)
{
	for (size_t i = 0; i < route_count; i++)
		if (strcmp(routes[i].method, method) == 0 && matches(routes[i].pattern, path, m))
			return &routes[i];
	return NULL;
}

/* Whatever GET answers as a whole, HEAD answers too: the server leaves the bytes out. */
static const struct route *find(const char *method, const char *path, struct match *m)
{
	const struct route *route = find_exactly(method, path, m);

	if (route || strcmp(method, "HEAD") != 0)
		return route;
	route = find_exactly("GET", path, m);
	return route && route->where != STREAM ? route : NULL;
}

const char *route_methods(const char *path, scp__arena *arena)
{
	char list[128] = "";
	struct match m;

	for (size_t i = 0; i < route_count; i++) {
		if (!matches(routes[i].pattern, path, &m) || strstr(list, routes[i].method))
			continue;
		(void)snprintf(
		    list + strlen(list), sizeof(list) - strlen(list), "%s%s", *list ? ", " : "", routes[i].method);
	}
	if (strstr(list, "GET") && find("HEAD", path, &m) && !strstr(list, "HEAD"))
		strcat(list, ", HEAD");
	return *list ? scp__arena_strdup(arena, list) : NULL;
}

const struct route *route_find(const char *method, const char *path, scp__arena *arena, const char *param[MAX_PARAMS],
    const char **allow, scp_error *err)
{
	struct match m;
	const struct route *route = find(method, path, &m);

	*allow = route ? NULL : route_methods(path, arena);
	if (!route && *allow)
		scp__fail_as(err, "MethodNotAllowed", "%s is not possible on %.200s: only %s", method, path, *allow);
	else if (!route)
		scp__fail_as(err, "NotFound", "There is nothing at %.300s", path);
	for (unsigned i = 0; route && i < m.count; i++) {
		param[i] = scp__arena_memdup(arena, m.at[i], m.len[i]);
		if (!param[i]) {
			scp__nomem(err);
			return NULL;
		}
	}
	return route;
}

/* Where `name` stands among the names that a route takes, or -1. */
static int place_of(const char *names, const char *name)
{
	char padded[80];
	const char *at;

	if (strchr(name, ' ') || strlen(name) > 70)
		return -1;
	(void)snprintf(padded, sizeof(padded), " %s ", name);
	at = strstr(names, padded);
	return at ? (int)(at - names) : -1;
}

scp_status route_check_query(const struct route *route, const char *raw_query, scp_error *err)
{
	char name[128], value[4096];
	uint64_t seen = 0;
	int got;

	while ((got = http_query_next(&raw_query, name, sizeof(name), value, sizeof(value))) == 1) {
		int place = place_of(route->query, name);

		if (place < 0)
			return scp__fail(err, SCP_EINVAL, "query: '%.80s' is unknown here; known:%s", name,
			    *route->query ? route->query : " none");
		if (seen >> place & 1)
			return scp__fail(err, SCP_EINVAL, "query: '%.80s' is given more than once", name);
		seen |= 1ull << place;
	}
	if (got < 0)
		return scp__fail(err, SCP_EINVAL, "query: a malformed escape, or a value longer than 4 KiB");
	return SCP_OK;
}
