/* The low-level functions are deprecated in OpenSSL 3 in favour of EVP, which the static executor can't afford. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "digest.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <string.h>

_Static_assert(sizeof(SHA256_CTX) <= sizeof(scp__sha256), "scp__sha256 holds a SHA256_CTX");
_Static_assert(_Alignof(SHA256_CTX) <= _Alignof(scp__sha256), "scp__sha256 is aligned as a SHA256_CTX");
_Static_assert(SHA256_DIGEST_LENGTH == SCP__SHA256_SIZE, "the digest's size");

static SHA256_CTX *context(scp__sha256 *s)
{
	return (SHA256_CTX *)(void *)s->opaque;
}

void scp__sha256_init(scp__sha256 *s)
{
	SHA256_Init(context(s));
}

void scp__sha256_update(scp__sha256 *s, const void *data, size_t len)
{
	if (len)
		SHA256_Update(context(s), data, len);
}

void scp__sha256_final(scp__sha256 *s, unsigned char out[SCP__SHA256_SIZE])
{
	SHA256_Final(out, context(s));
}

void scp__sha256_final_hex(scp__sha256 *s, char out[SCP__SHA256_HEX_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char raw[SCP__SHA256_SIZE];

	scp__sha256_final(s, raw);
	for (size_t i = 0; i < sizeof(raw); i++) {
		out[2 * i] = digits[raw[i] >> 4];
		out[2 * i + 1] = digits[raw[i] & 15];
	}
	out[2 * sizeof(raw)] = '\0';
}

void scp__sha256_hex(const void *data, size_t len, char out[SCP__SHA256_HEX_SIZE])
{
	scp__sha256 s;

	scp__sha256_init(&s);
	scp__sha256_update(&s, data, len);
	scp__sha256_final_hex(&s, out);
}

bool scp__same_secret(const char *a, const char *b)
{
	size_t len = a ? strlen(a) : 0;

	return a && b && strlen(b) == len && CRYPTO_memcmp(a, b, len) == 0;
}
