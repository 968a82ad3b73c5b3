#ifndef SCP_SANDBOXD_CHECK_MACHINE_H
#define SCP_SANDBOXD_CHECK_MACHINE_H

#include <stdio.h>

#include "config/config.h"

/** --check: what this machine can do with these options. The exit code. */
int check_machine(const struct config *c, FILE *out);

#endif
