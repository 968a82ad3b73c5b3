#include "hmac.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "err.h"

scp_status scp__hmac_sha256_hex(
    const char *key, const void *data, size_t len, char out[SCP__SHA256_HEX_SIZE], scp_error *err)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char raw[EVP_MAX_MD_SIZE];
	unsigned size = 0;

	if (!HMAC(EVP_sha256(), key, (int)strlen(key), data, len, raw, &size) || size != SCP__SHA256_SIZE)
		return scp__fail(err, SCP_EINTERNAL, "libcrypto has no HMAC-SHA256");
	for (unsigned i = 0; i < size; i++) {
		out[2 * i] = digits[raw[i] >> 4];
		out[2 * i + 1] = digits[raw[i] & 15];
	}
	out[2 * size] = '\0';
	return SCP_OK;
}
