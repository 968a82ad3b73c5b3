/* What every fuzz target shares. A target is LLVMFuzzerTestOneInput(); what must hold is said by must(). */
#ifndef SCP_TESTS_FUZZ_H
#define SCP_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(what)                                                                                                     \
	do {                                                                                                           \
		if (!(what)) {                                                                                         \
			(void)fprintf(stderr, "%s:%d: %s doesn't hold\n", __FILE__, __LINE__, #what);                  \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

#endif
