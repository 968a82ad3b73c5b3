/* HMAC-SHA256. Apart from digest.c, so that the static executor does without what libcrypto's needs. */
#ifndef SCP_UTIL_HMAC_H
#define SCP_UTIL_HMAC_H

#include <sandboxcp/error.h>

#include "digest.h"

scp_status scp__hmac_sha256(
    const void *key, size_t key_len, const void *data, size_t len, unsigned char out[SCP__SHA256_SIZE], scp_error *err);
scp_status scp__hmac_sha256_hex(
    const char *key, const void *data, size_t len, char out[SCP__SHA256_HEX_SIZE], scp_error *err);

#endif
