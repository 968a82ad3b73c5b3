/* doctor: what this machine can do, by our own eyes and by what the library tries. */
#include "ctl.h"
#include "doctor.h"

#include <errno.h>
#include <stdio.h>

#include "err.h"

static enum verdict verdict_of(scp_health_status status)
{
	return status == SCP_HEALTHY ? VERDICT_OK : status == SCP_DEGRADED ? VERDICT_WARN : VERDICT_FAIL;
}

static void add_limit(struct findings *f, const scp_limit *l)
{
	char name[32];

	(void)snprintf(name, sizeof(name), "limit: %.20s", l->name);
	finding_add(f, name, name_in("not enforced", l->state) ? VERDICT_WARN : VERDICT_OK,
	    "sandboxd refuses to start like this unless --allow-unenforced names the limit", "%s%s%s", l->state,
	    l->detail && *l->detail ? ": " : "", l->detail ? l->detail : "");
}

/* What the library itself says once it has tried everything that it would use. */
static scp_status ask_library(struct findings *f, const struct args *a, scp_error *err)
{
	scp_plane_options options = SCP_PLANE_OPTIONS_INIT;
	scp_check *check = NULL;
	scp_status rc;

	options.state_dir = a->state_dir;
	options.runtime_urls = a->runtime ? &a->runtime : NULL;
	options.runtime_url_count = a->runtime ? 1 : 0;
	options.allow_unenforced = a->allow_unenforced;
	options.log_level = SCP_LOG_OFF;
	rc = scp_plane_check(&check, &options, err);
	for (size_t i = 0; !rc && i < check->probe_count; i++) {
		const scp_probe *p = check->probes[i];

		finding_add(f, p->name, verdict_of(p->status), p->hint, "%s", p->detail ? p->detail : "");
	}
	for (size_t i = 0; !rc && i < check->limit_count; i++)
		add_limit(f, check->limits[i]);
	scp_check_free(check);
	return rc;
}

static const char *const verdicts[] = { "ok", "warn", "fail" };

static int print_findings(const struct findings *f, scp_error *err)
{
	for (size_t i = 0; i < f->count; i++) {
		printf("%-5s %-18s %s\n", verdicts[f->item[i].verdict], f->item[i].name, f->item[i].detail);
		if (f->item[i].fix[0])
			printf("%24s fix: %s\n", "", f->item[i].fix);
	}
	if (fflush(stdout)) {
		scp__fail_errno(err, errno, "standard output");
		return -1;
	}
	return 0;
}

static int print_findings_json(const struct findings *f, bool ok, scp_error *err)
{
	struct answer a = { 0 };
	scp__json_writer w;
	int rc;

	scp__buf_init(&a.text, 1u << 20);
	scp__jw_init(&w, &a.text);
	scp__jw_object(&w, NULL);
	scp__jw_bool(&w, "ok", ok);
	scp__jw_array(&w, "checks");
	for (size_t i = 0; i < f->count; i++) {
		scp__jw_object(&w, NULL);
		scp__jw_string(&w, "name", f->item[i].name);
		scp__jw_string(&w, "status", verdicts[f->item[i].verdict]);
		scp__jw_string(&w, "detail", f->item[i].detail);
		scp__jw_string(&w, "fix", f->item[i].fix[0] ? f->item[i].fix : NULL);
		scp__jw_end_object(&w);
	}
	scp__jw_end_array(&w);
	scp__jw_end_object(&w);
	rc = print_json(&a, err);
	answer_free(&a);
	return rc;
}

int cmd_doctor(struct ctl *ctl, scp_error *err)
{
	struct findings f = { 0 };
	scp_error why = { 0 };
	bool ok = true;
	int rc;

	doctor_look(&f, ctl->args.state_dir);
	if (ask_library(&f, &ctl->args, &why))
		finding_add(&f, "library", VERDICT_FAIL, why.hint, "%s", why.message);
	for (size_t i = 0; i < f.count; i++)
		ok = ok && f.item[i].verdict != VERDICT_FAIL;
	rc = ctl->args.json ? print_findings_json(&f, ok, err) : print_findings(&f, err);
	return rc ? rc : ok ? 0 : EXIT_ERROR;
}
