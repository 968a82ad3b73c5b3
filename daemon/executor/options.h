/* The command line. */
#ifndef EXECUTOR_OPTIONS_H
#define EXECUTOR_OPTIONS_H

#include <stddef.h>

struct options {
	int listen_fd;		 /* -1: none */
	const char *listen_unix; /* NULL: none */
	const char *workspace;
	unsigned max_running;
	unsigned max_queued;
	size_t spool_bytes;
	const char *report_url; /* NULL: nothing is pushed */
	const char *report_session;
	const char *report_token_file; /* NULL: the token is in the environment */
};

/** 0, or -1 (it said why, on stderr). --help and --version print and exit. */
int options_parse(struct options *out, int argc, char **argv);

#endif
