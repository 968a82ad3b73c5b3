/* The link against sandbox-executor itself, run beside the test: no container, so as root or as whoever we are. */
#include <check.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake.h"

#define CODE_UID 1000

struct real {
	scp_runtime rt;
	scp_runtime_ops ops;
	pid_t pid;
	char dir[64];
	char socket[96];
};

static const char *program;
static struct real real_;
static scp__link *link_;

static scp_status real_connect(scp_runtime *rt, const char *name, int *fd, scp_error *err)
{
	struct real *r = (struct real *)rt;
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	(void)name;
	(void)err;
	strcpy(a.sun_path, r->socket);
	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (!connect(*fd, (struct sockaddr *)&a, sizeof(a)))
		return SCP_OK;
	close(*fd);
	return SCP_EUNAVAIL;
}

static void start_executor(struct real *r)
{
	char listen_arg[128];
	char workspace_arg[128];
	char workspace[96];

	strcpy(r->dir, "/tmp/scp-link-real-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(r->dir));
	ck_assert_int_eq(chmod(r->dir, 0755), 0);
	snprintf(r->socket, sizeof(r->socket), "%s/socket", r->dir);
	snprintf(workspace, sizeof(workspace), "%s/workspace", r->dir);
	snprintf(listen_arg, sizeof(listen_arg), "--listen-unix=%s", r->socket);
	snprintf(workspace_arg, sizeof(workspace_arg), "--workspace=%s", workspace);
	ck_assert_int_eq(mkdir(workspace, 0755), 0);
	if (!geteuid())
		ck_assert_int_eq(chown(workspace, CODE_UID, CODE_UID), 0);
	r->pid = fork();
	if (r->pid)
		return;
	execl(program, program, listen_arg, workspace_arg, (char *)NULL);
	_exit(127);
}

static void begin_(void)
{
	real_.ops = (scp_runtime_ops){ .struct_size = sizeof(real_.ops), .connect = real_connect };
	real_.rt.ops = &real_.ops;
	start_executor(&real_);
	ck_assert_int_eq(scp__link_new(&link_, NULL, NULL), SCP_OK);
	ck_assert_int_eq(scp__link_ping(link_, &real_.rt, "scp-a", 10000, NULL, NULL), SCP_OK);
}

static void remove_dir(const char *dir)
{
	pid_t pid = fork();

	if (!pid) {
		execl("/bin/rm", "rm", "-rf", "--", dir, (char *)NULL);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
}

static void finish_(void)
{
	scp__link_free(link_);
	kill(real_.pid, SIGTERM);
	waitpid(real_.pid, NULL, 0);
	remove_dir(real_.dir);
}

static scp__link_stream *run_(seen *s, const char *id, const char *code)
{
	scp__link_stream *stream;
	const scp__link_run_request r = { .execution_id = id,
		.attempt = 0,
		.seq = 0,
		.language = "shell",
		.timeout_ms = 30000,
		.code = code,
		.code_len = strlen(code),
		.event_json = "{}" };

	seen_init(s);
	ck_assert_int_eq(scp__link_run(link_, &stream, &real_.rt, "scp-a", &r, &seen_handler, s, NULL), SCP_OK);
	return stream;
}

static void run_to_end(seen *s, const char *id, const char *code)
{
	scp__link_stream *stream = run_(s, id, code);

	ck_assert_msg(seen_wait(s) == SCP_OK, "%s", s->err.message);
	scp__link_stream_close(stream);
}

START_TEST(a_run_ends_with_its_output_and_result)
{
	seen s;

	begin_();
	run_to_end(&s, "exec_1", "echo out; echo err >&2");
	ck_assert_ptr_nonnull(strstr(s.text, "started:"));
	ck_assert_ptr_nonnull(strstr(s.text, ":out\n;"));
	ck_assert_ptr_nonnull(strstr(s.text, ":err\n;"));
	finish_();
}
END_TEST

START_TEST(a_mebibyte_of_output_is_whole)
{
	seen s;

	begin_();
	run_to_end(&s, "exec_1", "head -c 1048576 /dev/zero");
	ck_assert_uint_ge(s.bytes, 1u << 20);
	finish_();
}
END_TEST

static scp_status attach(seen *s, const char *id, uint64_t after)
{
	scp__link_stream *stream;
	scp_status rc;

	seen_init(s);
	ck_assert_int_eq(
	    scp__link_attach(link_, &stream, &real_.rt, "scp-a", id, 0, after, &seen_handler, s, NULL), SCP_OK);
	rc = seen_wait(s);
	scp__link_stream_close(stream);
	return rc;
}

START_TEST(an_attach_after_the_end_brings_what_is_behind)
{
	unsigned all;
	seen s;

	begin_();
	run_to_end(&s, "exec_1", "echo out");
	ck_assert_int_eq(attach(&s, "exec_1", 0), SCP_OK);
	ck_assert_ptr_nonnull(strstr(s.text, ":1:"));
	all = s.records;
	ck_assert_int_eq(attach(&s, "exec_1", 1), SCP_OK);
	ck_assert_ptr_null(strstr(s.text, ":1:"));
	ck_assert_uint_eq(s.records, all - 1);
	finish_();
}
END_TEST

START_TEST(the_same_run_is_attached_to_and_not_started_again)
{
	seen s;

	begin_();
	run_to_end(&s, "exec_1", "echo x >>ran; cat ran");
	run_to_end(&s, "exec_1", "echo x >>ran; cat ran");
	ck_assert_ptr_nonnull(strstr(s.text, ":x\n;"));
	ck_assert_ptr_null(strstr(s.text, "x\nx\n"));
	finish_();
}
END_TEST

START_TEST(an_acknowledged_run_is_forgotten)
{
	seen s;

	begin_();
	run_to_end(&s, "exec_1", "true");
	scp__link_ack(link_, &real_.rt, "scp-a", "exec_1", 0);
	while (attach(&s, "exec_1", 0) != SCP_ENOTFOUND)
		poll(NULL, 0, 1);
	finish_();
}
END_TEST

static void wait_text(seen *s, const char *text)
{
	pthread_mutex_lock(&s->lock);
	while (!strstr(s->text, text))
		pthread_cond_wait(&s->changed, &s->lock);
	pthread_mutex_unlock(&s->lock);
}

START_TEST(a_cancelled_run_brings_its_output_and_a_result)
{
	scp__link_stream *stream;
	seen s;

	begin_();
	stream = run_(&s, "exec_1", "echo go; sleep 100");
	wait_text(&s, "go\n");
	scp__link_cancel(link_, &real_.rt, "scp-a", "exec_1", 0);
	ck_assert_int_eq(seen_wait(&s), SCP_OK);
	scp__link_stream_close(stream);
	finish_();
}
END_TEST

START_TEST(a_closed_stream_leaves_its_run_going)
{
	scp__link_stream *stream;
	seen s;

	begin_();
	stream = run_(&s, "exec_1", "echo go; read x <&0; echo done");
	wait_text(&s, "go\n");
	scp__link_stream_close(stream);
	ck_assert_int_eq(attach(&s, "exec_1", 0), SCP_OK);
	ck_assert_msg(strstr(s.text, "done\n") != NULL, "%s", s.text);
	finish_();
}
END_TEST

START_TEST(an_executor_that_dies_ends_its_streams)
{
	scp__link_stream *stream;
	seen s;

	begin_();
	stream = run_(&s, "exec_1", "echo go; sleep 100");
	wait_text(&s, "go\n");
	kill(real_.pid, SIGKILL);
	ck_assert_int_eq(seen_wait(&s), SCP_EUNAVAIL);
	scp__link_stream_close(stream);
	finish_();
}
END_TEST

START_TEST(a_run_that_it_refuses_is_invalid)
{
	scp__link_run_request r = {
		.execution_id = "exec_1", .language = "cobol", .timeout_ms = 1000, .code = "x", .code_len = 1
	};
	scp__link_stream *stream;
	seen s;

	begin_();
	seen_init(&s);
	ck_assert_int_eq(scp__link_run(link_, &stream, &real_.rt, "scp-a", &r, &seen_handler, &s, NULL), SCP_OK);
	ck_assert_int_eq(seen_wait(&s), SCP_EINVAL);
	scp__link_stream_close(stream);
	finish_();
}
END_TEST

START_TEST(twenty_runs_at_once_all_end)
{
	scp__link_stream *streams[20];
	seen s[20];
	char id[32];

	begin_();
	for (int i = 0; i < 20; i++) {
		snprintf(id, sizeof(id), "exec_%d", i);
		streams[i] = run_(&s[i], id, "echo x");
	}
	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(seen_wait(&s[i]), SCP_OK);
		scp__link_stream_close(streams[i]);
	}
	finish_();
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("link_real");
	SRunner *runner = srunner_create(suite);
	TCase *tc = tcase_create("real");
	int failed;

	program = argc > 1 ? argv[1] : "sandbox-executor";
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_run_ends_with_its_output_and_result);
	tcase_add_test(tc, a_mebibyte_of_output_is_whole);
	tcase_add_test(tc, an_attach_after_the_end_brings_what_is_behind);
	tcase_add_test(tc, the_same_run_is_attached_to_and_not_started_again);
	tcase_add_test(tc, an_acknowledged_run_is_forgotten);
	tcase_add_test(tc, a_cancelled_run_brings_its_output_and_a_result);
	tcase_add_test(tc, a_closed_stream_leaves_its_run_going);
	tcase_add_test(tc, an_executor_that_dies_ends_its_streams);
	tcase_add_test(tc, a_run_that_it_refuses_is_invalid);
	tcase_add_test(tc, twenty_runs_at_once_all_end);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
