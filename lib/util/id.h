/* Ids from getrandom(). */
#ifndef SCP_UTIL_ID_H
#define SCP_UTIL_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sandboxcp/error.h>

#define SCP__ID_SIZE 72 /* a template's may have 64 characters */

scp_status scp__id_random(char *out, size_t len, scp_error *err);   /* len of [a-z0-9], and a NUL: out holds len + 1 */
scp_status scp__id_session(char out[SCP__ID_SIZE], scp_error *err); /* sess_ + 16 */
scp_status scp__id_execution(char out[SCP__ID_SIZE], int64_t now_us, scp_error *err); /* exec_YYYYMMDD_ + 8 */
scp_status scp__id_make(char out[SCP__ID_SIZE], const char *prefix, size_t len, scp_error *err); /* prefix + len */

bool scp__id_is_session(const char *id);
bool scp__id_is_execution(const char *id);

#endif
