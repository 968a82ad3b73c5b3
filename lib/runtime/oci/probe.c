/*
 * Which runtime program works here? Found by running a container with limits and reading them back: programs have been
 * seen to refuse this machine's cgroups, and to ignore limits without a word. crun first, being three times as fast.
 */
#include "oci.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "err.h"
#include "fs.h"
#include "id.h"
#include "json.h"
#include "proc.h"

#define CACHE_FILE "runtime-oci.json"
#define CACHE_REVISION 2 /* of what is probed: another one probes anew */
#define MIB (1024ull * 1024)

/* What makes a probe's answer hold: this boot, this program. */
struct fingerprint {
	char path[PATH_MAX];
	int64_t size;
	int64_t mtime_ns;
	int64_t inode;
};

static bool fingerprint_of(const char *path, struct fingerprint *out)
{
	struct stat st;

	if (stat(path, &st))
		return false;
	(void)snprintf(out->path, sizeof(out->path), "%s", path);
	out->size = st.st_size;
	out->mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
	out->inode = (int64_t)st.st_ino;
	return true;
}

/* ---- what was found out earlier ---- */

static void keep(scp__oci *o, const char *wanted)
{
	struct fingerprint print;
	scp__json_writer w;
	scp__buf buf;
	int dir;

	if (!fingerprint_of(o->program.path, &print))
		return;
	scp__buf_init(&buf, 8192);
	scp__jw_init(&w, &buf);
	scp__jw_object(&w, NULL);
	scp__jw_int(&w, "revision", CACHE_REVISION);
	scp__jw_string(&w, "boot_id", o->boot_id);
	scp__jw_int(&w, "cgroups", o->cgroups.kind);
	scp__jw_string(&w, "wanted", wanted);
	scp__jw_string(&w, "path", print.path);
	scp__jw_int(&w, "size", print.size);
	scp__jw_int(&w, "mtime_ns", print.mtime_ns);
	scp__jw_int(&w, "inode", print.inode);
	scp__jw_string(&w, "version", o->program.version);
	scp__jw_bool(&w, "hide_controllers", o->program.hide_controllers);
	scp__jw_int(&w, "limits", o->program.limits);
	scp__jw_string(&w, "detail", o->detail);
	scp__jw_end_object(&w);
	dir = open(o->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* Without it the next start probes again. */
	if (dir >= 0 && !buf.status)
		(void)scp__fs_write_file(dir, CACHE_FILE, buf.data, buf.len, 0600, false);
	if (dir >= 0)
		close(dir);
	scp__buf_free(&buf);
}

static bool same_text(const scp__json *json, const char *key, const char *value)
{
	const char *text = scp__json_string(scp__json_get(json, key));

	return text && strcmp(text, value) == 0;
}

static bool same_number(const scp__json *json, const char *key, int64_t value)
{
	int64_t number = -1;

	return !scp__json_get_int(json, key, 0, INT64_MAX, &number, NULL) && number == value;
}

static void set_program(scp__oci_program *p, const char *path)
{
	const char *slash = strrchr(path, '/');

	memset(p, 0, sizeof(*p));
	(void)snprintf(p->path, sizeof(p->path), "%s", path);
	(void)snprintf(p->name, sizeof(p->name), "%.31s", slash ? slash + 1 : path);
}

static bool take_over(scp__oci *o, const char *wanted, const scp__json *json)
{
	const char *path = scp__json_string(scp__json_get(json, "path"));
	const char *version = scp__json_string(scp__json_get(json, "version"));
	const char *detail = scp__json_string(scp__json_get(json, "detail"));
	struct fingerprint print;
	int64_t limits = 0;

	if (!same_number(json, "revision", CACHE_REVISION) || !same_number(json, "cgroups", o->cgroups.kind) ||
	    !same_text(json, "boot_id", o->boot_id) || !same_text(json, "wanted", wanted) || !path || !version ||
	    !detail || !fingerprint_of(path, &print))
		return false;
	if (!same_number(json, "size", print.size) || !same_number(json, "mtime_ns", print.mtime_ns) ||
	    !same_number(json, "inode", print.inode))
		return false;
	if (scp__json_get_int(json, "limits", 0, SCP__OCI_HAS_ALL, &limits, NULL) ||
	    (SCP__OCI_HAS_ALL & ~(unsigned)limits & ~o->allowed))
		return false;
	set_program(&o->program, path);
	o->program.limits = (unsigned)limits;
	o->program.hide_controllers = scp__json_bool(scp__json_get(json, "hide_controllers"));
	(void)snprintf(o->program.version, sizeof(o->program.version), "%s", version);
	(void)snprintf(o->detail, sizeof(o->detail), "%s", detail);
	return true;
}

static bool known(scp__oci *o, const char *wanted)
{
	int dir = open(o->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	scp__json *json = NULL;
	char *text = NULL;
	bool found = false;
	size_t len;

	if (dir >= 0 && !scp__fs_read_file(dir, CACHE_FILE, 16384, &text, &len) &&
	    !scp__json_parse(&json, text, len, CACHE_FILE, NULL))
		found = take_over(o, wanted, json);
	if (dir >= 0)
		close(dir);
	scp__json_free(json);
	free(text);
	return found;
}

/* ---- finding out ---- */

/* "runc version 1.1.5+ds1" */
static scp_status read_version(scp__oci_program *p, scp_error *err)
{
	const char *argv[] = { p->path, "--version", NULL };
	scp__proc_options options = SCP__PROC_OPTIONS_INIT;
	const char *at;
	scp_status rc;
	int status = 0;
	scp__buf out;

	scp__buf_init(&out, 4096);
	options.argv = argv;
	options.out = &out;
	options.timeout_ms = 10000;
	rc = scp__proc_run(&options, &status, err);
	at = !rc && out.data ? strstr(out.data, "version ") : NULL;
	if (at)
		(void)snprintf(p->version, sizeof(p->version), "%.*s", (int)strcspn(at + 8, " \n"), at + 8);
	if (!rc && !at)
		rc = scp__fail(err, SCP_EBACKEND, "%s --version says no version", p->path);
	scp__buf_free(&out);
	return rc;
}

static scp_status run_probe(scp__oci *o, const char *name, scp_error *err)
{
	static const char *const args[] = { "-c", "exec sleep 60", NULL };
	static const scp_resources resources = { sizeof(resources), 500, 64 * MIB, 0, 40 };
	scp_runtime_spec spec = { .struct_size = sizeof(spec),
		.name = name,
		.image = "host:",
		.executor_path = "/bin/sh",
		.executor_args = args,
		.resources = &resources,
		.read_only_root = true,
		.tmp_bytes = MIB };
	unsigned allowed = o->allowed;
	scp__oci_limits want;
	scp_status rc;

	o->allowed = SCP__OCI_HAS_ALL; /* what is missing is judged by the caller */
	rc = scp__oci_run(&o->base, &spec, err);
	o->allowed = allowed;
	if (rc)
		return rc;
	scp__oci_spec_limits(&spec, &want);
	o->program.limits = scp__oci_cgroup_verify(&o->cgroups, name, &want);
	return scp__oci_remove(&o->base, name, err);
}

static void lacking_text(unsigned lacking, char *out, size_t size)
{
	(void)snprintf(out, size, "%s%s%s", lacking & SCP__OCI_HAS_MEMORY ? " memory" : "",
	    lacking & SCP__OCI_HAS_CPU ? " cpu" : "", lacking & SCP__OCI_HAS_PROCESSES ? " processes" : "");
}

static scp_status try_program(scp__oci *o, const char *path, scp_error *err)
{
	char name[32] = "probe-", text[48];
	unsigned lacking;
	scp_status rc;

	set_program(&o->program, path);
	o->program.hide_controllers =
	    !o->of_user && !o->cgroups.v2 && o->cgroups.unified[0] && strcmp(o->program.name, "crun") == 0;
	rc = read_version(&o->program, err);
	if (!rc)
		rc = scp__id_random(name + 6, 12, err);
	if (!rc)
		rc = run_probe(o, name, err);
	if (rc)
		return rc;
	lacking = SCP__OCI_HAS_ALL & ~o->program.limits & ~o->allowed;
	if (!lacking)
		return SCP_OK;
	lacking_text(lacking, text, sizeof(text));
	return scp__fail(err, SCP_ENOTSUP, "it runs, but without the limits of%s", text);
}

/* One candidate; why it isn't taken is added to `why`. */
static bool try_candidate(scp__oci *o, const char *name, char *why, size_t size)
{
	size_t len = strlen(why);
	char path[PATH_MAX];
	scp_error err = { 0 };

	if (o->of_user && strstr(name, "runc"))
		(void)snprintf(why + len, size - len,
		    "%s%s: an ordinary user's container uid 0 must be another uid, which it can't do", len ? "; " : "",
		    name);
	else if (!scp__proc_find(name, path, sizeof(path)))
		(void)snprintf(why + len, size - len, "%s%s: not installed", len ? "; " : "", name);
	else if (try_program(o, path, &err))
		(void)snprintf(why + len, size - len, "%s%s: %.150s", len ? "; " : "", name, err.message);
	else
		return true;
	return false;
}

static void say_which(scp__oci *o, const char *why)
{
	static const char *const cgroups[] = {
		[SCP__OCI_CGROUPS_OURS] = "v1",
		[SCP__OCI_CGROUPS_SCOPES] = "v2 by the user's systemd",
		[SCP__OCI_CGROUPS_NONE] = "none",
	};
	bool ours_v2 = o->cgroups.kind == SCP__OCI_CGROUPS_OURS && o->cgroups.v2;

	(void)snprintf(o->detail, sizeof(o->detail), "%.31s %.32s (%.80s), cgroup %s%s%s%.180s", o->program.name,
	    o->program.version, o->program.path, ours_v2 ? "v2" : cgroups[o->cgroups.kind],
	    o->program.hide_controllers ? ", the empty v2 tree hidden from it" : "", why[0] ? "; not " : "", why);
}

scp_status scp__oci_probe(scp__oci *o, const char *wanted, scp_error *err)
{
	const char *const candidates[] = { wanted[0] ? wanted : "crun", wanted[0] || o->of_user ? NULL : "runc", NULL };
	char why[360] = "";
	scp_status rc;

	if (known(o, wanted))
		return SCP_OK;
	for (size_t i = 0; candidates[i]; i++)
		if (try_candidate(o, candidates[i], why, sizeof(why))) {
			say_which(o, why);
			scp__log_write(&o->log, SCP_LOG_INFO, "oci", NULL, NULL, "runtime program: %s", o->detail);
			keep(o, wanted);
			return SCP_OK;
		}
	rc = scp__fail(err, SCP_ENOTSUP, "no OCI runtime program works here: %s", why);
	scp__hint(err,
	    "Install %s); limits that may be missing are allowed by name: --allow-unenforced memory,cpu,processes",
	    !o->of_user				       ? "runc or crun (apt-get install runc"
	    : o->cgroups.kind == SCP__OCI_CGROUPS_NONE ? "crun, and boot with cgroup v2 "
							 "(systemd.unified_cgroup_hierarchy=1"
						       : "crun (apt-get install crun");
	return rc;
}
