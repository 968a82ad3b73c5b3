/* Processes on one database know each other by the internal token, which none of them sends. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "err.h"
#include "hmac.h"
#include "report.h"

#define GOOD_FOR_US INT64_C(60000000)

enum { SUBJECT_MAX = 64 << 10, TIME_LEN = 24, PROOF_SIZE = 4 + TIME_LEN + SCP__SHA256_HEX_SIZE };

static scp_status make(
    const scp__core *core, int64_t time_us, const char *subject, char proof[PROOF_SIZE], scp_error *err)
{
	char hex[SCP__SHA256_HEX_SIZE];
	scp__buf text;
	scp_status rc;

	scp__buf_init(&text, SUBJECT_MAX + 64);
	scp__buf_printf(&text, "libsandboxcp peer:%lld:%s", (long long)time_us, subject);
	rc = text.status ? scp__fail(err, SCP_EINVAL, "subject: longer than %d bytes", SUBJECT_MAX) : SCP_OK;
	if (!rc)
		rc = scp__hmac_sha256_hex(core->internal_token, text.data, text.len, hex, err);
	if (!rc)
		snprintf(proof, PROOF_SIZE, "v1.%lld.%s", (long long)time_us, hex);
	scp__buf_free(&text);
	return rc;
}

scp_status scp_peer_prove(char **proof, scp_plane *plane, const char *subject, scp_error *err)
{
	char text[PROOF_SIZE];
	scp_status rc;

	if (!proof || !subject)
		return scp__fail(err, SCP_EINVAL, "proof and subject must not be NULL");
	*proof = NULL;
	rc = scp__enter(plane, false, err);
	if (rc)
		return rc;
	rc = make(plane->core, scp__core_now_us(plane->core), subject, text, err);
	if (!rc && !(*proof = strdup(text)))
		rc = scp__nomem(err);
	scp__leave(plane);
	return rc;
}

static scp_status check(scp__core *core, const char *proof, const char *subject, scp_error *err)
{
	char right[PROOF_SIZE];
	long long time_us = 0;
	int64_t age_us;
	scp_status rc;

	if (strlen(proof) >= PROOF_SIZE || sscanf(proof, "v1.%19lld.", &time_us) != 1)
		return scp__fail(err, SCP_EAUTH, "This isn't another process's proof");
	rc = make(core, time_us, subject, right, err);
	if (rc)
		return rc;
	age_us = scp__core_now_us(core) - time_us;
	if (!scp__same_secret(proof, right) || age_us > GOOD_FOR_US || age_us < -GOOD_FOR_US)
		return scp__fail(err, SCP_EAUTH, "The other process's proof is not about this, or too old");
	return SCP_OK;
}

scp_status scp_peer_check(scp_plane *plane, const char *proof, const char *subject, scp_error *err)
{
	scp_status rc;

	if (!proof || !subject)
		return scp__fail(err, SCP_EINVAL, "proof and subject must not be NULL");
	rc = scp__enter(plane, false, err);
	if (rc)
		return rc;
	rc = check(plane->core, proof, subject, err);
	scp__leave(plane);
	return rc;
}
