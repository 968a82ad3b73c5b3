#include "id.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "err.h"

static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz0123456789";
#define LETTERS (sizeof(alphabet) - 1)
/* Bytes from here on are drawn again: 252 is the last multiple of 36, and a plain modulo would favour some letters. */
#define FAIR_BELOW (256 / LETTERS * LETTERS)

static int random_bytes(unsigned char *out, size_t len)
{
	ssize_t n;

	for (size_t done = 0; done < len; done += (size_t)n) {
		n = getrandom(out + done, len - done, 0);
		if (n < 0 && errno != EINTR)
			return -1;
		if (n < 0)
			n = 0;
	}
	return 0;
}

scp_status scp__id_random(char *out, size_t len, scp_error *err)
{
	unsigned char pool[64];
	size_t done = 0;

	while (done < len) {
		if (random_bytes(pool, sizeof(pool)))
			return scp__fail_errno(err, errno, "getrandom");
		for (size_t i = 0; i < sizeof(pool) && done < len; i++)
			if (pool[i] < FAIR_BELOW)
				out[done++] = alphabet[pool[i] % LETTERS];
	}
	out[len] = '\0';
	return SCP_OK;
}

scp_status scp__id_make(char out[SCP__ID_SIZE], const char *prefix, size_t len, scp_error *err)
{
	size_t used = strlen(prefix);

	if (used >= SCP__ID_SIZE || len > SCP__ID_SIZE - used - 1)
		return scp__fail(err, SCP_EINTERNAL, "an id of %zu bytes behind \"%s\" is too long", len, prefix);
	memcpy(out, prefix, used);
	return scp__id_random(out + used, len, err);
}

scp_status scp__id_session(char out[SCP__ID_SIZE], scp_error *err)
{
	return scp__id_make(out, "sess_", 16, err);
}

scp_status scp__id_execution(char out[SCP__ID_SIZE], int64_t now_us, scp_error *err)
{
	time_t now = (time_t)(now_us / 1000000);
	char prefix[24];
	struct tm tm;

	if (!gmtime_r(&now, &tm) || !strftime(prefix, sizeof(prefix), "exec_%Y%m%d_", &tm))
		return scp__fail(err, SCP_EINTERNAL, "an execution id can't hold this date");
	return scp__id_make(out, prefix, 8, err);
}

static bool all_of(const char *s, size_t len, const char *set)
{
	return strspn(s, set) >= len;
}

bool scp__id_is_session(const char *id)
{
	return id && strlen(id) == 21 && !strncmp(id, "sess_", 5) && all_of(id + 5, 16, alphabet);
}

bool scp__id_is_execution(const char *id)
{
	return id && strlen(id) == 22 && !strncmp(id, "exec_", 5) && all_of(id + 5, 8, "0123456789") && id[13] == '_' &&
	       all_of(id + 14, 8, alphabet);
}
