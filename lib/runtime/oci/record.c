/* record.json: what must be known of a container after kill -9 of everybody who made it. */
#include "oci.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "err.h"
#include "fs.h"
#include "json.h"

#define RECORD_MAX (64 * 1024)
#define RECORD_FILE "record.json"

static void write_labels(scp__json_writer *w, const scp__oci_record *r)
{
	scp__jw_array(w, "labels");
	for (size_t i = 0; i < r->label_count; i++) {
		scp__jw_object(w, NULL);
		scp__jw_string(w, "name", r->labels[i].name);
		scp__jw_string(w, "value", r->labels[i].value);
		scp__jw_end_object(w);
	}
	scp__jw_end_array(w);
}

scp_status scp__oci_record_write(int dir, const scp__oci_record *r, scp_error *err)
{
	scp__json_writer w;
	scp_status rc = SCP_OK;
	scp__buf buf;

	scp__buf_init(&buf, RECORD_MAX);
	scp__jw_init(&w, &buf);
	scp__jw_object(&w, NULL);
	scp__jw_string(&w, "name", r->name);
	scp__jw_string(&w, "boot_id", r->boot_id);
	scp__jw_int(&w, "slot", r->slot);
	scp__jw_int(&w, "created_us", r->created_us);
	scp__jw_int(&w, "started_us", r->started_us);
	scp__jw_int(&w, "pid", r->pid);
	scp__jw_int(&w, "start_ticks", (int64_t)r->start_ticks);
	write_labels(&w, r);
	scp__jw_end_object(&w);
	if (buf.status)
		rc = scp__fail(err, buf.status, "container %s: labels are too long", r->name);
	else if (scp__fs_write_file(dir, RECORD_FILE, buf.data, buf.len, 0600, false))
		rc = scp__fail_errno(err, errno, "container %s: write its record", r->name);
	scp__buf_free(&buf);
	return rc;
}

static scp_status read_labels(scp__oci_record *r, const scp__json *labels, scp_error *err)
{
	size_t count = labels ? scp__json_size(labels) : 0;
	scp_pair *pairs = scp__arena_alloc(r->arena, (count + 1) * sizeof(*pairs));

	if (!pairs)
		return scp__nomem(err);
	for (size_t i = 0; i < count; i++) {
		const scp__json *label = scp__json_at(labels, i);
		const char *name = scp__json_string(scp__json_get(label, "name"));
		const char *value = scp__json_string(scp__json_get(label, "value"));

		pairs[i].name = scp__arena_strdup(r->arena, name ? name : "");
		pairs[i].value = scp__arena_strdup(r->arena, value ? value : "");
		if (!pairs[i].name || !pairs[i].value)
			return scp__nomem(err);
	}
	r->labels = pairs;
	r->label_count = count;
	return SCP_OK;
}

static scp_status read_fields(scp__oci_record *r, const scp__json *json, scp_error *err)
{
	const char *name = "", *boot_id = "";
	int64_t slot = 0, pid = 0, ticks = 0;
	scp_status rc = scp__json_get_string(json, "name", &name, err);

	if (!rc)
		rc = scp__json_get_string(json, "boot_id", &boot_id, err);
	if (!rc)
		rc = scp__json_get_int(json, "slot", 0, UINT32_MAX, &slot, err);
	if (!rc)
		rc = scp__json_get_int(json, "created_us", 0, INT64_MAX, &r->created_us, err);
	if (!rc)
		rc = scp__json_get_int(json, "started_us", 0, INT64_MAX, &r->started_us, err);
	if (!rc)
		rc = scp__json_get_int(json, "pid", 0, INT32_MAX, &pid, err);
	if (!rc)
		rc = scp__json_get_int(json, "start_ticks", 0, INT64_MAX, &ticks, err);
	(void)snprintf(r->name, sizeof(r->name), "%s", name);
	(void)snprintf(r->boot_id, sizeof(r->boot_id), "%s", boot_id);
	r->slot = (uint32_t)slot;
	r->pid = (int)pid;
	r->start_ticks = (uint64_t)ticks;
	return rc ? rc : read_labels(r, scp__json_get(json, "labels"), err);
}

scp_status scp__oci_record_read(int dir, scp__oci_record *out, scp_error *err)
{
	scp__json *json = NULL;
	char *text = NULL;
	scp_status rc;
	size_t len;

	memset(out, 0, sizeof(*out));
	if (scp__fs_read_file(dir, RECORD_FILE, RECORD_MAX, &text, &len))
		return scp__fail_errno(err, errno, "read a container's record");
	rc = scp__json_parse(&json, text, len, RECORD_FILE, err);
	free(text);
	if (rc)
		return scp__prefix(err, "a container's record");
	out->arena = scp__arena_new();
	rc = out->arena ? read_fields(out, json, err) : scp__nomem(err);
	scp__json_free(json);
	if (rc)
		scp__oci_record_fini(out);
	return rc;
}

void scp__oci_record_fini(scp__oci_record *r)
{
	scp__arena_free(r->arena);
	memset(r, 0, sizeof(*r));
}

void scp__oci_exit_write(int dir, const scp__oci_exit *e)
{
	char text[48];
	int n = snprintf(text, sizeof(text), "%d %d\n", e->code, e->oom_killed);

	/* Whoever comes later then knows less; nothing else depends on it. */
	(void)scp__fs_write_file(dir, "exit", text, (size_t)n, 0600, false);
}

void scp__oci_exit_read(int dir, scp__oci_exit *out)
{
	char *text = NULL;
	size_t len;
	int oom = 0;

	*out = (scp__oci_exit){ .code = -1 };
	if (scp__fs_read_file(dir, "exit", 64, &text, &len))
		return;
	out->known = sscanf(text, "%d %d", &out->code, &oom) == 2;
	out->oom_killed = oom != 0;
	free(text);
}

void scp__oci_boot_id(char out[SCP__OCI_BOOT_ID_SIZE])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, out, SCP__OCI_BOOT_ID_SIZE - 1);

	if (fd >= 0)
		close(fd);
	out[n > 0 ? n : 0] = '\0';
	out[strcspn(out, "\n")] = '\0';
}

uint64_t scp__oci_start_ticks(int pid)
{
	char path[48], text[1024], *at;
	uint64_t ticks = 0;
	char state = 'Z';
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	/* The second field is a name in brackets that may hold anything, brackets too. */
	at = strrchr(text, ')');
	if (!at ||
	    sscanf(at + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %" SCNu64,
		&state, &ticks) != 2)
		return 0;
	return state == 'Z' || state == 'X' ? 0 : ticks;
}

int scp__oci_record_pidfd(const scp__oci_record *r)
{
	char boot_id[SCP__OCI_BOOT_ID_SIZE];
	int fd;

	scp__oci_boot_id(boot_id);
	if (!r->pid || strcmp(boot_id, r->boot_id) != 0)
		return -1;
	fd = (int)syscall(SYS_pidfd_open, r->pid, 0);
	/* First the descriptor, then the look: from here on the number can't become another process's. */
	if (fd >= 0 && scp__oci_start_ticks(r->pid) == r->start_ticks && r->start_ticks)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}
