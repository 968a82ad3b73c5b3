/*
 * contract-database [sqlite: | ./backend.so | liars]: the conformance suite of the database port on SQLite, on a driver
 * from outside (contract.h), or on drivers that lie. tests/database has it on MariaDB.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../liars.h"
#include "database_liars.h"
#include "database_suite.h"
#include "fs.h"
#include "id.h"

/* All files are below it: a case that fails has no time to tidy up. */
static char folder[64];
static char place[17];
static bool lies;

static void open_file(void)
{
	scp_error err = { 0 };
	char url[128];

	ck_assert_int_eq(scp__id_random(place, 16, NULL), SCP_OK);
	snprintf(url, sizeof(url), "sqlite:%s/%s.db", folder, place);
	ck_assert_msg(!scp__database_open(&db, url, &err), "%s", err.message);
	if (lies)
		db->ops = database_liar_ops(db->ops);
	make_table();
}

static void close_it(void)
{
	scp__database_close(db);
}

static scp_status (*outside_open)(scp_database **out, const char *place, scp_error *err);

static void open_outside(void)
{
	scp_error err = { 0 };

	ck_assert_int_eq(scp__id_random(place, 16, NULL), SCP_OK);
	ck_assert_msg(!outside_open(&db, place, &err), "%s", err.message);
	ck_assert_msg(!scp__database_check(db, &err), "%s", err.message);
	make_table();
}

static const struct database_subject sqlite = { open_file, close_it, NULL };
static const struct database_subject liar = { open_file, close_it, database_liar_away };
static struct database_subject outside = { open_outside, close_it, NULL };

static int test(const char *what)
{
	const struct liar *liars;
	size_t count;

	database_subject = &sqlite;
	if (!strcmp(what, "liars")) {
		lies = true;
		database_subject = &liar;
		liars = database_liars(&count);
		return find_liars(liars, count, &database_liar_now, add_database_suites);
	}
	if (strcmp(what, "sqlite:")) {
		database_subject = &outside;
		setenv("CONTRACT_FOLDER", folder, 1);
		*(void **)&outside_open = contract_symbol(what, "contract_database_open", true);
		*(void **)&outside.away = contract_symbol(what, "contract_away", false);
		if (!outside_open)
			return EXIT_FAILURE;
	}
	return run_suites(add_database_suites);
}

int main(int argc, char **argv)
{
	int rc, parent = open("/tmp", O_RDONLY | O_CLOEXEC);

	snprintf(folder, sizeof(folder), "/tmp/scp-contract-XXXXXX");
	if (!mkdtemp(folder))
		return EXIT_FAILURE;
	rc = test(argc > 1 ? argv[1] : "sqlite:");
	if (scp__fs_remove_tree(parent, folder + 5))
		printf("%s is left\n", folder);
	close(parent);
	return rc;
}
