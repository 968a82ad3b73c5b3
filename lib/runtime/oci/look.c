/* Looking at containers: what there is, how it ended, what it uses, what it said. */
#include "oci.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "err.h"

#define LOG_MAX (1024 * 1024)
#define KILLED (128 + 9)

scp_status scp__oci_watch_container(scp__oci *o, const char *name, int pidfd, scp_error *err)
{
	scp_status rc = scp__oci_watch_add(o->watch, name, pidfd, err);

	if (!rc && pidfd >= 0)
		scp__oci_watch_memory(o->watch, name, scp__oci_cgroup_memory_events(&o->cgroups, name));
	return rc;
}

void scp__oci_settle(scp__oci *o, const char *name, int dir, int pidfd, bool keep, scp__oci_exit *out)
{
	scp__oci_exit_read(dir, out);
	if (out->known)
		return;
	out->code = scp__oci_pidfd_exit_code(pidfd);
	/* The limit may also have taken a process of the user's; pid 1 itself, if it was killed and nobody else did it.
	 */
	out->oom_killed =
	    (out->code == KILLED || out->code == -1) && faccessat(dir, "stopping", F_OK, 0) &&
	    (scp__oci_cgroup_oom_kills(&o->cgroups, name) > 0 || scp__oci_watch_oom_killed(o->watch, name));
	out->known = true;
	if (keep)
		scp__oci_exit_write(dir, out);
}

static void describe_ended(scp__oci *o, const char *name, int dir, scp_runtime_info *out)
{
	int pidfd = scp__oci_watch_pidfd(o->watch, name);
	scp__oci_exit e;

	/* Without its descriptor the exit code is unknown here; who waits for events may just be learning it. */
	scp__oci_settle(o, name, dir, pidfd, pidfd >= 0, &e);
	if (pidfd >= 0)
		close(pidfd);
	out->status = SCP_CONTAINER_EXITED;
	out->exit_code = e.code;
	out->oom_killed = e.oom_killed;
}

void scp__oci_describe(scp__oci *o, const char *name, int dir, scp__oci_record *record, scp_runtime_info *out)
{
	int pidfd;

	*out = (scp_runtime_info){ .name = name, .exit_code = -1 };
	if (!scp__oci_record_read(dir, record, NULL)) {
		out->created_us = record->created_us;
		out->started_us = record->started_us;
		out->labels = record->labels;
		out->label_count = record->label_count;
	}
	pidfd = record->started_us ? scp__oci_record_pidfd(record) : -1;
	if (pidfd >= 0) {
		out->status = SCP_CONTAINER_RUNNING;
		out->host_pid = record->pid;
		close(pidfd);
	} else if (record->started_us) {
		describe_ended(o, name, dir, out);
	} else {
		/* Never finished: it is being made, or whoever made it is gone. */
		out->status = scp__oci_folder_idle(dir) ? SCP_CONTAINER_EXITED : SCP_CONTAINER_CREATING;
	}
}

static scp_status open_existing(scp__oci *o, const char *name, int *dir, scp_error *err)
{
	*dir = scp__oci_name_valid(name) ? scp__oci_folder_open(o, name) : -1;
	if (*dir >= 0)
		return SCP_OK;
	if (errno == ENOENT || !scp__oci_name_valid(name))
		return scp__fail_as(err, "ContainerNotFound", "no container %.64s", name);
	return scp__fail_errno(err, errno, "look at container %s", name);
}

scp_status scp__oci_inspect(scp_runtime *rt, const char *name, scp_runtime_info_fn *fn, void *user, scp_error *err)
{
	scp__oci *o = (scp__oci *)rt;
	scp__oci_record record;
	scp_runtime_info info;
	scp_status rc;
	int dir;

	rc = open_existing(o, name, &dir, err);
	if (rc)
		return rc;
	scp__oci_describe(o, name, dir, &record, &info);
	rc = fn(user, &info, err);
	scp__oci_record_fini(&record);
	close(dir);
	return rc;
}

/* One that another process made, or an earlier one of ours: from now on its end is noticed here too. */
static void watch_too(scp__oci *o, const scp__oci_record *record, const scp_runtime_info *info)
{
	if (info->status == SCP_CONTAINER_RUNNING)
		(void)scp__oci_watch_container(o, info->name, scp__oci_record_pidfd(record), NULL);
	else if (info->status == SCP_CONTAINER_EXITED)
		(void)scp__oci_watch_add(o->watch, info->name, -1, NULL);
}

/* It is our own executor's and small; should it ever not be, it begins anew. Looked at with each list, so often. */
static void bound_log(int dir)
{
	int fd = openat(dir, "log", O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return;
	if (!fstat(fd, &st) && st.st_size > LOG_MAX)
		(void)!ftruncate(fd, 0);
	close(fd);
}

static scp_status list_one(scp__oci *o, const char *name, scp_runtime_info_fn *fn, void *user, scp_error *err)
{
	int dir = scp__oci_folder_open(o, name);
	scp__oci_record record;
	scp_runtime_info info;
	scp_status rc;

	if (dir < 0)
		return SCP_OK; /* removed meanwhile */
	scp__oci_describe(o, name, dir, &record, &info);
	watch_too(o, &record, &info);
	bound_log(dir);
	rc = fn ? fn(user, &info, err) : SCP_OK;
	scp__oci_record_fini(&record);
	close(dir);
	return rc;
}

scp_status scp__oci_list(scp_runtime *rt, scp_runtime_info_fn *fn, void *user, scp_error *err)
{
	scp__oci *o = (scp__oci *)rt;
	int fd = openat(o->containers, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	scp_status rc = SCP_OK;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return scp__fail_errno(err, errno, "list containers");
	}
	while (!rc && (e = readdir(dir)))
		if (scp__oci_name_valid(e->d_name))
			rc = list_one(o, e->d_name, fn, user, err);
	closedir(dir);
	return rc;
}

scp_status scp__oci_next_event(scp_runtime *rt, scp_runtime_event *out, uint32_t timeout_ms, scp_error *err)
{
	scp__oci *o = (scp__oci *)rt;
	scp__oci_exit e = { .code = -1 };
	int pidfd = -1, dir;
	scp_status rc;

	memset(out, 0, sizeof(*out));
	rc = scp__oci_watch_next(o->watch, out->name, &pidfd, timeout_ms, err);
	if (rc)
		return rc;
	dir = scp__oci_folder_open(o, out->name);
	if (dir >= 0) {
		scp__oci_settle(o, out->name, dir, pidfd, true, &e);
		close(dir);
	} else {
		/* Removed by another process: nobody adds it again, so that it needn't be remembered. */
		e.code = scp__oci_pidfd_exit_code(pidfd);
		scp__oci_watch_remove(o->watch, out->name);
	}
	if (pidfd >= 0)
		close(pidfd);
	out->exit_code = e.code;
	out->oom_killed = e.oom_killed;
	return SCP_OK;
}

scp_status scp__oci_stats(scp_runtime *rt, const char *name, scp_runtime_stats *out, scp_error *err)
{
	scp__oci *o = (scp__oci *)rt;
	scp_status rc;
	int dir;

	rc = open_existing(o, name, &dir, err);
	if (rc)
		return rc;
	bound_log(dir);
	close(dir);
	memset(out, 0, sizeof(*out));
	scp__oci_cgroup_stats(&o->cgroups, name, out);
	if (!out->oom_kills && scp__oci_watch_oom_killed(o->watch, name))
		out->oom_kills = 1;
	return SCP_OK;
}

/* Where the last `lines` lines of the text begin. */
static char *last_lines(char *text, size_t len, uint32_t lines)
{
	char *at = text + len;

	while (at > text && lines) {
		at--;
		if (at > text && at[-1] == '\n')
			lines--;
	}
	return at;
}

void scp__oci_log_tail(int dir, uint32_t lines, char *out, size_t out_size)
{
	int fd = openat(dir, "log", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END), from;
	ssize_t n = 0;
	char *at;

	out[0] = '\0';
	from = size > (off_t)out_size - 1 ? size - ((off_t)out_size - 1) : 0;
	if (fd >= 0) {
		n = pread(fd, out, out_size - 1, from);
		close(fd);
	}
	if (n <= 0)
		return;
	out[n] = '\0';
	at = last_lines(out, (size_t)n, lines);
	memmove(out, at, (size_t)(out + n - at) + 1);
}

scp_status scp__oci_logs(scp_runtime *rt, const char *name, uint32_t tail, char *out, size_t out_size, scp_error *err)
{
	scp_status rc;
	int dir;

	if (!out_size)
		return scp__fail(err, SCP_EINVAL, "logs: no room for any");
	rc = open_existing((scp__oci *)rt, name, &dir, err);
	if (rc)
		return rc;
	scp__oci_log_tail(dir, tail, out, out_size);
	bound_log(dir);
	close(dir);
	return SCP_OK;
}
