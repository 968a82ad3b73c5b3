/* One finding about this machine. */
#ifndef SANDBOXCTL_DOCTOR_H
#define SANDBOXCTL_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>

enum verdict { VERDICT_OK, VERDICT_WARN, VERDICT_FAIL };

struct finding {
	char name[32];
	enum verdict verdict;
	char detail[512];
	char fix[256]; /* "" if there is nothing to do */
};

#define FINDINGS_MAX 48

struct findings {
	struct finding item[FINDINGS_MAX];
	size_t count;
};

/** Add one; `fix` NULL: nothing to do. Beyond FINDINGS_MAX they are dropped. */
void finding_add(struct findings *f, const char *name, enum verdict verdict, const char *fix, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/** What can be seen without the library: programs, kernel, cgroups, namespaces, seccomp, loop devices, space, port. */
void doctor_look(struct findings *f, const char *state_dir);

#endif
