/* sandboxctl: the command line of a sandbox control plane. The table below is all of it. */
#include "ctl.h"
#include "values.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"

#define COMMON "server,token-file,json,embedded,state-dir,runtime,allow-unenforced,help,version"
#define EXECUTION "language,code,timeout,event,stdin,env,retries"
#define RESOURCES "cpu,memory,disk,processes"
#define DEFAULT_SERVER "http://127.0.0.1:8000"

/* clang-format off */
static const struct command commands[] = {
	{ "run", "FILE|-", "run code in a session of its own, end as the code ends, remove the session",
	  EXECUTION ",template,keep,network,agent-id," RESOURCES, 0, 1, false, cmd_run },
	{ "exec", "SESSION FILE|-", "run code in a session", EXECUTION ",key,detach", 1, 2, false, cmd_exec },
	{ "logs", "EXECUTION", "print an execution's output; follows it until it is over", "", 1, 1, false, cmd_logs },
	{ "cp", "LOCAL SESSION:PATH | SESSION:PATH LOCAL", "copy a file into or out of a session; - is standard input or output",
	  "", 2, 2, false, cmd_cp },
	{ "ps", "", "list live sessions and what runs in them", "all,limit", 0, 0, false, cmd_ps },
	{ "session create", "", "create a session and print its id",
	  "template,timeout,env,ephemeral,network,agent-id,key,wait," RESOURCES, 0, 0, false, cmd_session_create },
	{ "session list", "", "list sessions, newest first", "status,template,limit,offset", 0, 0, false, cmd_session_list },
	{ "session get", "SESSION", "print a session", "", 1, 1, false, cmd_session_get },
	{ "session keepalive", "SESSION", "move a session's end", "extend", 1, 1, false, cmd_session_keepalive },
	{ "session delete", "SESSION...", "end sessions and remove their containers", "", 1, 32, false, cmd_session_delete },
	{ "doctor", "", "check what this machine can do, and say how to mend what it can't", "", 0, 0, true, cmd_doctor },
};
/* clang-format on */
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static size_t words_in(const char *name)
{
	return strchr(name, ' ') ? 2 : 1;
}

static bool named(const struct command *c, const struct args *a)
{
	char name[64];

	if (a->words.count < words_in(c->name))
		return false;
	if (words_in(c->name) == 1)
		return !strcmp(c->name, a->words.item[0]);
	(void)snprintf(name, sizeof(name), "%s %s", a->words.item[0], a->words.item[1]);
	return !strcmp(c->name, name);
}

static const struct command *find(const struct args *a)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (named(&commands[i], a))
			return &commands[i];
	return NULL;
}

static void print_options(const char *list)
{
	for (size_t i = 0; option_at(i); i++) {
		const struct option_row *o = option_at(i);
		char left[48];

		if (!name_in(list, o->name))
			continue;
		(void)snprintf(left, sizeof(left), "--%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
		if (o->letter)
			printf("  -%c, %-22s %s\n", o->letter, left, o->help);
		else
			printf("      %-22s %s\n", left, o->help);
	}
}

static int print_help(const struct command *c)
{
	if (c) {
		printf("usage: sandboxctl %s [options] %s\n\n%s\n\n", c->name, c->operands, c->summary);
		if (*c->options)
			printf("options:\n");
		print_options(c->options);
		printf("%soptions of every command:\n", *c->options ? "\n" : "");
	} else {
		printf("usage: sandboxctl COMMAND [options] ...\n\ncommands:\n");
		for (size_t i = 0; i < COMMAND_COUNT; i++)
			printf("  %-18s %s\n", commands[i].name, commands[i].summary);
		printf("\nsandboxctl COMMAND --help says more.\n\noptions of every command:\n");
	}
	print_options(COMMON);
	return fflush(stdout) ? EXIT_ERROR : 0;
}

static int usage_error(const struct command *c, scp_error *err)
{
	scp__hint(err, "sandboxctl %s%s--help", c ? c->name : "", c ? " " : "");
	print_error(err);
	return EXIT_USAGE;
}

/* The first line of a file, or the variable's value; *token may stay NULL. free(). */
static scp_status read_token(char **token, const char *file, scp_error *err)
{
	const char *value = getenv("SANDBOXD_API_TOKEN");
	struct input in = { 0 };
	scp_status rc;

	if (!file) {
		*token = value && *value ? strdup(value) : NULL;
		return SCP_OK;
	}
	rc = input_read(&in, file, "--token-file", err);
	if (rc)
		return rc;
	in.data[strcspn(in.data, "\r\n")] = '\0';
	*token = in.data;
	return *in.data ? SCP_OK : scp__fail(err, SCP_EINVAL, "--token-file: the first line of %s is empty", file);
}

static scp_status open_target(struct ctl *ctl, scp_error *err)
{
	const char *server = ctl->args.server ? ctl->args.server : getenv("SANDBOXCTL_SERVER");
	char *token = NULL;
	scp_status rc;

	if (ctl->args.embedded)
		return embedded_open(
		    &ctl->target, ctl->args.state_dir, ctl->args.runtime, ctl->args.allow_unenforced, err);
	rc = read_token(&token, ctl->args.token_file, err);
	if (!rc)
		rc = remote_open(&ctl->target, server && *server ? server : DEFAULT_SERVER, token, err);
	free(token);
	return rc;
}

static int run_command(const struct command *c, struct ctl *ctl, scp_error *err)
{
	int rc = FAILED;

	ctl->word = ctl->args.words.item + words_in(c->name);
	ctl->words = ctl->args.words.count - words_in(c->name);
	if (c->no_target || !open_target(ctl, err))
		rc = c->run(ctl, err);
	if (rc == MISUSED)
		rc = usage_error(c, err);
	else if (rc < 0)
		print_error(err);
	if (ctl->target)
		ctl->target->ops->close(ctl->target);
	return rc < 0 ? EXIT_ERROR : rc;
}

static scp_status check_usage(const struct command *c, const struct args *a, scp_error *err)
{
	size_t words = a->words.count - words_in(c->name);

	if (words < c->min_words || words > c->max_words)
		return scp__fail(err, SCP_EINVAL, "usage: sandboxctl %s %s", c->name, c->operands);
	if (a->embedded && (a->server || a->token_file))
		return scp__fail(err, SCP_EINVAL, "--embedded has no --server and no --token-file");
	return args_only(a, c->options, COMMON, err);
}

int main(int argc, char *argv[])
{
	struct ctl ctl = { 0 };
	const struct command *c;
	scp_error err = { 0 };

	(void)signal(SIGPIPE, SIG_IGN);
	args_init(&ctl.args);
	if (args_parse(&ctl.args, argc, argv, &err))
		return usage_error(NULL, &err);
	c = find(&ctl.args);
	if (ctl.args.help)
		return print_help(c);
	if (ctl.args.version)
		return printf("sandboxctl %s\n", SCP_VERSION_STRING) < 0 || fflush(stdout) ? EXIT_ERROR : 0;
	if (!c) {
		if (ctl.args.words.count)
			scp__fail(&err, SCP_EINVAL, "there is no command '%s'", ctl.args.words.item[0]);
		else
			scp__fail(&err, SCP_EINVAL, "which command?");
		return usage_error(NULL, &err);
	}
	if (check_usage(c, &ctl.args, &err))
		return usage_error(c, &err);
	return run_command(c, &ctl, &err);
}
