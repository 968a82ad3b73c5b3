/*
 * MD5, for what other servers call a checksum: never where somebody could gain by a collision. And the two ways in
 * which they write digests. Apart from digest.c: EVP would make the static executor 4 MB.
 */
#ifndef SCP_UTIL_MD5_H
#define SCP_UTIL_MD5_H

#include <stdbool.h>
#include <stddef.h>

#define SCP__MD5_SIZE 16
#define SCP__MD5_HEX_SIZE 33
#define SCP__BASE64_SIZE(n) (((n) + 2) / 3 * 4 + 1)

typedef struct scp__md5 scp__md5;

scp__md5 *scp__md5_new(void); /* NULL: no memory, or a libcrypto that refuses MD5 */
void scp__md5_update(scp__md5 *m, const void *data, size_t len);
void scp__md5_final(scp__md5 *m, unsigned char out[SCP__MD5_SIZE]); /* frees it */
void scp__md5_free(scp__md5 *m);				    /* NULL is accepted */
bool scp__md5_of(const void *data, size_t len, unsigned char out[SCP__MD5_SIZE]);

void scp__hex(const unsigned char *data, size_t len, char *out);    /* out holds 2 × len + 1 */
void scp__base64(const unsigned char *data, size_t len, char *out); /* out holds SCP__BASE64_SIZE(len) */

#endif
