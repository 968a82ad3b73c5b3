#include "md5.h"

#include <openssl/evp.h>
#include <stdlib.h>

struct scp__md5 {
	EVP_MD_CTX *context;
};

scp__md5 *scp__md5_new(void)
{
	scp__md5 *m = calloc(1, sizeof(*m));

	if (m)
		m->context = EVP_MD_CTX_new();
	if (m && m->context && EVP_DigestInit_ex(m->context, EVP_md5(), NULL))
		return m;
	scp__md5_free(m);
	return NULL;
}

void scp__md5_free(scp__md5 *m)
{
	if (m)
		EVP_MD_CTX_free(m->context);
	free(m);
}

void scp__md5_update(scp__md5 *m, const void *data, size_t len)
{
	(void)EVP_DigestUpdate(m->context, data, len);
}

void scp__md5_final(scp__md5 *m, unsigned char out[SCP__MD5_SIZE])
{
	(void)EVP_DigestFinal_ex(m->context, out, NULL);
	scp__md5_free(m);
}

bool scp__md5_of(const void *data, size_t len, unsigned char out[SCP__MD5_SIZE])
{
	return EVP_Digest(data, len, out, NULL, EVP_md5(), NULL) == 1;
}

void scp__hex(const unsigned char *data, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		out[2 * i] = digits[data[i] >> 4];
		out[2 * i + 1] = digits[data[i] & 15];
	}
	out[2 * len] = '\0';
}

void scp__base64(const unsigned char *data, size_t len, char *out)
{
	(void)EVP_EncodeBlock((unsigned char *)out, data, (int)len);
}
