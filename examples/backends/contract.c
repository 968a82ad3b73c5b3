/*
 * Puts the examples to the test (sandboxcp-backends(7)):
 *   build/tests/contract/contract-storage build/examples/backends/libown_contract.so
 *   build/tests/contract/contract-database build/examples/backends/libown_contract.so
 */
#include "../../tests/contract/contract.h"

#include <stdio.h>
#include <stdlib.h>

#include "memory_storage.h"
#include "plain_database.h"

/* Every memory is a place of its own. */
scp_status contract_storage_open(scp_storage **out, const char *place, scp_error *err)
{
	(void)place;
	return memory_storage_open(out, 256 << 20, err);
}

scp_status contract_database_open(scp_database **out, const char *place, scp_error *err)
{
	const char *folder = getenv("CONTRACT_FOLDER");
	char path[256];

	snprintf(path, sizeof(path), "%s/%s.db", folder ? folder : "/tmp", place);
	return plain_database_open(out, path, err);
}
