/* What is Docker's own: its images, its engine that may vanish, and the folder that it shares with a container. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

#define HOSTILE "scp-test/hostile"

static void service(const char *what)
{
	char command[400];

	(void)snprintf(
	    command, sizeof(command), "%s %s %s", getenv("TEST_DOCKER_SERVICE"), what, getenv("TEST_DOCKER_DIR"));
	ck_assert_msg(system(command) == 0, "%s", command);
}

bool engine_away(bool away)
{
	service(away ? "kill" : "revive");
	return true;
}

static void run_image(const char *name, const char *image)
{
	scp_runtime_spec spec = guest_spec(name);
	scp_error err = { 0 };

	spec.image = image;
	ck_assert_msg(!scp__runtime_run(rt, &spec, &err), "%s", err.message);
}

static scp_status count_it(void *user, const scp_runtime_info *info, scp_error *err)
{
	(void)info;
	(void)err;
	++*(unsigned *)user;
	return SCP_OK;
}

static unsigned containers(scp_runtime *r)
{
	unsigned count = 0;

	ck_assert_int_eq(scp__runtime_list(r, count_it, &count, NULL), SCP_OK);
	return count;
}

/* ---- images ---- */

START_TEST(references_of_other_runtimes_are_refused_by_kind)
{
	static const char *const others[] = { "host:", "dir:/", "tar:/x.tar", "a b", "../x", "" };
	scp_error err = { 0 };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		ck_assert_int_eq(scp__runtime_image_prepare(rt, others[i], NULL, 0, NULL), SCP_ENOTSUP);
	ck_assert_int_eq(scp__runtime_image_prepare(rt, "dir:/srv/root", NULL, 0, &err), SCP_ENOTSUP);
	ck_assert_ptr_nonnull(strstr(err.message, "dir:/srv/root"));
	ck_assert_ptr_nonnull(strstr(err.message, "host:"));
	ck_assert_ptr_nonnull(strstr(err.hint, "oci:"));
}
END_TEST

START_TEST(an_image_that_is_there_has_a_digest)
{
	char digest[128] = "";

	ck_assert_int_eq(scp__runtime_image_prepare(rt, guest_image(), digest, sizeof(digest), NULL), SCP_OK);
	ck_assert(strncmp(digest, "sha256:", 7) == 0);
	ck_assert_uint_eq(strlen(digest), 7 + 64);
}
END_TEST

/* Nothing listens on port 1 of this machine: what a registry that can't be reached looks like. */
START_TEST(an_image_that_can_t_be_had_is_named_with_what_to_do)
{
	scp_runtime_spec spec = guest_spec("scp-none");
	scp_error err = { 0 };

	ck_assert_int_eq(scp__runtime_image_prepare(rt, "127.0.0.1:1/none/such:1.0", NULL, 0, &err), SCP_ENOTFOUND);
	ck_assert_ptr_nonnull(strstr(err.message, "127.0.0.1:1/none/such:1.0"));
	ck_assert_ptr_nonnull(strstr(err.message, "refused"));
	ck_assert_ptr_nonnull(strstr(err.hint, "docker load"));
	spec.image = "127.0.0.1:1/none/such:1.0";
	ck_assert_int_eq(scp__runtime_run(rt, &spec, NULL), SCP_ENOTFOUND);
	ck_assert_uint_eq(containers(rt), 0);
}
END_TEST

START_TEST(what_a_hostile_image_wants_is_laid_over)
{
	run_image("scp-hostile", HOSTILE);
	ck_assert_str_eq(ask("scp-hostile", "r /bin/pwd; /bin/id -u; /bin/hostname"), "/\n0\nsandbox\n");
	ck_assert_str_eq(ask("scp-hostile", "u /bin/touch /tmp/x /data/x /workspace/x && echo fine"), "fine\n");
	ck_assert_str_eq(ask("scp-hostile", "u /bin/grep -cE ' /(data|tmp) tmpfs rw' /proc/mounts"), "2\n");
	ck_assert_str_eq(
	    ask("scp-hostile",
		"u /bin/dd if=/dev/zero of=/data/big bs=1M count=20 2>/dev/null; /bin/stat -c %s /data/big"),
	    "8388608\n");
	ck_assert_str_eq(ask("scp-hostile", "u /bin/rm /workspace/x"), "");
	ck_assert_uint_eq(containers(rt), 1);
}
END_TEST

START_TEST(an_image_s_labels_don_t_hide_or_rename_a_container)
{
	scp_runtime_event event;

	run_image("scp-hostile", HOSTILE);
	(void)ask("scp-hostile", "x 4");
	ck_assert_int_eq(scp__runtime_next_event(rt, &event, 30000, NULL), SCP_OK);
	ck_assert_str_eq(event.name, "scp-hostile");
	ck_assert_int_eq(event.exit_code, 4);
}
END_TEST

START_TEST(an_image_without_programs_runs)
{
	int fd;

	run_image("scp-bare", "scp-test/bare");
	ck_assert_int_eq(scp__runtime_connect(rt, "scp-bare", &fd, NULL), SCP_OK);
	close(fd);
}
END_TEST

/* ---- the wall ---- */

START_TEST(code_can_t_reach_the_executor_s_socket)
{
	run_guest("scp-sock");
	ck_assert_str_eq(
	    ask("scp-sock", "u ls /.sandbox/run 2>/dev/null; touch /.sandbox/run/x 2>/dev/null && echo made; "
			    "rm -f /.sandbox/run/s 2>/dev/null && echo removed; true"),
	    "");
	ck_assert_str_eq(ask("scp-sock", "u echo here"), "here\n");
}
END_TEST

START_TEST(a_link_in_the_place_of_the_socket_isn_t_followed)
{
	int fd;

	run_guest("scp-link");
	(void)ask("scp-link", "r mv /.sandbox/run/s /.sandbox/run/t; ln -s t /.sandbox/run/s");
	ck_assert_int_eq(scp__runtime_connect(rt, "scp-link", &fd, NULL), SCP_ENOTFOUND);
}
END_TEST

START_TEST(sys_is_empty)
{
	run_guest("scp-sys");
	ck_assert_str_eq(ask("scp-sys", "u ls /sys; cat /proc/kallsyms /proc/kmsg 2>/dev/null | head -c 1"), "");
}
END_TEST

START_TEST(two_planes_on_one_engine_leave_each_other_alone)
{
	scp__runtime_options options = { .state_dir = "/var/tmp/scp-runtime-other" };
	scp_runtime_spec spec = guest_spec("scp-mine");
	scp_runtime *other;

	run_guest("scp-mine");
	ck_assert_int_eq(scp__runtime_open(&other, getenv("TEST_RUNTIME"), &options, NULL), SCP_OK);
	ck_assert_str_ne(scp__runtime_node_name(other), scp__runtime_node_name(rt));
	ck_assert_uint_eq(containers(other), 0);
	ck_assert_int_eq(scp__runtime_run(other, &spec, NULL), SCP_ECONFLICT);
	ck_assert_int_eq(scp__runtime_remove(other, "scp-mine", NULL), SCP_ECONFLICT);
	ck_assert_int_eq(scp__runtime_stop(other, "scp-mine", 0, NULL), SCP_ECONFLICT);
	scp__runtime_close(other);
	(void)rmdir("/var/tmp/scp-runtime-other");
	ck_assert_str_eq(ask("scp-mine", "u echo here"), "here\n");
}
END_TEST

START_TEST(a_writable_root_without_an_end_is_refused_unless_allowed_by_name)
{
	scp__runtime_options options = { .state_dir = state_dir, .allow_unenforced = "disk" };
	scp_runtime_spec spec = guest_spec("scp-not");
	scp_error err = { 0 };

	if (getenv("TEST_BTRFS"))
		return;
	spec.read_only_root = false;
	ck_assert_int_eq(scp__runtime_run(rt, &spec, &err), SCP_ENOTSUP);
	ck_assert_ptr_nonnull(strstr(err.message, "overlay2"));
	ck_assert_ptr_nonnull(strstr(err.hint, "read-only root"));
	ck_assert_ptr_nonnull(strstr(err.hint, "--allow-unenforced disk"));
	ck_assert_uint_eq(containers(rt), 0);
	scp__runtime_close(rt);
	ck_assert_int_eq(scp__runtime_open(&rt, getenv("TEST_RUNTIME"), &options, NULL), SCP_OK);
	ck_assert_int_eq(scp__runtime_run(rt, &spec, NULL), SCP_OK);
	ck_assert_str_eq(ask("scp-not", "r echo x >/x && cat /x"), "x\n");
}
END_TEST

/* with_docker.sh --btrfs: 8 MiB, and what the image has. */
START_TEST(a_writable_root_has_an_end_where_the_engine_s_storage_can)
{
	scp_runtime_spec spec = guest_spec("scp-root");
	scp_error err = { 0 };
	unsigned long bytes;

	if (!getenv("TEST_BTRFS"))
		return;
	spec.read_only_root = false;
	ck_assert_msg(!scp__runtime_run(rt, &spec, &err), "%s", err.message);
	bytes = strtoul(
	    ask("scp-root", "r echo x >/x && cat /x >&2; dd if=/dev/zero of=/big bs=1M count=64 2>/dev/null; stat -c "
			    "%s /big") +
		2,
	    NULL, 10);
	ck_assert_msg(bytes > (4 << 20) && bytes < (12 << 20), "%lu", bytes);
	ck_assert_str_eq(ask("scp-root", "u touch /x /etc/x 2>/dev/null; id -u"), "1000\n");
	ck_assert_int_eq(scp__runtime_remove(rt, "scp-root", NULL), SCP_OK);
	run_guest("scp-root");
	ck_assert_str_eq(ask("scp-root", "r cat /x 2>/dev/null"), "");
}
END_TEST

/* ---- an engine that vanishes ---- */

START_TEST(a_killed_engine_is_unavailable_and_then_goes_on)
{
	scp_runtime_spec spec = guest_spec("scp-engine");
	scp_runtime_event event;
	scp_error err = { 0 };
	unsigned count = 0;

	run_guest("scp-engine");
	ck_assert_int_eq(scp__runtime_next_event(rt, &event, 100, NULL), SCP_ETIMEDOUT);
	service("kill");
	ck_assert_int_eq(scp__runtime_next_event(rt, &event, 30000, NULL), SCP_EUNAVAIL);
	ck_assert_int_eq(scp__runtime_next_event(rt, &event, 30000, NULL), SCP_EUNAVAIL);
	ck_assert_int_eq(scp__runtime_list(rt, count_it, &count, &err), SCP_EUNAVAIL);
	ck_assert_ptr_nonnull(strstr(err.message, "the Docker engine at "));
	ck_assert_int_eq(scp__runtime_health(rt, 1000, NULL, 0, NULL), SCP_EUNAVAIL);
	ck_assert_int_eq(scp__runtime_remove(rt, "scp-engine", NULL), SCP_EUNAVAIL);
	spec.name = "scp-engine2";
	ck_assert_int_eq(scp__runtime_run(rt, &spec, NULL), SCP_EUNAVAIL);
	service("revive");
	ck_assert_int_eq(scp__runtime_health(rt, 5000, NULL, 0, NULL), SCP_OK);
	/* Without live-restore the engine ends what ran when it comes back: that is told. */
	ck_assert_int_eq(scp__runtime_next_event(rt, &event, 30000, NULL), SCP_OK);
	ck_assert_str_eq(event.name, "scp-engine");
	ck_assert_int_eq(scp__runtime_next_event(rt, &event, 200, NULL), SCP_ETIMEDOUT);
	ck_assert_int_eq(scp__runtime_remove(rt, "scp-engine", NULL), SCP_OK);
	run_guest("scp-engine2");
	ck_assert_str_eq(ask("scp-engine2", "u echo here"), "here\n");
	ck_assert_uint_eq(containers(rt), 1);
}
END_TEST

/* In a cgroup that is named as a container's, of whatever hierarchy is there. */
static pid_t waiting_in(const char *cgroup)
{
	char path[200];
	FILE *f;
	pid_t pid;

	ck_assert_int_eq(mkdir(cgroup, 0755), 0);
	pid = fork();
	if (!pid) {
		for (;;)
			(void)pause();
	}
	(void)snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	(void)fprintf(f, "%d", (int)pid);
	ck_assert_int_eq(fclose(f), 0);
	return pid;
}

/* What a killed engine was just starting is in a container's cgroup, and no engine's. */
START_TEST(what_no_engine_knows_of_any_more_is_ended_with_its_container)
{
	static const char id[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	char folder[128], path[200], cgroup[160];
	pid_t pid;
	int status;
	FILE *f;

	(void)snprintf(folder, sizeof(folder), "/run/sandboxcp/%s/s/scp-orphan", scp__runtime_node_name(rt));
	run_guest("scp-orphan");
	(void)snprintf(path, sizeof(path), "%s/starting", folder);
	ck_assert_int_ne(access(path, F_OK), 0); /* it is up */
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(id, f), 0);
	ck_assert_int_eq(fclose(f), 0);
	(void)snprintf(
	    cgroup, sizeof(cgroup), "/sys/fs/cgroup%s/%s", access("/sys/fs/cgroup/pids", F_OK) ? "" : "/pids", id);
	pid = waiting_in(cgroup);
	ck_assert_int_eq(scp__runtime_remove(rt, "scp-orphan", NULL), SCP_OK);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	ck_assert_int_eq(rmdir(cgroup), 0);
	ck_assert_int_ne(access(folder, F_OK), 0);
}
END_TEST

Suite *docker_suite(void)
{
	Suite *s = suite_create("runtime docker");
	TCase *t = tcase_create("docker");

	tcase_add_checked_fixture(t, test_begin, test_end);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, references_of_other_runtimes_are_refused_by_kind);
	tcase_add_test(t, an_image_that_is_there_has_a_digest);
	tcase_add_test(t, an_image_that_can_t_be_had_is_named_with_what_to_do);
	tcase_add_test(t, what_a_hostile_image_wants_is_laid_over);
	tcase_add_test(t, an_image_s_labels_don_t_hide_or_rename_a_container);
	tcase_add_test(t, an_image_without_programs_runs);
	tcase_add_test(t, code_can_t_reach_the_executor_s_socket);
	tcase_add_test(t, a_link_in_the_place_of_the_socket_isn_t_followed);
	tcase_add_test(t, sys_is_empty);
	tcase_add_test(t, two_planes_on_one_engine_leave_each_other_alone);
	tcase_add_test(t, a_writable_root_without_an_end_is_refused_unless_allowed_by_name);
	tcase_add_test(t, a_writable_root_has_an_end_where_the_engine_s_storage_can);
	tcase_add_test(t, a_killed_engine_is_unavailable_and_then_goes_on);
	tcase_add_test(t, what_no_engine_knows_of_any_more_is_ended_with_its_container);
	suite_add_tcase(s, t);
	return s;
}
