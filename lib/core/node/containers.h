/* What the files of containers and nodes share. */
#ifndef SCP_CORE_CONTAINERS_H
#define SCP_CORE_CONTAINERS_H

#include "plane.h"

scp_status scp__container_show(scp__core *core, const char *id, scp__container_shown **out, scp_error *err);

#endif
