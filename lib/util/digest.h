/* SHA-256 and comparison of secrets. The low-level functions of libcrypto: EVP would make the static executor 4 MB. */
#ifndef SCP_UTIL_DIGEST_H
#define SCP_UTIL_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCP__SHA256_SIZE 32
#define SCP__SHA256_HEX_SIZE 65

typedef struct scp__sha256 {
	uint64_t opaque[16]; /* holds libcrypto's SHA256_CTX */
} scp__sha256;

void scp__sha256_init(scp__sha256 *s);
void scp__sha256_update(scp__sha256 *s, const void *data, size_t len);
void scp__sha256_final(scp__sha256 *s, unsigned char out[SCP__SHA256_SIZE]);
void scp__sha256_final_hex(scp__sha256 *s, char out[SCP__SHA256_HEX_SIZE]);
void scp__sha256_hex(const void *data, size_t len, char out[SCP__SHA256_HEX_SIZE]);

/** Equal, in time that depends on the lengths alone. */
bool scp__same_secret(const char *a, const char *b);

#endif
