/*
 * Adapters that lie: a true one, one operation of which breaks one promise. The suite must fail on each of them, in the
 * case that is there for that promise, and in none with the true one.
 */
#ifndef TESTS_CONTRACT_LIARS_H
#define TESTS_CONTRACT_LIARS_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>

struct liar {
	const char *lie;
	const char *found_by;	    /* the case that must fail; NULL: it tells the truth, and none may */
	void (*corrupt)(void *ops); /* changes a copy of the true vtable */
};

typedef void add_suites(SRunner *runner);

/** Run on each liar the case that is to find it, and all on the truth; *now is it meanwhile. A line for each, and a
 * summary as Check's; the exit code. */
int find_liars(const struct liar *liars, size_t count, const struct liar **now, add_suites *suites);

/** The suites, as CK_… in the environment say; the exit code. */
int run_suites(add_suites *suites);

/** A function of a shared object; NULL: it has none, which is said if it is `required`. */
void *contract_symbol(const char *path, const char *name, bool required);

#endif
