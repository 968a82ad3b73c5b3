#include "proc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool runnable(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISREG(st.st_mode) && !access(path, X_OK);
}

/* Looks in each folder of a PATH. An empty or relative one would be the current folder, whoever writes there: left out.
 */
bool scp__proc_find_in(const char *folders, const char *name, char *out, size_t out_size)
{
	size_t len;
	int n;

	for (const char *p = folders; *p; p += len + (p[len] == ':')) {
		len = strcspn(p, ":");
		if (*p != '/')
			continue;
		n = snprintf(out, out_size, "%.*s/%s", (int)len, p, name);
		if (n > 0 && (size_t)n < out_size && runnable(out))
			return true;
	}
	return false;
}

bool scp__proc_find(const char *name, char *out, size_t out_size)
{
	const char *path = getenv("PATH");

	if (strchr(name, '/'))
		return strlen(name) < out_size && runnable(name) && snprintf(out, out_size, "%s", name) > 0;
	if (*name && path && scp__proc_find_in(path, name, out, out_size))
		return true;
	return *name &&
	       scp__proc_find_in("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", name, out, out_size);
}
