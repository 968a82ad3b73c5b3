/* A true runtime (that of $TEST_RUNTIME, or oci:), with an operation that lies, and with a switch that puts it out of
 * reach. */
#ifndef TEST_CONTRACT_RUNTIME_LIARS_H
#define TEST_CONTRACT_RUNTIME_LIARS_H

#include "../liars.h"
#include "runtime.h"

const struct liar *runtime_liars(size_t *count);
extern const struct liar *runtime_liar_now;
/** The true operations with the present lie among them; static. */
const scp_runtime_ops *runtime_liar_ops(const scp_runtime_ops *true_ops);
bool runtime_liar_away(bool away);

#endif
