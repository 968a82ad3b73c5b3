#include "check_machine.h"

#include <sandboxcp/health.h>

static void print_check(const scp_check *check, FILE *out)
{
	for (size_t i = 0; i < check->probe_count; i++) {
		const scp_probe *p = check->probes[i];

		(void)fprintf(
		    out, "%-10s %-10s %s\n", p->name, scp_health_status_name(p->status), p->detail ? p->detail : "");
		if (p->hint)
			(void)fprintf(out, "%-10s %-10s %s\n", "", "", p->hint);
	}
	for (size_t i = 0; i < check->limit_count; i++)
		(void)fprintf(out, "%-10s %-10s %s\n", check->limits[i]->name, check->limits[i]->state,
		    check->limits[i]->detail ? check->limits[i]->detail : "");
}

int check_machine(const struct config *c, FILE *out)
{
	scp_plane_options options;
	char seed_images[2048];
	scp_check *check = NULL;
	scp_error err = { 0 };
	bool ok;

	config_plane_options(c, &options, seed_images);
	if (scp_plane_check(&check, &options, &err)) {
		(void)fprintf(stderr, "sandboxd: %s (%s)\n", err.message, err.hint);
		return 2;
	}
	print_check(check, out);
	ok = check->ok;
	(void)fprintf(out, ok ? "sandboxd would work here.\n" : "sandboxd would not work here.\n");
	scp_check_free(check);
	return ok ? 0 : 1;
}
