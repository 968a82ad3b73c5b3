/* Puts the example to the test: contract-storage ./libmemory_contract.so (sandboxcp-backends(7)). */
#include "../../tests/contract/contract.h"
#include "memory_storage.h"

/* Every memory is a place of its own. */
scp_status contract_storage_open(scp_storage **out, const char *place, scp_error *err)
{
	(void)place;
	return memory_storage_open(out, 256 << 20, err);
}
