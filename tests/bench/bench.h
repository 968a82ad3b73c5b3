/* What the speed figures' files share. Nothing here fails for being slow: figures are printed, people judge. */
#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>

#include <sandboxcp/sandboxcp.h>

/* ---- figures.c ---- */

double bench_now_ms(void);
/** Ends the program, saying why. */
_Noreturn void bench_die(const char *what, const char *why);

/** Times in ms, in the order in which they were taken. */
struct samples {
	size_t count;
	double ms[4096];
};

void bench_add(struct samples *s, double ms);
/** `q` of 0 … 1; sorts. */
double bench_quantile(struct samples *s, double q);
/** A line of the table: p50 and p99, and against what the design allows (may be NULL). */
void bench_line(const char *name, struct samples *s, const char *bound);
/** A line that isn't a distribution. */
void bench_note(const char *name, double value, const char *unit, const char *bound);

/* ---- bare.c: the same work without us ---- */

/** vfork, exec, wait. argv[0] is a path. */
double bench_bare_program(const char *const argv[]);

/** A process with mounts of its own that starts bundles with the runtime program alone. */
struct bare;
/** Before there are threads. */
struct bare *bench_bare_start(void);
/** Make a bundle like `container`'s, which runs now. False: that can't be done here. */
int bench_bare_copy(struct bare *b, const char *container, const char *program);
/** One `PROGRAM run -d` of it, in ms; it is deleted afterwards. Negative: it failed. */
double bench_bare_run(struct bare *b);
void bench_bare_end(struct bare *b);

#endif
