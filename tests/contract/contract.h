/*
 * The conformance suites, for whoever writes a backend. A shared object exports the function of its port, and
 *   build/tests/contract/contract-storage ./my_backend.so
 * runs every case on it: each opens a backend anew, and closes it. Or a URL is given: contract-storage file:
 *
 * Only public headers are needed, and this one.
 */
#ifndef TESTS_CONTRACT_CONTRACT_H
#define TESTS_CONTRACT_CONTRACT_H

#include <stdbool.h>

#include <sandboxcp/sandboxcp.h>
#include <sandboxcp/sys/database.h>
#include <sandboxcp/sys/runtime.h>
#include <sandboxcp/sys/storage.h>

/*
 * A backend on a place of its own, which is empty: `place` is a name of letters and digits that no earlier case had. A
 * database that is a file may lie in $CONTRACT_FOLDER, which goes when all is over. A runtime's is the same for all
 * cases, which remove what they find: it names the node, which is closed and opened again.
 */
SCP_API scp_status contract_storage_open(scp_storage **out, const char *place, scp_error *err);
SCP_API scp_status contract_database_open(scp_database **out, const char *place, scp_error *err);
SCP_API scp_status contract_runtime_open(scp_runtime **out, const char *place, scp_error *err);

/* Optional. What the backend talks to is out of reach (true), or back (false), until it is said again; false: it can't
 * be done. Without it the cases of what is out of reach are passed over. */
SCP_API bool contract_away(bool away);

#endif
