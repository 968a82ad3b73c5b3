#include "job.h"

#include <stdlib.h>
#include <string.h>

#include "err.h"

void job_init(struct job *j, struct ctl *ctl)
{
	*j = (struct job){ .ctl = ctl, .spec = SCP_EXECUTION_SPEC_INIT };
	(void)pthread_mutex_init(&j->lock, NULL);
}

void job_fini(struct job *j)
{
	spinner_stop(j->spinner);
	free(j->code.data);
	free(j->event.data);
	free(j->input.data);
	free(j->env_storage);
	(void)pthread_mutex_destroy(&j->lock);
}

static scp_status load_event(struct job *j, scp_error *err)
{
	const char *event = j->ctl->args.event;
	scp_status rc = SCP_OK;

	if (!event)
		return SCP_OK;
	if (event[0] == '@') {
		rc = input_read(&j->event, event + 1, "--event", err);
		event = j->event.data;
	}
	if (!rc)
		rc = scp__json_check(event, strlen(event), "--event", err);
	j->spec.event_json = event;
	return rc;
}

static scp_status load_stdin(struct job *j, scp_error *err)
{
	scp_status rc = SCP_OK;

	if (j->ctl->args.stdin_file)
		rc = input_read(&j->input, j->ctl->args.stdin_file, "--stdin", err);
	j->spec.stdin_data = j->input.data;
	j->spec.stdin_len = j->input.len;
	return rc;
}

static scp_status load_code(struct job *j, const char *file, scp_error *err)
{
	const struct args *a = &j->ctl->args;
	scp_status rc;

	if (!a->code == !file)
		return scp__fail(
		    err, SCP_EINVAL, "give the code once: as FILE, as - for standard input, or by -c CODE");
	if (file && !strcmp(file, "-") && a->stdin_file && !strcmp(a->stdin_file, "-"))
		return scp__fail(err, SCP_EINVAL, "code and --stdin can't both come from standard input");
	if (file)
		rc = input_read(&j->code, file, "code", err);
	else
		rc = (j->code.data = strdup(a->code)) ? SCP_OK : scp__nomem(err);
	if (!file && !rc)
		j->code.len = strlen(a->code);
	if (!rc && !j->code.len)
		rc = scp__fail(err, SCP_EINVAL, "the code is empty");
	j->spec.code = j->code.data;
	j->spec.code_len = j->code.len;
	return rc ? rc : language_of(&j->spec.language, a->language, file, &j->code, err);
}

int job_load(struct job *j, const char *file, scp_error *err)
{
	const struct args *a = &j->ctl->args;
	scp_status rc = load_code(j, file, err);

	if (!rc)
		rc = load_event(j, err);
	if (!rc)
		rc = load_stdin(j, err);
	if (!rc)
		rc = env_pairs(j->env, &j->env_storage, &a->env, err);
	j->spec.env = j->env;
	j->spec.env_count = a->env.count;
	j->spec.timeout_s = a->timeout_s == ARGS_UNSET ? 0 : a->timeout_s;
	j->spec.idempotency_key = a->key;
	if (a->retries != ARGS_UNSET)
		j->spec.retries = a->retries ? (int32_t)a->retries : -1;
	return !rc ? 0 : rc == SCP_EINVAL ? MISUSED : FAILED;
}
