#include "box.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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

#define CODE_ID 1000
#define ARGS_MAX 16
#define ANSWER_WAIT_MS 60000

static const char *box_executor;
static char box_root[] = "/tmp/executor-test-XXXXXX";

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (!connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return fd;
	close(fd);
	return -1;
}

static void make_folders(struct box *box, uid_t owner)
{
	(void)snprintf(box->dir, sizeof(box->dir), "%s/XXXXXX", box_root);
	ck_assert_ptr_nonnull(mkdtemp(box->dir));
	ck_assert_int_eq(chmod(box->dir, 0755), 0);
	ck_assert_int_eq(chown(box->dir, geteuid() ? (uid_t)-1 : owner == CODE_ID ? CODE_ID : 0, (gid_t)-1), 0);
	(void)snprintf(box->socket, sizeof(box->socket), "%s/socket", box->dir);
	(void)snprintf(box->workspace, sizeof(box->workspace), "%s/workspace", box->dir);
	ck_assert_int_eq(mkdir(box->workspace, 0755), 0);
	if (!geteuid())
		ck_assert_int_eq(chown(box->workspace, CODE_ID, CODE_ID), 0);
}

static void exec_executor(const struct box *box, const char *const *args, bool same_uid)
{
	char listen_arg[128];
	char workspace_arg[128];
	char log[96];
	const char *argv[ARGS_MAX] = { box_executor, listen_arg, workspace_arg };

	(void)snprintf(listen_arg, sizeof(listen_arg), "--listen-unix=%s", box->socket);
	(void)snprintf(workspace_arg, sizeof(workspace_arg), "--workspace=%s", box->workspace);
	for (unsigned i = 0; args && args[i] && i < ARGS_MAX - 4; i++)
		argv[3 + i] = args[i];
	(void)snprintf(log, sizeof(log), "%s/log", box->dir);
	if (!freopen(log, "w", stderr))
		_exit(125);
	if (same_uid && !geteuid() && (setgid(CODE_ID) || setuid(CODE_ID)))
		_exit(126);
	execv(box_executor, (char *const *)(uintptr_t)argv);
	_exit(127);
}

/* The socket is made before anything answers on it: the first connection that works is the sign. */
static void await_listening(const struct box *box)
{
	for (unsigned i = 0; i < 5000; i++) {
		int fd = access(box->socket, F_OK) ? -1 : connect_to(box->socket);

		if (fd >= 0) {
			close(fd);
			return;
		}
		ck_assert_int_eq(waitpid(box->pid, NULL, WNOHANG), 0);
		(void)poll(NULL, 0, 2);
	}
	ck_abort_msg("the executor doesn't listen");
}

static void start(struct box *box, const char *const *args, bool same_uid)
{
	*box = (struct box){ 0 };
	make_folders(box, same_uid ? CODE_ID : 0);
	box->pid = fork();
	ck_assert_int_ge(box->pid, 0);
	if (!box->pid)
		exec_executor(box, args, same_uid);
	await_listening(box);
}

void box_start(struct box *box, const char *const *args)
{
	start(box, args, false);
}

void box_start_same_uid(struct box *box)
{
	start(box, NULL, true);
}

static void remove_tree(const char *path)
{
	pid_t pid = fork();

	if (!pid) {
		execl("/bin/rm", "rm", "-rf", "--", path, (char *)NULL);
		_exit(127);
	}
	(void)waitpid(pid, NULL, 0);
}

bool boxes_init(const char *executor)
{
	box_executor = executor;
	return mkdtemp(box_root) && !chmod(box_root, 0755);
}

const char *boxes_executor(void)
{
	return box_executor;
}

void boxes_fini(void)
{
	remove_tree(box_root);
}

void box_kill(struct box *box)
{
	ck_assert_int_eq(kill(box->pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(box->pid, NULL, 0), box->pid);
	remove_tree(box->dir);
}

void box_stop(struct box *box)
{
	int status = 0;

	ck_assert_int_eq(kill(box->pid, SIGTERM), 0);
	ck_assert_int_eq(waitpid(box->pid, &status, 0), box->pid);
	remove_tree(box->dir);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the executor ended with %x", status);
}

void box_write_file(const struct box *box, const char *path, const char *text)
{
	char full[256];
	FILE *f;

	(void)snprintf(full, sizeof(full), "%s/%s", box->workspace, path);
	f = fopen(full, "we");
	ck_assert_ptr_nonnull(f);
	(void)fputs(text, f);
	ck_assert_int_eq(fclose(f), 0);
}

bool box_has_file(const struct box *box, const char *path)
{
	char full[256];

	(void)snprintf(full, sizeof(full), "%s/%s", box->workspace, path);
	return !access(full, F_OK);
}

static void send_all(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len) {
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

		ck_assert_int_gt(n, 0);
		at += n;
		len -= (size_t)n;
	}
}

/* More raw bytes; false: the end. */
static bool receive(struct stream *s)
{
	struct pollfd p = { .fd = s->fd, .events = POLLIN };
	char bytes[65536];
	ssize_t n;

	ck_assert_msg(poll(&p, 1, ANSWER_WAIT_MS) == 1, "no answer");
	n = recv(s->fd, bytes, sizeof(bytes), 0);
	if (n <= 0)
		return false;
	ck_assert_int_eq(scp__buf_append(&s->raw, bytes, (size_t)n), SCP_OK);
	return true;
}

/* One line of the raw bytes, without its CRLF, into `out`. */
static void take_line(struct stream *s, char *out, size_t out_size)
{
	char *end;
	size_t len;

	while (!s->raw.len || !(end = memmem(s->raw.data, s->raw.len, "\r\n", 2)))
		ck_assert_msg(receive(s), "the answer breaks off in a line");
	len = (size_t)(end - s->raw.data);
	ck_assert_uint_lt(len, out_size);
	memcpy(out, s->raw.data, len);
	out[len] = '\0';
	scp__buf_consume(&s->raw, len + 2);
}

static void read_head(struct stream *s)
{
	char line[512];

	take_line(s, line, sizeof(line));
	ck_assert_int_eq(sscanf(line, "HTTP/1.1 %d", &s->status), 1);
	for (take_line(s, line, sizeof(line)); *line; take_line(s, line, sizeof(line))) {
		if (!strcasecmp(line, "Transfer-Encoding: chunked"))
			s->chunked = true;
		(void)sscanf(line, "Content-Length: %zu", &s->left);
	}
	s->ended = !s->chunked && !s->left;
}

void stream_open(
    struct stream *s, const struct box *box, const char *method, const char *target, const void *body, size_t len)
{
	char head[512];
	int n = snprintf(
	    head, sizeof(head), "%s %s HTTP/1.1\r\nHost: executor\r\nContent-Length: %zu\r\n\r\n", method, target, len);

	*s = (struct stream){ .fd = connect_to(box->socket) };
	ck_assert_int_ge(s->fd, 0);
	scp__buf_init(&s->raw, 64u << 20);
	scp__buf_init(&s->body, 64u << 20);
	send_all(s->fd, head, (size_t)n);
	send_all(s->fd, body, len);
	read_head(s);
}

/* Move body bytes from raw; false: there are none any more. */
static bool stream_more(struct stream *s)
{
	char line[64];
	size_t n;

	if (s->ended)
		return false;
	if (s->chunked && !s->left) {
		take_line(s, line, sizeof(line));
		s->left = strtoul(line, NULL, 16);
		if (!s->left) {
			take_line(s, line, sizeof(line));
			s->ended = true;
			return false;
		}
	}
	if (!s->raw.len && !receive(s))
		return false;
	n = s->raw.len < s->left ? s->raw.len : s->left;
	ck_assert_int_eq(scp__buf_append(&s->body, s->raw.data, n), SCP_OK);
	scp__buf_consume(&s->raw, n);
	s->left -= n;
	if (!s->left && s->chunked)
		take_line(s, line, sizeof(line));
	s->ended = !s->left && !s->chunked;
	return true;
}

bool stream_next(struct stream *s, scp__record *record)
{
	size_t used = 0;
	scp_status rc;

	for (;;) {
		rc = s->at < s->body.len ? scp__record_next(s->body.data + s->at, s->body.len - s->at, record, &used)
					 : SCP_EAGAIN;
		ck_assert_int_ne(rc, SCP_EINVAL);
		if (rc == SCP_OK) {
			s->at += used;
			return true;
		}
		if (!stream_more(s))
			return false;
	}
}

void stream_close(struct stream *s)
{
	if (s->fd >= 0)
		close(s->fd);
	scp__buf_free(&s->raw);
	scp__buf_free(&s->body);
	s->fd = -1;
}

int ask(const struct box *box, const char *method, const char *target)
{
	struct stream s;
	int status;

	stream_open(&s, box, method, target, NULL, 0);
	status = s.status;
	stream_close(&s);
	return status;
}

void run_open(struct stream *s, const struct box *box, const struct spec *spec)
{
	scp__buf b;

	scp__buf_init(&b, 8u << 20);
	(void)scp__record_put_text(&b, SCP__RUN_EXECUTION, spec->execution ? spec->execution : "exec_1");
	(void)scp__record_put_uint(&b, SCP__RUN_ATTEMPT, spec->attempt);
	(void)scp__record_put_uint(&b, SCP__RUN_SEQ, spec->seq);
	(void)scp__record_put_text(&b, SCP__RUN_LANGUAGE, spec->language ? spec->language : "shell");
	(void)scp__record_put_uint(&b, SCP__RUN_TIMEOUT_MS, spec->timeout_ms ? spec->timeout_ms : 30000);
	(void)scp__record_put(&b, SCP__RUN_CODE, 0, spec->code, spec->code_len ? spec->code_len : strlen(spec->code));
	if (spec->event)
		(void)scp__record_put_text(&b, SCP__RUN_EVENT, spec->event);
	if (spec->stdin_data)
		(void)scp__record_put_text(&b, SCP__RUN_STDIN, spec->stdin_data);
	if (spec->env)
		(void)scp__record_put_text(&b, SCP__RUN_ENV, spec->env);
	ck_assert_int_eq(b.status, SCP_OK);
	stream_open(s, box, "POST", "/v1/run", b.data, b.len);
	scp__buf_free(&b);
}

static void take_artifact(struct outcome *o, const scp__record *artifact)
{
	const char *at = artifact->data;
	size_t left = artifact->len;
	size_t used = 0;
	scp__record r;

	while (left && scp__record_next(at, left, &r, &used) == SCP_OK) {
		if (!scp__record_is(&r, SCP__ARTIFACT_MTIME_US)) {
			(void)scp__buf_append(&o->artifacts, r.data, r.len);
			(void)scp__buf_append(&o->artifacts, " ", 1);
		}
		at += used;
		left -= used;
	}
	(void)scp__buf_append(&o->artifacts, "\n", 1);
}

static void take_number(const scp__record *r, const char *name, uint64_t *out)
{
	if (scp__record_is(r, name))
		ck_assert(scp__record_uint(r, UINT64_MAX, out));
}

static void take_result_part(struct outcome *o, const scp__record *r)
{
	uint64_t number = UINT64_MAX;

	if (scp__record_is(r, SCP__RESULT_STATUS))
		memcpy(o->status, r->data, r->len);
	if (scp__record_is(r, SCP__RESULT_ERROR))
		memcpy(o->error, r->data, r->len);
	if (scp__record_is(r, SCP__RESULT_ARTIFACT))
		take_artifact(o, r);
	if (scp__record_is(r, SCP__RESULT_RETURN)) {
		o->has_return = true;
		(void)scp__buf_append(&o->returned, r->data, r->len);
	}
	take_number(r, SCP__RESULT_STDOUT_BYTES, &o->out_bytes);
	take_number(r, SCP__RESULT_STDERR_BYTES, &o->errors_bytes);
	take_number(r, SCP__RESULT_CPU_US, &o->cpu_us);
	take_number(r, SCP__RESULT_DURATION_US, &o->duration_us);
	take_number(r, SCP__RESULT_PEAK_BYTES, &o->peak_bytes);
	take_number(r, SCP__RESULT_EXIT_CODE, &number);
	if (scp__record_is(r, SCP__RESULT_EXIT_CODE))
		o->exit_code = (int)number;
	take_number(r, SCP__RESULT_SIGNAL, &number);
	if (scp__record_is(r, SCP__RESULT_SIGNAL))
		o->signal = (int)number;
}

static void take_result(struct outcome *o, const scp__record *result)
{
	const char *at = result->data;
	size_t left = result->len;
	size_t used = 0;
	scp__record r;

	while (left) {
		ck_assert_int_eq(scp__record_next(at, left, &r, &used), SCP_OK);
		take_result_part(o, &r);
		at += used;
		left -= used;
	}
	o->over = true;
}

void outcome_read(struct outcome *o, struct stream *s)
{
	scp__record r;

	*o = (struct outcome){ .http = s->status, .exit_code = -1, .signal = -1 };
	scp__buf_init(&o->out, 64u << 20);
	scp__buf_init(&o->errors, 64u << 20);
	scp__buf_init(&o->artifacts, 1u << 20);
	scp__buf_init(&o->returned, 2u << 20);
	if (s->status != 200)
		return;
	while (stream_next(s, &r)) {
		ck_assert_msg(!o->over, "an event behind the result");
		if (scp__record_is(&r, SCP__EVENT_HEARTBEAT))
			continue;
		if (o->last_seq)
			ck_assert_uint_eq(r.seq, o->last_seq + 1);
		else
			o->first_seq = r.seq;
		o->last_seq = r.seq;
		o->started |= scp__record_is(&r, SCP__EVENT_STARTED);
		if (scp__record_is(&r, SCP__EVENT_STDOUT))
			(void)scp__buf_append(&o->out, r.data, r.len);
		if (scp__record_is(&r, SCP__EVENT_STDERR))
			(void)scp__buf_append(&o->errors, r.data, r.len);
		if (scp__record_is(&r, SCP__EVENT_RESULT))
			take_result(o, &r);
	}
	(void)scp__buf_append(&o->out, "", 0);
}

void outcome_free(struct outcome *o)
{
	scp__buf_free(&o->out);
	scp__buf_free(&o->errors);
	scp__buf_free(&o->artifacts);
	scp__buf_free(&o->returned);
}

void await_started(struct stream *s)
{
	scp__record r;

	ck_assert_int_eq(s->status, 200);
	while (stream_next(s, &r))
		if (scp__record_is(&r, SCP__EVENT_STARTED))
			return;
	ck_abort_msg("it never started");
}

void await_output(struct stream *s, const char *text)
{
	scp__record r;

	while (stream_next(s, &r))
		if (scp__record_is(&r, SCP__EVENT_STDOUT) && memmem(r.data, r.len, text, strlen(text)))
			return;
	ck_abort_msg("it never wrote %s", text);
}

void run(struct outcome *o, const struct box *box, const struct spec *spec)
{
	struct stream s;

	run_open(&s, box, spec);
	outcome_read(o, &s);
	stream_close(&s);
}

static bool has_word(const char *pid, const char *word)
{
	char path[300];
	char line[4096];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%s/cmdline", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, line, sizeof(line));
	close(fd);
	return n > 0 && memmem(line, (size_t)n, word, strlen(word));
}

bool process_with(const char *word)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	bool found = false;

	ck_assert_ptr_nonnull(proc);
	while (!found && (entry = readdir(proc)))
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && atoi(entry->d_name) != getpid())
			found = has_word(entry->d_name, word);
	closedir(proc);
	return found;
}

bool process_with_goes(const char *word, unsigned ms)
{
	for (unsigned i = 0; i < ms; i += 5) {
		if (!process_with(word))
			return true;
		(void)poll(NULL, 0, 5);
	}
	return !process_with(word);
}
