#include "database.h"

#include <string.h>

#include "err.h"

/* Names, for the one that is missing. */
#define OP(name)                                                                                                       \
	{                                                                                                              \
#name, offsetof(scp_database_ops, name)                                                                \
	}
static const struct {
	const char *name;
	size_t offset;
} required_ops[] = { OP(transact), OP(prepare), OP(bind), OP(step), OP(column), OP(release), OP(matched), OP(exec),
	OP(health), OP(close) };

#define TRAIT(name)                                                                                                    \
	{                                                                                                              \
#name, offsetof(scp_db_traits, name)                                                                   \
	}
static const struct {
	const char *name;
	size_t offset;
} required_traits[] = { TRAIT(name), TRAIT(text_key), TRAIT(text_path), TRAIT(text), TRAIT(json), TRAIT(blob),
	TRAIT(integer), TRAIT(real), TRAIT(insert_ignore), TRAIT(skip_locked), TRAIT(table_suffix), TRAIT(explain),
	TRAIT(schema_lock), TRAIT(schema_unlock) };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Function pointers and text pointers are both read as bytes: a vtable's member is missing when all of them are 0. */
static bool is_null(const void *base, size_t offset)
{
	static const unsigned char zero[sizeof(void *)];

	return !memcmp((const unsigned char *)base + offset, zero, sizeof(zero));
}

static scp_status check_traits(const scp_db_traits *traits, scp_error *err)
{
	if (!traits)
		return scp__fail(err, SCP_EINVAL, "database: the driver lacks its traits");
	for (size_t i = 0; i < COUNT(required_traits); i++)
		if (is_null(traits, required_traits[i].offset))
			return scp__fail(
			    err, SCP_EINVAL, "database: the driver lacks the trait '%s'", required_traits[i].name);
	return SCP_OK;
}

scp_status scp__database_check(const scp_database *db, scp_error *err)
{
	if (!db || !db->ops)
		return scp__fail(err, SCP_EINVAL, "database: there is no driver");
	if (db->ops->struct_size < sizeof(scp_database_ops))
		return scp__fail(err, SCP_EINVAL, "database: the driver's struct_size is %u, at least %zu is needed",
		    db->ops->struct_size, sizeof(scp_database_ops));
	for (size_t i = 0; i < COUNT(required_ops); i++)
		if (is_null(db->ops, required_ops[i].offset))
			return scp__fail(
			    err, SCP_EINVAL, "database: the driver lacks the operation '%s'", required_ops[i].name);
	return check_traits(db->ops->traits, err);
}

scp_status scp__database_transact(scp_database *db, scp_db_mode mode, scp_db_fn *fn, void *arg, scp_error *err)
{
	return db->ops->transact(db, mode, fn, arg, err);
}

scp_status scp__database_health(
    scp_database *db, uint32_t deadline_ms, char *detail, size_t detail_size, scp_error *err)
{
	if (detail_size)
		detail[0] = '\0';
	return db->ops->health(db, deadline_ms, detail, detail_size, err);
}

void scp__database_load(scp_database *db, scp_db_load *out)
{
	*out = (scp_db_load){ 0 };
	if (db->ops->load)
		db->ops->load(db, out);
}

void scp__database_close(scp_database *db)
{
	if (db)
		db->ops->close(db);
}

static const struct {
	const char *scheme; /* with its colon */
	scp_status (*open)(scp_database **out, const char *url, const scp__database_access *access, scp_error *err);
} adapters[] = {
	{ "sqlite:", scp__sqlite_open },
	{ "mariadb:", scp__mariadb_open },
};

scp_status scp__database_open_as(
    scp_database **out, const char *url, const scp__database_access *access, scp_error *err)
{
	*out = NULL;
	for (size_t i = 0; i < COUNT(adapters); i++)
		if (!strncmp(url, adapters[i].scheme, strlen(adapters[i].scheme)))
			return adapters[i].open(out, url, access, err);
	/* Not the URL itself: what follows an unknown scheme may hold a password. */
	scp__fail(err, SCP_EINVAL,
	    "database: unknown kind '%.*s'; there is: sqlite:, mariadb:", (int)strcspn(url, ":/?@"), url);
	scp__hint(
	    err, "Give a URL like sqlite:/var/lib/sandboxcp/state.db or mariadb://sandboxcp@db.example:3306/sandboxcp");
	return SCP_EINVAL;
}

scp_status scp__database_open(scp_database **out, const char *url, scp_error *err)
{
	return scp__database_open_as(out, url, &(scp__database_access){ 0 }, err);
}
