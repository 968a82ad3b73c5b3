#include "runtime_suite.h"

#include <stdio.h>
#include <string.h>

const char *contract_case;
bool (*runtime_away)(bool away);

scp_status see(void *user, const scp_runtime_info *info, scp_error *err)
{
	struct seen *s = user;

	(void)err;
	s->count++;
	s->status = info->status;
	s->pid = info->host_pid;
	s->exit_code = info->exit_code;
	s->oom_killed = info->oom_killed;
	s->created_us = info->created_us;
	s->started_us = info->started_us;
	(void)snprintf(s->name, sizeof(s->name), "%s", info->name);
	for (size_t i = 0; i < info->label_count; i++) {
		if (strcmp(info->labels[i].name, "session") == 0)
			(void)snprintf(s->label, sizeof(s->label), "%s", info->labels[i].value);
		if (strcmp(info->labels[i].name, "odd") == 0)
			(void)snprintf(s->odd, sizeof(s->odd), "%s", info->labels[i].value);
	}
	return SCP_OK;
}

struct seen inspect(const char *name)
{
	struct seen s = { 0 };

	ck_assert_int_eq(scp__runtime_inspect(rt, name, see, &s, NULL), SCP_OK);
	ck_assert_uint_eq(s.count, 1);
	ck_assert_str_eq(s.name, name);
	return s;
}

struct seen list_all(void)
{
	struct seen s = { 0 };

	ck_assert_int_eq(scp__runtime_list(rt, see, &s, NULL), SCP_OK);
	return s;
}

void add_runtime_suites(SRunner *runner)
{
	srunner_add_suite(runner, runtime_conformance_suite());
	srunner_add_suite(runner, runtime_manners_suite());
}
