/*
 * contract-storage [file: | ./backend.so | liars]: the conformance suite of the storage port on localfs, on a backend
 * from outside (contract.h), or on adapters that lie. S3 has it in tests/contract_storage, beside its server.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../liars.h"
#include "fs.h"
#include "id.h"
#include "storage_liars.h"
#include "storage_suite.h"

/* All places are below it: a case that fails has no time to tidy up. */
static char folder[64];

static scp_status open_folder(scp_storage **out, scp_error *err)
{
	char place[17], url[128];
	scp_status rc = scp__id_random(place, 16, err);

	if (rc)
		return rc;
	snprintf(url, sizeof(url), "file:%s/%s?sync=off", folder, place);
	return scp__storage_open(out, url, NULL, err);
}

static scp_status (*outside_open)(scp_storage **out, const char *place, scp_error *err);

static scp_status open_outside(scp_storage **out, scp_error *err)
{
	char place[17];
	scp_status rc = scp__id_random(place, 16, err);

	rc = rc ? rc : outside_open(out, place, err);
	return rc ? rc : scp__storage_check(*out, err);
}

static scp_status open_liar(scp_storage **out, scp_error *err)
{
	scp_status rc = open_folder(out, err);

	if (!rc)
		(*out)->ops = storage_liar_ops((*out)->ops);
	return rc;
}

static const struct storage_subject localfs = { open_folder, NULL, NULL, 5 << 20 };
static const struct storage_subject liar = { open_liar, NULL, storage_liar_away, 128 << 10 };
static struct storage_subject outside = { open_outside, NULL, NULL, 5 << 20 };

static int test(const char *what)
{
	const struct liar *liars;
	size_t count;

	storage_subject = &localfs;
	if (!strcmp(what, "liars")) {
		storage_subject = &liar;
		liars = storage_liars(&count);
		return find_liars(liars, count, &storage_liar_now, add_storage_suites);
	}
	if (strcmp(what, "file:")) {
		storage_subject = &outside;
		*(void **)&outside_open = contract_symbol(what, "contract_storage_open", true);
		*(void **)&outside.away = contract_symbol(what, "contract_away", false);
		if (!outside_open)
			return EXIT_FAILURE;
	}
	return run_suites(add_storage_suites);
}

int main(int argc, char **argv)
{
	int rc, parent = open("/tmp", O_RDONLY | O_CLOEXEC);

	snprintf(folder, sizeof(folder), "/tmp/scp-contract-XXXXXX");
	if (!mkdtemp(folder))
		return EXIT_FAILURE;
	rc = test(argc > 1 ? argv[1] : "file:");
	if (scp__fs_remove_tree(parent, folder + 5))
		printf("%s is left\n", folder);
	close(parent);
	return rc;
}
