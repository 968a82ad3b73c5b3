/* Who may call: bearer tokens, from a file that may be read again, or from the environment. The loop's thread only. */
#ifndef SCP_SANDBOXD_TOKENS_H
#define SCP_SANDBOXD_TOKENS_H

#include <stdbool.h>
#include <stddef.h>

#include <sandboxcp/error.h>

struct tokens;

/**
 * @param file   lines "name:token" or "token"; empty ones and those that begin with '#' don't count. NULL: none.
 * @param value  one token, used where there is no file. NULL: none.
 */
scp_status tokens_open(struct tokens **out, const char *file, const char *value, scp_error *err);
/** Read the file again; on an error the old ones stay. */
scp_status tokens_reload(struct tokens *t, scp_error *err);
size_t tokens_count(const struct tokens *t);
/** Whether the file that was read may be read by others than its owner and group, or changed by others than its owner.
 */
bool tokens_exposed(const struct tokens *t);
/** The name of the token that an Authorization header carries; NULL: it carries none of ours. */
const char *tokens_check(const struct tokens *t, const char *authorization);
void tokens_free(struct tokens *t);

#endif
