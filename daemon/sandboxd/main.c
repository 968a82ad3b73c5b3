/* sandboxd: libsandboxcp's API over HTTP. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include <sandboxcp/plane.h>
#include <sandboxcp/version.h>

#include "check_machine.h"
#include "openapi/document.h"
#include "serve.h"

#define LARGE_BYTES (128 << 10)

static const char *get(const char *name)
{
	return getenv(name);
}

static int complain(const scp_error *err, int code)
{
	(void)fprintf(stderr, "sandboxd: %s\n", err->message);
	if (err->hint[0])
		(void)fprintf(stderr, "%s.\n", err->hint);
	return code;
}

static int migrate(const struct config *c)
{
	scp_plane_options options;
	char seed_images[2048];
	scp_error err = { 0 };

	config_plane_options(c, &options, seed_images);
	return scp_plane_migrate(&options, &err) ? complain(&err, 1) : 0;
}

static int run(const struct config *c)
{
	scp_error err = { 0 };

	if (c->help)
		config_help(stdout);
	else if (c->version)
		(void)printf("sandboxd %s\n", scp_version());
	else if (c->print_config)
		config_print(c, stdout);
	else if (c->print_openapi)
		return document_print(stdout, &err) ? complain(&err, 1) : 0;
	else if (c->migrate)
		return migrate(c);
	else if (c->check)
		return check_machine(c, stdout);
	else if (serve(c, &err))
		return complain(&err, 1);
	return 0;
}

int main(int argc, char *argv[])
{
	struct config c;
	scp_error err = { 0 };
	int code;

	/* Fixed, so that what a large answer took goes back to the kernel, however often there was one. */
	(void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
	(void)mallopt(M_TRIM_THRESHOLD, LARGE_BYTES);
	if (config_load(&c, argc, argv, get, &err))
		return complain(&err, 2);
	code = run(&c);
	config_free(&c);
	return code;
}
