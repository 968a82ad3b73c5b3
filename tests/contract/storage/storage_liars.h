/* localfs, with an operation that lies, and with a switch that puts it out of reach. */
#ifndef TEST_CONTRACT_STORAGE_LIARS_H
#define TEST_CONTRACT_STORAGE_LIARS_H

#include "../liars.h"
#include "storage.h"

const struct liar *storage_liars(size_t *count);
extern const struct liar *storage_liar_now;
/** The true operations with the present lie among them; static. */
const scp_storage_ops *storage_liar_ops(const scp_storage_ops *true_ops);
bool storage_liar_away(bool away);

#endif
