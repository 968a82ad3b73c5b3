#include <stdlib.h>

#include "clock.h"
#include "err.h"
#include "meter.h"

/* Transactions name their own database, so that all but three operations go to the one behind by themselves. */
struct meter {
	scp_database db;
	scp_database_ops ops;
	scp_database *behind;
	scp__figures *figures;
};

static scp_status transact(scp_database *db, scp_db_mode mode, scp_db_fn *fn, void *arg, scp_error *err)
{
	const struct meter *m = (const struct meter *)(const void *)db;
	int64_t begun = scp__mono_us();
	scp_status rc = m->behind->ops->transact(m->behind, mode, fn, arg, err);

	scp__count_backend(
	    m->figures, SCP__BACKEND_DATABASE, mode == SCP_DB_WRITE ? "write" : "read", rc, scp__mono_us() - begun);
	return rc;
}

static scp_status health(scp_database *db, uint32_t deadline_ms, char *detail, size_t detail_size, scp_error *err)
{
	const struct meter *m = (const struct meter *)(const void *)db;
	int64_t begun = scp__mono_us();
	scp_status rc = m->behind->ops->health(m->behind, deadline_ms, detail, detail_size, err);

	scp__count_backend(m->figures, SCP__BACKEND_DATABASE, "health", rc, scp__mono_us() - begun);
	return rc;
}

static void load(scp_database *db, scp_db_load *out)
{
	const struct meter *m = (const struct meter *)(const void *)db;

	m->behind->ops->load(m->behind, out);
}

static void close_both(scp_database *db)
{
	scp_database *behind = scp__unmeter_database(db);

	behind->ops->close(behind);
}

scp_database *scp__unmeter_database(scp_database *db)
{
	struct meter *m = (struct meter *)(void *)db;
	scp_database *behind;

	if (!db || db->ops->close != close_both)
		return db;
	behind = m->behind;
	free(m);
	return behind;
}

scp_status scp__meter_database(scp_database **db, scp__figures *f, scp_error *err)
{
	struct meter *m = calloc(1, sizeof(*m));

	if (!m)
		return scp__nomem(err);
	m->ops = *(*db)->ops;
	m->ops.struct_size = sizeof(m->ops);
	m->ops.transact = transact;
	m->ops.health = health;
	m->ops.close = close_both;
	if (m->ops.load)
		m->ops.load = load;
	m->db.ops = &m->ops;
	m->behind = *db;
	m->figures = f;
	*db = &m->db;
	return SCP_OK;
}
