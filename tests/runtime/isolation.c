/* What code in a sandbox is, sees and can't do: asked from inside, or looked up from outside. */
#include "fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void begin(void)
{
	test_begin();
	run_guest("scp-iso");
}

static void expect(const char *line, const char *answer)
{
	ck_assert_str_eq(ask("scp-iso", line), answer);
}

static scp_status copy_pid(void *user, const scp_runtime_info *info, scp_error *err)
{
	(void)err;
	*(int *)user = info->host_pid;
	return SCP_OK;
}

static int host_pid(void)
{
	int pid = 0;

	ck_assert_int_eq(scp__runtime_inspect(rt, "scp-iso", copy_pid, &pid, NULL), SCP_OK);
	ck_assert_int_gt(pid, 0);
	return pid;
}

START_TEST(code_is_uid_1000_without_any_capability)
{
	expect("u id -u; id -g; grep -E '^Cap(Prm|Eff|Inh|Amb)' /proc/self/status | sort -u -k2 | cut -f2",
	    "1000\n1000\n0000000000000000\n");
	expect("u grep NoNewPrivs /proc/self/status | cut -f2; grep -c 'Seccomp:.2' /proc/self/status", "1\n1\n");
}
END_TEST

START_TEST(pid_1_has_four_capabilities_none_inheritable)
{
	expect("r grep ^Cap /proc/self/status | sort | cut -f2",
	    "0000000000000000\n00000000000001e0\n00000000000001e0\n0000000000000000\n00000000000001e0\n");
}
END_TEST

START_TEST(every_namespace_is_its_own)
{
	static const char *const names[] = { "user", "pid", "mnt", "net", "ipc", "uts", "cgroup" };
	char path[64], ours[64] = "", theirs[64] = "";
	int pid = host_pid();

	/* Docker's containers share the host's users, unless the engine remaps them. */
	for (size_t i = with_docker(); i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
		ck_assert(readlink(path, ours, sizeof(ours) - 1) > 0);
		(void)snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, names[i]);
		ck_assert(readlink(path, theirs, sizeof(theirs) - 1) > 0);
		ck_assert_msg(strcmp(ours, theirs) != 0, "%s", names[i]);
	}
}
END_TEST

START_TEST(only_ids_0_and_1000_are_mapped_to_uids_of_nobody_else)
{
	char path[64], line[128];
	unsigned inside, outside, size, rows = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/uid_map", host_pid());
	f = fopen(path, "re");
	ck_assert_ptr_nonnull(f);
	for (; fgets(line, sizeof(line), f); rows++) {
		ck_assert_int_eq(sscanf(line, "%u %u %u", &inside, &outside, &size), 3);
		ck_assert(inside == 0 || inside == 1000);
		ck_assert_uint_eq(size, 1);
		if (inside == 1000 && geteuid()) { /* an ordinary user's code is that user */
			ck_assert_uint_eq(outside, geteuid());
			continue;
		}
		ck_assert_uint_gt(outside, 65535);
		ck_assert_uint_ne(outside, workspace_owner());
	}
	fclose(f);
	ck_assert_uint_eq(rows, 2);
}
END_TEST

START_TEST(two_sandboxes_have_different_host_uids)
{
	char first[256];

	run_guest("scp-iso2");
	(void)snprintf(first, sizeof(first), "%s", ask("scp-iso", "r cat /proc/self/uid_map"));
	ck_assert_str_ne(ask("scp-iso2", "r cat /proc/self/uid_map"), first);
}
END_TEST

START_TEST(no_process_of_the_host_is_visible)
{
	expect("u cat /proc/1/comm", "executor\n");
	expect("u test $(ls /proc | grep -c '^[0-9]') -lt 8 && echo few", "few\n");
}
END_TEST

START_TEST(pid_1_holds_its_streams_and_the_listener_alone)
{
	char path[64];
	unsigned count = 0;
	DIR *dir;

	if (geteuid()) /* it isn't this user's to look into, no more than the code's inside */
		return;
	expect("u true", ""); /* from here on it is the guest, no longer the runtime program on its way there */
	(void)snprintf(path, sizeof(path), "/proc/%d/fd", host_pid());
	dir = opendir(path);
	ck_assert_ptr_nonnull(dir);
	for (struct dirent *e; (e = readdir(dir));)
		if (e->d_name[0] != '.') {
			count++;
			ck_assert_int_le(atoi(e->d_name), 3);
		}
	closedir(dir);
	ck_assert_uint_eq(count, 4);
}
END_TEST

START_TEST(files_of_the_host_are_absent)
{
	char line[400];

	(void)snprintf(line, sizeof(line),
	    "r for f in /etc/shadow /etc/machine-id /root /home /var /opt /run /srv /boot /sys/kernel /sys/fs/cgroup "
	    "%s; "
	    "do test -e $f && echo $f; done; true",
	    state_dir);
	expect(line, "");
	expect("u hostname", "sandbox\n");
	if (!with_docker())
		expect("u cat /etc/passwd | wc -l", "3\n");
}
END_TEST

START_TEST(the_root_is_read_only_and_tmp_is_not)
{
	expect("r for d in / /usr /usr/bin /etc /.sandbox /proc/sys/kernel; do touch $d/x 2>/dev/null && echo $d; "
	       "done; true",
	    "");
	expect("u touch /tmp/x /dev/shm/x /workspace/x && echo fine", "fine\n");
	expect("u rm /workspace/x", "");
}
END_TEST

START_TEST(tmp_has_an_end_in_bytes_and_files)
{
	expect("u dd if=/dev/zero of=/tmp/big bs=1M count=20 2>/dev/null; stat -c %s /tmp/big", "8388608\n");
	expect("u rm /tmp/big; cd /tmp; i=0; while [ $i -lt 5000 ] && true 2>/dev/null >$i; do i=$((i+1)); done; "
	       "test $i -lt 3000 && echo bounded",
	    "bounded\n");
}
END_TEST

START_TEST(the_workspace_is_code_s_own_and_the_disk_uid_s_outside)
{
	char path[200];
	struct stat st;

	expect("u stat -c %u:%g /workspace; echo x >/workspace/made; stat -c %u /workspace/made", "1000:1000\n1000\n");
	(void)snprintf(path, sizeof(path), "%s/made", workspace);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_uid, workspace_owner());
	ck_assert_uint_eq(st.st_gid, geteuid() ? getegid() : workspace_owner());
	/* An engine's bind has the flags of what is bound, and this folder is no mount. */
	if (!with_docker())
		expect("u grep -c ' /workspace .*nosuid,nodev' /proc/mounts", "1\n");
	expect("u rm /workspace/made", "");
}
END_TEST

START_TEST(the_executor_s_file_can_t_be_written_from_inside)
{
	struct stat before, after;

	ck_assert_int_eq(stat(guest_path(), &before), 0);
	expect("r for f in /proc/1/exe /.sandbox/executor /proc/self/root/.sandbox/executor; do "
	       "(echo x >>$f) 2>/dev/null && echo $f; chmod 777 $f 2>/dev/null && echo $f; rm -f $f 2>/dev/null && "
	       "echo $f; "
	       "done; true",
	    "");
	expect("u (echo x >>/.sandbox/executor) 2>/dev/null || echo refused", "refused\n");
	ck_assert_int_eq(stat(guest_path(), &after), 0);
	ck_assert_int_eq(before.st_size, after.st_size);
	ck_assert_uint_eq(before.st_mode, after.st_mode);
	ck_assert_int_eq(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
}
END_TEST

START_TEST(what_the_kernel_says_of_itself_is_masked)
{
	expect(
	    "r for f in /proc/kcore /proc/keys /proc/timer_list /proc/kallsyms; do head -c 1 $f 2>/dev/null; done", "");
	expect("r (echo b >/proc/sysrq-trigger) 2>/dev/null && echo written; "
	       "(echo x >/proc/sys/kernel/core_pattern) 2>/dev/null && echo written; true",
	    "");
}
END_TEST

START_TEST(the_network_is_lo_alone)
{
	expect("u tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '", "lo\n");
	expect("u tail -n +2 /proc/net/route | wc -l", "0\n");
}
END_TEST

static void answers(long number, const char *arguments, int error_number)
{
	char line[128], want[16];

	(void)snprintf(line, sizeof(line), "c %ld %s", number, arguments);
	(void)snprintf(want, sizeof(want), "%d\n", error_number);
	ck_assert_msg(strcmp(ask("scp-iso", line), want) == 0, "system call %s: not %s", line, want);
}

START_TEST(dangerous_system_calls_are_refused)
{
	static const struct {
		long number;
		const char *arguments;
		int error_number;
	} calls[] = {
		{ SYS_unshare, "0x10000000 0 0 0 0 0", EPERM }, { SYS_setns, "0 0 0 0 0 0", EPERM },
		{ SYS_clone, "0x10000011 0 0 0 0 0", EPERM }, { SYS_clone, "0x40000011 0 0 0 0 0", EPERM },
		{ SYS_clone3, "0 0 0 0 0 0", ENOSYS }, { SYS_mount, "0 0 0 0 0 0", EPERM },
		{ SYS_umount2, "0 0 0 0 0 0", EPERM }, { SYS_pivot_root, "0 0 0 0 0 0", EPERM },
		{ SYS_open_tree, "0 0 0 0 0 0", EPERM }, { SYS_fsopen, "0 0 0 0 0 0", EPERM },
		{ SYS_bpf, "0 0 0 0 0 0", EPERM }, { SYS_keyctl, "0 0 0 0 0 0", EPERM },
		{ SYS_add_key, "0 0 0 0 0 0", EPERM }, { SYS_request_key, "0 0 0 0 0 0", EPERM },
		{ SYS_io_uring_setup, "0 0 0 0 0 0", ENOSYS }, { SYS_userfaultfd, "0 0 0 0 0 0", EPERM },
		{ SYS_perf_event_open, "0 0 0 0 0 0", EPERM }, { SYS_ptrace, "0 0 0 0 0 0", EPERM },
		{ SYS_process_vm_readv, "1 0 0 0 0 0", EPERM }, { SYS_kexec_load, "0 0 0 0 0 0", EPERM },
		{ SYS_open_by_handle_at, "0 0 0 0 0 0", EPERM }, { 9999, "0 0 0 0 0 0", ENOSYS },
		{ SYS_socket, "40 1 0 0 0 0", EAFNOSUPPORT },  /* AF_VSOCK */
		{ SYS_socket, "17 3 0 0 0 0", EAFNOSUPPORT },  /* AF_PACKET */
		{ SYS_socket, "38 5 0 0 0 0", EAFNOSUPPORT },  /* AF_ALG */
		{ SYS_socket, "16 3 16 0 0 0", EAFNOSUPPORT }, /* generic netlink */
		{ SYS_socket, "16 3 9 0 0 0", EAFNOSUPPORT },  /* audit */
		{ SYS_socket, "3 1 0 0 0 0", EAFNOSUPPORT },   /* AX.25 */
	};

	/* Which no is of no matter here; Docker's older engines say EPERM to whatever isn't named. */
	if (!with_docker())
		answers(SYS_personality, "0x0040000 0 0 0 0 0", ENOSYS);
	else
		answers(SYS_personality, "0x0040000 0 0 0 0 0", EPERM);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		answers(calls[i].number, calls[i].arguments, calls[i].error_number);
}
END_TEST

START_TEST(ordinary_system_calls_are_allowed)
{
	answers(SYS_socket, "1 1 0 0 0 0", 0);
	answers(SYS_socket, "2 1 0 0 0 0", 0);
	answers(SYS_socket, "10 2 0 0 0 0", 0);
	answers(SYS_socket, "16 3 0 0 0 0", 0);
	answers(SYS_personality, "0xffffffff 0 0 0 0 0", 0);
	answers(SYS_getpid, "0 0 0 0 0 0", 0);
	expect("u mkfifo /tmp/fifo && echo made", "made\n");
}
END_TEST

#if defined(__x86_64__)
START_TEST(the_32_bit_and_x32_tables_kill)
{
	expect("i 0", "");
	expect("c 0x40000027 0 0 0 0 0 0", ""); /* x32 getpid */
}
END_TEST
#endif

START_TEST(the_process_limit_holds)
{
	expect("u i=0; while [ $i -lt 200 ]; do sleep 3 & i=$((i+1)); done 2>/dev/null; true", "");
	ck_assert_int_le(atoi(ask("scp-iso", "u ls /proc | grep -c '^[0-9]'")), 48);
}
END_TEST

START_TEST(the_memory_limit_takes_code_and_spares_pid_1)
{
	scp_runtime_stats stats;

	(void)ask(
	    "scp-iso", "u echo 1000 >/proc/self/oom_score_adj; exec dd if=/dev/zero of=/dev/null bs=300M count=1");
	expect("u echo alive", "alive\n");
	ck_assert_int_eq(scp__runtime_stats(rt, "scp-iso", &stats, NULL), SCP_OK);
	ck_assert_uint_ge(stats.oom_kills, 1);
	ck_assert_uint_gt(stats.memory_bytes, 0);
	ck_assert_uint_le(stats.memory_bytes, 72 * MIB);
	ck_assert_uint_gt(stats.cpu_time_us, 0);
	ck_assert_uint_ge(stats.processes, 1);
}
END_TEST

START_TEST(resource_limits_of_processes_are_set)
{
	expect("u ulimit -c; ulimit -Hc; ulimit -n; ulimit -Hn", "0\n0\n1024\n1024\n");
}
END_TEST

START_TEST(interpreters_of_the_host_work)
{
	expect("u test ! -x /usr/bin/python3 || /usr/bin/python3 -c 'import threading, subprocess; "
	       "t = threading.Thread(target=print, args=(1,), kwargs={\"flush\": True}); t.start(); t.join(); "
	       "subprocess.run([\"echo\", \"2\"])' | tr -d '\\n' | grep -vx 12",
	    "");
	expect(
	    "u command -v node >/dev/null || exit 0; node -e 'setTimeout(() => console.log(1), 1)' | grep -vx 1", "");
}
END_TEST

START_TEST(shared_memory_is_not_shared_between_sandboxes)
{
	run_guest("scp-iso2");
	expect("u echo secret >/dev/shm/note; echo secret >/tmp/note", "");
	ck_assert_str_eq(ask("scp-iso2", "u cat /dev/shm/note /tmp/note 2>/dev/null; true"), "");
}
END_TEST

Suite *isolation_suite(bool engine)
{
	Suite *s = suite_create("runtime isolation");
	TCase *t = tcase_create("isolation");

	tcase_add_checked_fixture(t, begin, test_end);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, code_is_uid_1000_without_any_capability);
	tcase_add_test(t, pid_1_has_four_capabilities_none_inheritable);
	tcase_add_test(t, every_namespace_is_its_own);
	if (!engine) {
		tcase_add_test(t, only_ids_0_and_1000_are_mapped_to_uids_of_nobody_else);
		tcase_add_test(t, two_sandboxes_have_different_host_uids);
	}
	tcase_add_test(t, no_process_of_the_host_is_visible);
	tcase_add_test(t, pid_1_holds_its_streams_and_the_listener_alone);
	tcase_add_test(t, files_of_the_host_are_absent);
	tcase_add_test(t, the_root_is_read_only_and_tmp_is_not);
	tcase_add_test(t, tmp_has_an_end_in_bytes_and_files);
	tcase_add_test(t, the_workspace_is_code_s_own_and_the_disk_uid_s_outside);
	tcase_add_test(t, the_executor_s_file_can_t_be_written_from_inside);
	tcase_add_test(t, what_the_kernel_says_of_itself_is_masked);
	tcase_add_test(t, the_network_is_lo_alone);
	tcase_add_test(t, dangerous_system_calls_are_refused);
	tcase_add_test(t, ordinary_system_calls_are_allowed);
#if defined(__x86_64__)
	tcase_add_test(t, the_32_bit_and_x32_tables_kill);
#endif
	tcase_add_test(t, the_process_limit_holds);
	tcase_add_test(t, the_memory_limit_takes_code_and_spares_pid_1);
	tcase_add_test(t, resource_limits_of_processes_are_set);
	tcase_add_test(t, interpreters_of_the_host_work);
	tcase_add_test(t, shared_memory_is_not_shared_between_sandboxes);
	suite_add_tcase(s, t);
	return s;
}
