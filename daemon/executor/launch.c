#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clock.h"
#include "languages/language.h"

static void on_grew(void *user)
{
	run_wake(user);
}

static int write_all(int fd, const struct text *text)
{
	size_t at = 0;

	while (at < text->len) {
		ssize_t n = write(fd, text->data + at, text->len - at);

		if (n < 0 && errno != EINTR)
			return -1;
		at += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* A file of ours in memory, to be read from its start. */
static int memory_file(const char *name, const struct text *parts, unsigned count)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	if (fd < 0)
		return -1;
	for (unsigned i = 0; i < count; i++) {
		if (parts[i].len && write_all(fd, &parts[i])) {
			close(fd);
			return -1;
		}
	}
	(void)lseek(fd, 0, SEEK_SET);
	return fd;
}

static int open_stdin(const struct run *run)
{
	if (run->request->stdin_data.len || run->executor->null_fd < 0)
		return memory_file("stdin", &run->request->stdin_data, 1);
	return fcntl(run->executor->null_fd, F_DUPFD_CLOEXEC, 0);
}

/* Code and event for a wrapper: one line of numbers, then both. Without one: the same empty stdin again. */
static int open_input(const struct run *run)
{
	const struct run_request *q = run->request;
	char head[160];
	struct text parts[] = { { head, 0 }, q->code, q->event };

	if (!language_takes_input(q->language))
		return fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	parts[0].len = (size_t)snprintf(head, sizeof(head), "%zu %zu %u %lld %s\n", q->code.len, q->event.len,
	    (unsigned)q->attempt, (long long)(scp__mono_us() + (int64_t)q->timeout_ms * 1000), q->execution);
	return memory_file("code", parts, 3);
}

/* A pipe that we read without waiting, and the code writes as it is used to. */
static int open_pipe(int *ours, int *theirs)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return -1;
	(void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
	*ours = ends[0];
	*theirs = ends[1];
	return 0;
}

static int open_output(struct run *run, struct output *o, const char *name, int *theirs)
{
	int ours;

	if (open_pipe(&ours, theirs))
		return -1;
	*o = (struct output){ .spool = &run->spool, .grew = on_grew, .user = run, .name = name };
	return output_open(o, run->executor->base, ours);
}

int launch_open(struct run *run, int fds[JOB_FD_COUNT])
{
	for (unsigned i = 0; i < JOB_FD_COUNT; i++)
		fds[i] = -1;
	fds[JOB_STDIN] = open_stdin(run);
	fds[JOB_INPUT] = open_input(run);
	if (fds[JOB_STDIN] < 0 || fds[JOB_INPUT] < 0)
		return -1;
	if (open_output(run, &run->out, SCP__EVENT_STDOUT, &fds[JOB_STDOUT]))
		return -1;
	if (open_output(run, &run->errors, SCP__EVENT_STDERR, &fds[JOB_STDERR]))
		return -1;
	return open_output(run, &run->back, NULL, &fds[JOB_RESULT]);
}

void launch_close(const int fds[JOB_FD_COUNT])
{
	for (unsigned i = 0; i < JOB_FD_COUNT; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static bool env_has(const struct run_request *q, const char *name)
{
	size_t len = strlen(name);

	for (uint32_t i = 0; i < q->env_count; i++)
		if (q->env[i].len > len && !memcmp(q->env[i].data, name, len) && q->env[i].data[len] == '=')
			return true;
	return false;
}

static void put_env(struct job *job, size_t *at, const char *data, size_t len)
{
	memcpy(job->text + *at, data, len);
	job->text[*at + len] = '\0';
	*at += len + 1;
	job->env_count++;
}

static void put_default(struct job *job, size_t *at, const struct run_request *q, const char *name, const char *value)
{
	char text[320];
	int len = snprintf(text, sizeof(text), "%s=%s", name, value);

	if (!env_has(q, name) && len > 0 && (size_t)len < sizeof(text) && job->env_count < JOB_ENV_COUNT_MAX)
		put_env(job, at, text, (size_t)len);
}

size_t launch_write_job(const struct run *run, struct job *job)
{
	const struct run_request *q = run->request;
	size_t at = 0;

	job->language = q->language;
	job->env_count = 0;
	for (uint32_t i = 0; i < q->env_count; i++)
		put_env(job, &at, q->env[i].data, q->env[i].len);
	put_default(job, &at, q, "PATH", CODE_PATH);
	put_default(job, &at, q, "HOME", run->executor->settings.workspace);
	put_default(job, &at, q, "PWD", run->executor->settings.workspace);
	put_default(job, &at, q, "LANG", "C.UTF-8");
	put_default(job, &at, q, "SANDBOX_RESULT_FD", "3");
	if (!language_takes_input(q->language)) {
		memcpy(job->text + at, q->code.data, q->code.len);
		at += q->code.len;
	}
	job->text[at] = '\0';
	return at;
}
