#include "options.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spool.h"

#define MIB (1u << 20)
#define SPOOL_MIB_MIN (SPOOL_RUN / MIB + 2u)

static const char usage[] = "usage: sandbox-executor (--listen-fd=N | --listen-unix=PATH) [options]\n"
			    "  --listen-fd=N       serve a listening stream socket that was handed in\n"
			    "  --listen-unix=PATH  serve a unix socket made there\n"
			    "  --workspace=PATH    the code's working folder (/workspace)\n"
			    "  --max-running=N     executions at once, 1 to 64 (8)\n"
			    "  --max-queued=N      executions that may wait, 0 to 4096 (64)\n"
			    "  --spool-mib=N       memory for results that aren't acknowledged yet, 5 to 4096 (32)\n"
			    "  --report-url=URL    push mode: report to http://ADDRESS:PORT or unix:/PATH\n"
			    "  --report-session=ID the session whose sandbox this is\n"
			    "  --report-token-file=PATH  its token; else SANDBOX_REPORT_TOKEN holds it\n"
			    "  --version, --help\n";

static bool number(const char *text, unsigned long min, unsigned long max, unsigned long *out)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	*out = strtoul(text, &end, 10);
	return !*end && *out >= min && *out <= max;
}

/* The value of "--name=value", if `arg` is of that name. */
static const char *value_of(const char *arg, const char *name)
{
	size_t len = strlen(name);

	return !strncmp(arg, name, len) && arg[len] == '=' ? arg + len + 1 : NULL;
}

static bool take(struct options *o, const char *arg)
{
	const char *value;
	unsigned long n;

	if ((value = value_of(arg, "--listen-unix")))
		return (o->listen_unix = value)[0] == '/';
	if ((value = value_of(arg, "--workspace")))
		return (o->workspace = value)[0] == '/';
	if ((value = value_of(arg, "--report-url")))
		return (o->report_url = value)[0] != '\0';
	if ((value = value_of(arg, "--report-session")))
		return (o->report_session = value)[0] != '\0';
	if ((value = value_of(arg, "--report-token-file")))
		return (o->report_token_file = value)[0] == '/';
	if ((value = value_of(arg, "--listen-fd")) && number(value, 3, 1023, &n))
		o->listen_fd = (int)n;
	else if ((value = value_of(arg, "--max-running")) && number(value, 1, 64, &n))
		o->max_running = (unsigned)n;
	else if ((value = value_of(arg, "--max-queued")) && number(value, 0, 4096, &n))
		o->max_queued = (unsigned)n;
	else if ((value = value_of(arg, "--spool-mib")) && number(value, SPOOL_MIB_MIN, 4096, &n))
		o->spool_bytes = (size_t)n * MIB;
	else
		return false;
	return true;
}

int options_parse(struct options *out, int argc, char **argv)
{
	*out = (struct options){
		.listen_fd = -1, .workspace = "/workspace", .max_running = 8, .max_queued = 64, .spool_bytes = 32u * MIB
	};
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "--version")) {
			(void)fputs(argv[i][2] == 'h' ? usage : "sandbox-executor " EXECUTOR_VERSION "\n", stdout);
			exit(0);
		}
		if (!take(out, argv[i])) {
			(void)fprintf(
			    stderr, "sandbox-executor: %s: not understood, or out of range\n%s", argv[i], usage);
			return -1;
		}
	}
	if ((out->listen_fd < 0) == !out->listen_unix) {
		(void)fprintf(stderr, "sandbox-executor: give one of --listen-fd and --listen-unix\n%s", usage);
		return -1;
	}
	return 0;
}
