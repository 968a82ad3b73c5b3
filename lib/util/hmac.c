#include "hmac.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "err.h"
#include "md5.h"

scp_status scp__hmac_sha256(
    const void *key, size_t key_len, const void *data, size_t len, unsigned char out[SCP__SHA256_SIZE], scp_error *err)
{
	unsigned char raw[EVP_MAX_MD_SIZE];
	unsigned size = 0;

	if (!HMAC(EVP_sha256(), key, (int)key_len, data, len, raw, &size) || size != SCP__SHA256_SIZE)
		return scp__fail(err, SCP_EINTERNAL, "libcrypto has no HMAC-SHA256");
	memcpy(out, raw, SCP__SHA256_SIZE);
	return SCP_OK;
}

scp_status scp__hmac_sha256_hex(
    const char *key, const void *data, size_t len, char out[SCP__SHA256_HEX_SIZE], scp_error *err)
{
	unsigned char raw[SCP__SHA256_SIZE];
	scp_status rc = scp__hmac_sha256(key, strlen(key), data, len, raw, err);

	if (!rc)
		scp__hex(raw, sizeof(raw), out);
	return rc;
}
