/* The plane's internal token: given, or made once for a state folder. All processes on one database have the same. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "digest.h"
#include "err.h"
#include "fs.h"
#include "report.h"

enum { MADE_LEN = 48, GIVEN_MIN = 8, GIVEN_MAX = 256, FILE_MAX = 512, PATH_SIZE = 512 };

static const char file_name[] = "internal-token";
static const char meta_name[] = "internal_token_sha256";

/* ---- where it comes from ---- */

static scp_status check(const char *token, const char *what, scp_error *err)
{
	size_t len = strlen(token);

	for (size_t i = 0; i < len; i++)
		if (token[i] <= ' ' || token[i] > '~')
			len = 0;
	if (len >= GIVEN_MIN && len <= GIVEN_MAX)
		return SCP_OK;
	return scp__fail(err, SCP_EINVAL, "%s must be %d to %d characters without blanks", what, GIVEN_MIN, GIVEN_MAX);
}

/* SCP_EAGAIN: it isn't there. */
static scp_status read_file(const char *path, char **out, scp_error *err)
{
	char *text = NULL;
	size_t len;
	scp_status rc;

	if (scp__fs_read_file(AT_FDCWD, path, FILE_MAX, &text, &len))
		return errno == ENOENT ? SCP_EAGAIN : scp__fail_errno(err, errno, "%s", path);
	text[strcspn(text, "\r\n")] = '\0';
	rc = check(text, path, err);
	if (rc) {
		explicit_bzero(text, len);
		free(text);
		return rc;
	}
	*out = text;
	return SCP_OK;
}

static int write_new(const char *path, const char *token)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	int rc;

	if (fd < 0)
		return -1;
	rc = scp__fs_write_all(fd, token, strlen(token));
	if (!rc)
		rc = scp__fs_write_all(fd, "\n", 1);
	if (!rc)
		rc = fsync(fd);
	(void)close(fd);
	return rc;
}

/* Whole, or not there: of two who make one at once, both read the first one's. */
static scp_status make_file(const char *path, scp_error *err)
{
	char token[MADE_LEN + 1], suffix[9], temporary[PATH_SIZE + 32];
	scp_status rc = scp__id_random(token, MADE_LEN, err);

	if (!rc)
		rc = scp__id_random(suffix, 8, err);
	if (rc)
		return rc;
	snprintf(temporary, sizeof(temporary), "%s.%s", path, suffix);
	if (write_new(temporary, token) || (link(temporary, path) && errno != EEXIST))
		rc = scp__fail_errno(err, errno, "%s", path);
	(void)unlink(temporary);
	explicit_bzero(token, sizeof(token));
	return rc;
}

static scp_status of_folder(const char *state_dir, char **out, scp_error *err)
{
	char path[PATH_SIZE];
	scp_status rc;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", state_dir, file_name) >= sizeof(path))
		return scp__fail(err, SCP_EINVAL, "state_dir is too long");
	rc = read_file(path, out, err);
	if (rc != SCP_EAGAIN)
		return rc;
	rc = make_file(path, err);
	if (!rc)
		rc = read_file(path, out, err);
	return rc == SCP_EAGAIN ? scp__fail(err, SCP_EINTERNAL, "%s went as soon as it was made", path) : rc;
}

/* ---- the same for all ---- */

static scp_status agree_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	const char *mine = arg;
	char theirs[SCP__SHA256_HEX_SIZE];
	bool found;
	scp_status rc = scp__store_meta_get(tx, meta_name, theirs, sizeof(theirs), &found, err);

	if (rc)
		return rc;
	if (!found)
		return scp__store_meta_put(tx, meta_name, mine, err);
	if (scp__same_secret(mine, theirs))
		return SCP_OK;
	scp__fail(err, SCP_ESTATE, "internal_token: this database is used with another internal token");
	scp__hint(err, "Give the one that the other processes have (--internal-token-file, INTERNAL_API_TOKEN, or the "
		       "first one's STATE_DIR/internal-token)");
	return SCP_ESTATE;
}

static scp_status agree(scp__core *core, scp_error *err)
{
	char fingerprint[SCP__SHA256_HEX_SIZE];
	scp__sha256 s;

	scp__sha256_init(&s);
	scp__sha256_update(&s, "libsandboxcp internal token:", 28);
	scp__sha256_update(&s, core->internal_token, strlen(core->internal_token));
	scp__sha256_final_hex(&s, fingerprint);
	return scp__database_transact(core->db, SCP_DB_WRITE, agree_tx, fingerprint, err);
}

scp_status scp__internal_token_open(scp__core *core, const char *given, const char *state_dir, scp_error *err)
{
	scp_status rc;

	if (given) {
		rc = check(given, "internal_token", err);
		core->internal_token = rc ? NULL : strdup(given);
		if (!rc && !core->internal_token)
			rc = scp__nomem(err);
	} else {
		rc = of_folder(state_dir, &core->internal_token, err);
	}
	return rc ? rc : agree(core, err);
}

void scp__internal_token_close(scp__core *core)
{
	if (core->internal_token)
		explicit_bzero(core->internal_token, strlen(core->internal_token));
	free(core->internal_token);
	core->internal_token = NULL;
}
