/* run, exec, logs: code goes in, output comes out as it is made, and the program ends as the code did. */
#include "interrupt.h"
#include "job.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "err.h"
#include "fs.h"

/* Called in the signals' thread: what it ends lets the watching thread see a result. */
static void on_interrupt(void *user)
{
	struct job *j = user;
	struct target *t = j->ctl->target;
	struct answer a = { 0 };
	bool session, execution;

	(void)pthread_mutex_lock(&j->lock);
	j->interrupted = true;
	session = j->own_session && j->session[0];
	execution = !j->own_session && j->execution[0];
	(void)pthread_mutex_unlock(&j->lock);
	if (session)
		(void)t->ops->session_delete(t, j->session, &a, NULL);
	if (execution)
		(void)t->ops->execution_cancel(t, j->execution, NULL);
	answer_free(&a);
}

/* False: an interrupt came before there was anything to end. */
static bool note_id(struct job *j, char id[64], const char *text)
{
	bool go_on;

	(void)pthread_mutex_lock(&j->lock);
	(void)snprintf(id, 64, "%s", text);
	go_on = !j->interrupted;
	(void)pthread_mutex_unlock(&j->lock);
	return go_on;
}

static scp_status on_output(void *user, bool is_stderr, const void *data, size_t len, scp_error *err)
{
	struct job *j = user;

	if (j->ctl->args.json)
		return SCP_OK;
	spinner_hide(j->spinner);
	if (!scp__fs_write_all(is_stderr ? STDERR_FILENO : STDOUT_FILENO, data, len))
		return SCP_OK;
	return scp__fail_errno(err, errno, is_stderr ? "standard error" : "standard output");
}

static void on_status(void *user, const char *name)
{
	spinner_say(((struct job *)user)->spinner, name);
}

static int exit_code_of(const scp__json *result)
{
	const scp__json *code = scp__json_get(result, "exit_code"), *signal = scp__json_get(result, "signal");
	const char *status = answer_text(result, "status");

	if (!strcmp(status, "timeout"))
		return EXIT_TIMEOUT;
	if (!strcmp(status, "success"))
		return 0;
	if (signal && scp__json_typeof(signal) == SCP__JSON_NUMBER && scp__json_number(signal) > 0)
		return EXIT_SIGNAL + (int)scp__json_number(signal);
	if (code && scp__json_typeof(code) == SCP__JSON_NUMBER && scp__json_number(code) > 0)
		return (int)scp__json_number(code);
	return EXIT_ERROR;
}

static void warn_truncated(const scp__json *result, const char *flag, const char *bytes, const char *name)
{
	const scp__json *cut = scp__json_get(result, flag), *n = scp__json_get(result, bytes);

	if (cut && scp__json_bool(cut))
		fprintf(
		    stderr, "sandboxctl: %s was cut: the code wrote %.0f bytes\n", name, n ? scp__json_number(n) : 0.0);
}

/* Code that ended by an exit code of its own has said itself what was wrong. */
static void explain(const scp__json *result)
{
	const scp__json *code = scp__json_get(result, "exit_code");
	bool own_exit = code && scp__json_typeof(code) == SCP__JSON_NUMBER && scp__json_number(code) > 0;

	warn_truncated(result, "stdout_truncated", "stdout_bytes", "stdout");
	warn_truncated(result, "stderr_truncated", "stderr_bytes", "stderr");
	if (!strcmp(answer_text(result, "status"), "success"))
		return;
	if (!own_exit || strcmp(answer_text(result, "status"), "failed"))
		fprintf(stderr, "sandboxctl: %s%s%s\n", answer_text(result, "status"),
		    *answer_text(result, "error") ? ": " : "", answer_text(result, "error"));
}

static int print_return_value(const scp__json *result, scp_error *err)
{
	const scp__json *v = scp__json_get(result, "return_value");
	struct answer a = { 0 };
	int rc = 0;

	if (!v || scp__json_typeof(v) == SCP__JSON_NULL)
		return 0;
	scp__buf_init(&a.text, 8u << 20);
	rc = scp__json_print(&a.text, v) ? FAILED : print_json(&a, err);
	answer_free(&a);
	return rc;
}

static int watch(struct job *j, scp_error *err)
{
	struct watcher w = { on_output, on_status, j };
	struct answer result = { 0 };
	struct target *t = j->ctl->target;
	int rc = FAILED, printed;

	if (!t->ops->watch(t, j->execution, &w, &result, err)) {
		spinner_hide(j->spinner);
		printed = j->ctl->args.json ? print_json(&result, err) : print_return_value(result.json, err);
		if (!j->ctl->args.json)
			explain(result.json);
		rc = printed ? FAILED : exit_code_of(result.json);
	}
	answer_free(&result);
	return rc;
}

static int submit_and_watch(struct job *j, scp_error *err)
{
	struct target *t = j->ctl->target;
	struct answer a = { 0 };
	int rc = FAILED;

	if (!t->ops->execute(t, j->session, &j->spec, &a, err)) {
		if (!note_id(j, j->execution, answer_text(a.json, "execution_id")))
			on_interrupt(j);
		if (!j->ctl->args.detach)
			rc = watch(j, err);
		else if (j->ctl->args.json)
			rc = print_json(&a, err);
		else
			rc = puts(j->execution) < 0 ? EXIT_ERROR : 0;
	}
	answer_free(&a);
	return rc;
}

static int with_interrupts(struct job *j, int (*fn)(struct job *, scp_error *), scp_error *err)
{
	struct interrupt *i = interrupt_start(on_interrupt, j);
	int rc = fn(j, err);
	int signal = interrupt_stop(i);

	return signal ? EXIT_SIGNAL + signal : rc;
}

int cmd_exec(struct ctl *ctl, scp_error *err)
{
	struct job j;
	int rc;

	job_init(&j, ctl);
	(void)snprintf(j.session, sizeof(j.session), "%s", ctl->word[0]);
	rc = job_load(&j, ctl->words > 1 ? ctl->word[1] : NULL, err);
	if (!rc) {
		j.spinner = ctl->args.detach ? NULL : spinner_start("pending");
		rc = with_interrupts(&j, submit_and_watch, err);
	}
	job_fini(&j);
	return rc;
}

static void remove_session(struct job *j)
{
	struct target *t = j->ctl->target;
	struct answer a = { 0 };
	scp_error err = { 0 };

	if (j->ctl->args.keep && !j->interrupted)
		fprintf(stderr, "sandboxctl: kept %s\n", j->session);
	else if (t->ops->session_delete(t, j->session, &a, &err))
		print_error(&err);
	answer_free(&a);
}

static int run_in_new_session(struct job *j, scp_error *err)
{
	const char *chosen = j->ctl->args.template_id;
	struct args *options = &j->ctl->args;
	struct answer a = { 0 };
	uint32_t timeout_s = options->timeout_s;
	int rc = FAILED;

	/* --timeout and --env are the execution's here; the session ends with it. */
	options->timeout_s = ARGS_UNSET;
	options->env.count = 0;
	if (!make_session(j->ctl, &a, 0, chosen ? chosen : template_for(j->spec.language), err)) {
		if (note_id(j, j->session, answer_text(a.json, "session_id")))
			rc = submit_and_watch(j, err);
		spinner_say(j->spinner, "removing the session");
		remove_session(j);
	}
	options->timeout_s = timeout_s;
	answer_free(&a);
	return rc;
}

int cmd_run(struct ctl *ctl, scp_error *err)
{
	struct job j;
	int rc;

	job_init(&j, ctl);
	j.own_session = true;
	rc = job_load(&j, ctl->words ? ctl->word[0] : NULL, err);
	if (!rc) {
		j.spinner = spinner_start("creating a session");
		rc = with_interrupts(&j, run_in_new_session, err);
	}
	job_fini(&j);
	return rc;
}

int cmd_logs(struct ctl *ctl, scp_error *err)
{
	struct job j;
	int rc;

	job_init(&j, ctl);
	(void)snprintf(j.execution, sizeof(j.execution), "%s", ctl->word[0]);
	rc = watch(&j, err);
	job_fini(&j);
	return rc < 0 ? rc : 0;
}
