/* How the suites add their cases. */
#ifndef TESTS_CONTRACT_CASE_H
#define TESTS_CONTRACT_CASE_H

#include <string.h>

#include <check.h>

/* Only the case of this name, to find out fast what must fail; NULL: all. Each suite has one, for its program. */
extern const char *contract_case;

#define contract_wants(name) (!contract_case || !strcmp(contract_case, #name))
#define add_case(tc, name)                                                                                             \
	do {                                                                                                           \
		if (contract_wants(name))                                                                              \
			tcase_add_test(tc, name);                                                                      \
	} while (0)
#define add_loop_case(tc, name, first, end)                                                                            \
	do {                                                                                                           \
		if (contract_wants(name))                                                                              \
			tcase_add_loop_test(tc, name, first, end);                                                     \
	} while (0)

#endif
