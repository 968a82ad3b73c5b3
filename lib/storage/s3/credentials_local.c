/* Keys from the environment or a file. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "credentials.h"
#include "err.h"
#include "fs.h"

#define FILE_MAX (64 * 1024)

static const char advice[] = "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give --storage-credentials-file, or "
			     "credentials=container or instance in --storage";

scp_status s3_keys_from_environment(struct s3_keys *out, scp_error *err)
{
	const char *access_key = getenv("AWS_ACCESS_KEY_ID"), *secret_key = getenv("AWS_SECRET_ACCESS_KEY");
	scp_status rc;

	if (!access_key || !*access_key || !secret_key || !*secret_key) {
		scp__fail(err, SCP_EINVAL, "storage: AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY isn't set");
		scp__hint(err, "%s", advice);
		return SCP_EINVAL;
	}
	rc = s3_keys_set(out, access_key, secret_key, getenv("AWS_SESSION_TOKEN"), err);
	if (rc == SCP_EINVAL)
		scp__hint(err, "Correct AWS_ACCESS_KEY_ID and AWS_SESSION_TOKEN");
	return rc;
}

/* ---- a file: `name = value` a line, names as in the environment or in AWS's own file; there only [default] counts
 * ---- */

static char *trim(char *text)
{
	size_t len;

	text += strspn(text, " \t\r");
	len = strlen(text);
	while (len && strchr(" \t\r", text[len - 1]))
		text[--len] = '\0';
	return text;
}

static void take_line(char *line, bool *counts, const char *values[3])
{
	static const char *const names[3] = { "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN" };
	char *equals;

	line = trim(line);
	if (*line == '[')
		*counts = !strcmp(line, "[default]");
	equals = strchr(line, '=');
	if (!equals || !*counts || *line == '#' || *line == ';')
		return;
	*equals = '\0';
	for (size_t i = 0; i < 3; i++)
		if (!strcasecmp(trim(line), names[i]))
			values[i] = trim(equals + 1);
}

static scp_status read_lines(struct s3_keys *out, char *text, const char *file, scp_error *err)
{
	const char *values[3] = { 0 };
	bool counts = true;
	char *rest = NULL;
	scp_status rc;

	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		take_line(line, &counts, values);
	rc = s3_keys_set(out, values[0], values[1], values[2], err);
	if (rc == SCP_EINVAL) {
		scp__prefix(err, "%s", file);
		scp__hint(err, "Write AWS_ACCESS_KEY_ID=… and AWS_SECRET_ACCESS_KEY=…, a line each, into the file of "
			       "--storage-credentials-file");
	}
	return rc;
}

scp_status s3_keys_from_file(struct s3_keys *out, const char *file, scp_error *err)
{
	char *text;
	size_t len;
	scp_status rc;

	if (!file || scp__fs_read_file(AT_FDCWD, file, FILE_MAX, &text, &len)) {
		scp__fail(err, SCP_EINVAL, "storage: the credentials file %s can't be read: %s", file ? file : "",
		    file ? strerrordesc_np(errno) : "none is given");
		scp__hint(err, "Give a readable file: --storage-credentials-file");
		return SCP_EINVAL;
	}
	rc = read_lines(out, text, file, err);
	explicit_bzero(text, len);
	free(text);
	return rc;
}
