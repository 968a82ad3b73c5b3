#include "textfile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "err.h"

#define SIZE_MAX_BYTES (1024u * 1024)

static char *trim(char *line)
{
	size_t len = strlen(line);

	while (len && strchr(" \t\r\n", line[len - 1]))
		line[--len] = '\0';
	return line + strspn(line, " \t");
}

scp_status textfile_each(const char *path, const char *what, textfile_fn *fn, void *user, scp_error *err)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t size = 0, total = 0;
	unsigned number = 0;
	ssize_t len;
	scp_status rc = SCP_OK;

	if (!f)
		return scp__fail(err, SCP_EINVAL, "%s: %s: %s", what, path, strerror(errno));
	while (!rc && (len = getline(&line, &size, f)) > 0) {
		char *text = trim(line);

		total += (size_t)len;
		number++;
		if (total > SIZE_MAX_BYTES)
			rc = scp__fail(err, SCP_EINVAL, "%s: %s is larger than 1 MiB", what, path);
		else if (*text && *text != '#')
			rc = fn(user, text, number, err);
	}
	if (!rc && ferror(f))
		rc = scp__fail(err, SCP_EINVAL, "%s: %s: %s", what, path, strerror(errno));
	if (line)
		explicit_bzero(line, size); /* it may have held a secret */
	free(line);
	(void)fclose(f);
	return rc;
}
