/* What the files of templates share. */
#ifndef SCP_CORE_TEMPLATE_H
#define SCP_CORE_TEMPLATE_H

#include "plane.h"

enum {
	SCP__TEMPLATE_TIMEOUT_S = 300,
	SCP__TEMPLATE_USER = 1000,
	SCP__TEMPLATE_PROCESSES = 128,
	SCP__TEMPLATE_PROCESS_LIMIT = 1024,
};

/** What a template that says nothing gives its sessions. */
extern const scp_resources scp__template_resources;

/** Is it one that every plane comes with? Then its row outlives its deletion, or the next start would bring it back. */
bool scp__template_is_seed(const char *id);

/** Every limit of the REST contract. `id`: the one to change, or NULL for a new one. */
scp_status scp__check_template_spec(const char *id, const scp_template_spec *spec, scp_error *err);
void scp__digest_template_spec(const scp_template_spec *spec, char out[65]);

#endif
