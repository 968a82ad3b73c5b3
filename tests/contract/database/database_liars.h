/* SQLite, with an operation that lies, and with a switch that puts it out of reach. */
#ifndef TEST_CONTRACT_DATABASE_LIARS_H
#define TEST_CONTRACT_DATABASE_LIARS_H

#include "../liars.h"
#include "database.h"

const struct liar *database_liars(size_t *count);
extern const struct liar *database_liar_now;
/** The true operations with the present lie among them; static. */
const scp_database_ops *database_liar_ops(const scp_database_ops *true_ops);
bool database_liar_away(bool away);

#endif
