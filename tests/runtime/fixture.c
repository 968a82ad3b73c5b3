#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "err.h"
#include "fs.h"

scp_runtime *rt;
char state_dir[128];
char workspace[160];

const char *guest_path(void)
{
	const char *given = getenv("TEST_GUEST");

	return given ? given : GUEST;
}

const char *guest_image(void)
{
	const char *given = getenv("TEST_IMAGE");

	return given ? given : "host:";
}

bool with_docker(void)
{
	return strcmp(scp__runtime_type(rt), "docker") == 0;
}

static const char *url(void)
{
	const char *given = getenv("TEST_RUNTIME");

	return given ? given : "oci:";
}

scp_status (*open_outside)(scp_runtime **out, const char *place, scp_error *err);
const scp_runtime_ops *(*corrupt_ops)(const scp_runtime_ops *true_ops);

static scp_status open_runtime(scp_error *err)
{
	scp__runtime_options options = { .state_dir = state_dir };
	scp_status rc = open_outside ? open_outside(&rt, strrchr(state_dir, '-') + 1, err)
				     : scp__runtime_open(&rt, url(), &options, err);

	if (!rc && corrupt_ops)
		rt->ops = corrupt_ops(rt->ops);
	return rc;
}

void suite_begin(void)
{
	(void)snprintf(state_dir, sizeof(state_dir), "/var/tmp/scp-runtime-XXXXXX");
	if (!mkdtemp(state_dir))
		abort();
	(void)snprintf(workspace, sizeof(workspace), "%s/workspace", state_dir);
}

void suite_end(void)
{
	int parent = open("/var/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)scp__fs_remove_tree(parent, strrchr(state_dir, '/') + 1);
	close(parent);
}

const char *run_root(void)
{
	static char path[128];

	(void)snprintf(path, sizeof(path), "%s/sandboxcp", geteuid() ? getenv("XDG_RUNTIME_DIR") : "/run");
	return path;
}

uid_t workspace_owner(void)
{
	int32_t uid = scp__runtime_workspace_uid(rt);

	return uid < 0 ? geteuid() : (uid_t)uid;
}

bool runtime_works(char *why, size_t size)
{
	scp_error err = { 0 };

	if (open_runtime(&err)) {
		(void)snprintf(why, size, "%s", err.message);
		return false;
	}
	why[0] = '\0';
	(void)scp__runtime_health(rt, 1000, why, size, NULL);
	scp__runtime_close(rt);
	rt = NULL;
	return true;
}

static scp_status remove_it(void *user, const scp_runtime_info *info, scp_error *err)
{
	(void)user;
	return scp__runtime_remove(rt, info->name, err);
}

void test_begin(void)
{
	scp_error err = { 0 };
	uid_t uid;

	ck_assert_msg(!open_runtime(&err), "%s", err.message);
	/* What a case that failed left must not make others fail: no tear-down was run after it. */
	ck_assert_int_eq(scp__runtime_list(rt, remove_it, NULL, NULL), SCP_OK);
	uid = workspace_owner();
	ck_assert(!mkdir(workspace, 0755) || errno == EEXIST);
	ck_assert(!chown(workspace, uid, geteuid() ? getegid() : (gid_t)uid));
}

void test_end(void)
{
	ck_assert_int_eq(scp__runtime_list(rt, remove_it, NULL, NULL), SCP_OK);
	scp__runtime_close(rt);
	rt = NULL;
}

void sweep(void)
{
	corrupt_ops = NULL;
	if (open_runtime(NULL))
		return;
	(void)scp__runtime_list(rt, remove_it, NULL, NULL);
	scp__runtime_close(rt);
	rt = NULL;
}

void reopen(void)
{
	scp_error err = { 0 };

	scp__runtime_close(rt);
	ck_assert_msg(!open_runtime(&err), "%s", err.message);
}

void open_another(void)
{
	ck_assert(!open_runtime(NULL));
}

scp_runtime_spec guest_spec(const char *name)
{
	static const scp_resources resources = { sizeof(resources), 500, 64 * MIB, 0, 48 };
	static const scp_pair labels[] = { { "session", "sess_0123456789abcdef" }, { "odd", "\"\n\xc3\xa9" } };
	scp_runtime_spec spec = {
		.struct_size = sizeof(spec),
		.name = name,
		.image = guest_image(),
		.executor_path = guest_path(),
		.workspace_path = workspace,
		.resources = &resources,
		.overhead_memory_bytes = 8 * MIB,
		.read_only_root = true,
		.tmp_bytes = 8 * MIB,
		.labels = labels,
		.label_count = 2,
	};

	return spec;
}

void run_guest(const char *name)
{
	scp_runtime_spec spec = guest_spec(name);
	scp_error err = { 0 };

	ck_assert_msg(!scp__runtime_run(rt, &spec, &err), "%s", err.message);
}

const char *ask(const char *name, const char *line)
{
	static char answer[ANSWER];
	size_t len = 0;
	ssize_t n = 1;
	int fd;

	answer[0] = '\0';
	if (scp__runtime_connect(rt, name, &fd, NULL))
		return answer;
	ck_assert_int_eq(dprintf(fd, "%s\n", line), (int)strlen(line) + 1);
	while (n && len < sizeof(answer) - 1) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		/* How long that may take is the test case's own limit: machines differ a hundredfold. */
		ck_assert_msg(poll(&p, 1, -1) > 0, "no answer to: %s", line);
		n = read(fd, answer + len, sizeof(answer) - 1 - len);
		if (n < 0)
			break;
		len += (size_t)n;
	}
	close(fd);
	answer[len] = '\0';
	return answer;
}

unsigned occurs(const char *path, const char *needle)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	unsigned count = 0;
	size_t size = 0;

	while (f && getline(&line, &size, f) > 0)
		count += strstr(line, needle) != NULL;
	free(line);
	if (f)
		fclose(f);
	return count;
}
