/*
 * Speed through the library, each figure beside the same work without us, measured by turns in one run: on a shared
 * machine only the ratio tells. bench_library [SCALE]: how many times as many runs (default 1).
 */
#include "bench.h"

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROUNDS = 300, PYTHON_ROUNDS = 40, COLD_ROUNDS = 15, GETS = 20000, CROWD = 8, MANY = 100 };

static scp_plane *plane;
static scp_error failure;
static unsigned scale = 1;

static void must(scp_status rc, const char *what)
{
	if (rc)
		bench_die(what, failure.message);
}

/* ---- small steps ---- */

static scp_session *create(const char *template)
{
	scp_session_spec spec = SCP_SESSION_SPEC_INIT;
	scp_session *made = NULL, *s = NULL;

	spec.template_id = template;
	must(scp_session_create(&made, plane, &spec, &failure), "create a session");
	must(scp_session_wait(&s, plane, made->id, 60000, &failure), "wait for a session");
	scp_session_free(made);
	if (s->status != SCP_SESSION_RUNNING)
		bench_die("session", s->error ? s->error->message : "isn't running");
	return s;
}

static void end(scp_session *s)
{
	must(scp_session_terminate(NULL, plane, s->id, &failure), "end a session");
	scp_session_free(s);
}

static double run(const char *session, scp_language language, const char *code)
{
	scp_execution_spec spec = SCP_EXECUTION_SPEC_INIT;
	scp_execution *e = NULL;
	scp_error err;
	double from = bench_now_ms();

	spec.language = language;
	spec.code = code;
	if (scp_run(&e, plane, session, &spec, &err))
		bench_die("run", err.message);
	if (strcmp(e->result, "success"))
		bench_die(code, e->error ? e->error : e->result);
	scp_execution_free(e);
	return bench_now_ms() - from;
}

/* ---- one after the other, by turns with the bare program ---- */

struct pair {
	const char *name, *bare_name, *bound;
	scp_language language;
	const char *code;
	const char *argv[5];
	unsigned rounds;
};

static const struct pair pairs[] = {
	{ "/bin/true in a live sandbox", "  vfork+exec+wait /bin/true", "<= 1 ms p50", SCP_SHELL, "/bin/true",
	    { "/bin/true", NULL }, ROUNDS },
	{ "`true` by the shell", "  bash -c true", NULL, SCP_SHELL, "true", { "/bin/bash", "-c", "true", NULL },
	    ROUNDS },
	{ "python handler", "  python3 -I -c 'import json'", "<= bare + 3 ms", SCP_PYTHON,
	    "def handler(event):\n    return 1", { "/usr/bin/python3", "-I", "-c", "import json", NULL },
	    PYTHON_ROUNDS },
};

static void measure_pair(const char *session, const struct pair *p)
{
	static struct samples ours, bare;

	ours.count = bare.count = 0;
	for (unsigned i = 0; i < 3; i++)
		(void)run(session, p->language, p->code);
	for (unsigned i = 0; i < p->rounds * scale; i++) {
		bench_add(&ours, run(session, p->language, p->code));
		bench_add(&bare, bench_bare_program(p->argv));
	}
	bench_line(p->name, &ours, p->bound);
	bench_line(p->bare_name, &bare, NULL);
	bench_note("  ours - bare, p50", bench_quantile(&ours, 0.5) - bench_quantile(&bare, 0.5), "ms", NULL);
}

/* ---- several at once ---- */

struct worker {
	pthread_t thread;
	const char *session;
	unsigned rounds;
};

static void *work(void *arg)
{
	struct worker *w = arg;

	for (unsigned i = 0; i < w->rounds; i++)
		(void)run(w->session, SCP_SHELL, "/bin/true");
	return NULL;
}

static void measure_crowd(const char *session)
{
	struct worker workers[CROWD];
	double from = bench_now_ms(), seconds;

	for (unsigned i = 0; i < CROWD; i++) {
		workers[i] = (struct worker){ .session = session, .rounds = ROUNDS / 2 * scale };
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			bench_die("thread", "can't be started");
	}
	for (unsigned i = 0; i < CROWD; i++)
		pthread_join(workers[i].thread, NULL);
	seconds = (bench_now_ms() - from) / 1e3;
	bench_note("/bin/true, 8 at once in one sandbox", CROWD * (ROUNDS / 2) * scale / seconds, "/s", NULL);
}

static void measure_gets(const char *session)
{
	double from = bench_now_ms();
	scp_session *s;

	for (unsigned i = 0; i < GETS * scale; i++) {
		must(scp_session_get(&s, plane, session, &failure), "get a session");
		scp_session_free(s);
	}
	bench_note("scp_session_get", GETS * scale / ((bench_now_ms() - from) / 1e3), "/s", NULL);
}

/* ---- cold sessions ---- */

/* What the plane says it uses. */
static const char *runtime_program(void)
{
	const char *program = NULL;
	scp_health *health = NULL;

	must(scp_plane_health(&health, plane, 5000, &failure), "health");
	for (size_t i = 0; i < health->probe_count; i++)
		if (health->probes[i]->detail && strstr(health->probes[i]->detail, "crun"))
			program = "crun";
		else if (health->probes[i]->detail && strstr(health->probes[i]->detail, "runc"))
			program = "runc";
	scp_health_free(health);
	return program;
}

static double cold(void)
{
	double from = bench_now_ms(), took;
	scp_session *s = create("shell-basic");

	took = bench_now_ms() - from;
	end(s);
	return took;
}

static void measure_cold(struct bare *b, const scp_session *model)
{
	static struct samples ours, bare;
	const char *program = runtime_program();
	bool compare = program && geteuid() == 0 && bench_bare_copy(b, model->container_id, program);
	double took;

	for (unsigned i = 0; i < COLD_ROUNDS * scale; i++) {
		bench_add(&ours, cold());
		usleep(200000); /* the one before is taken down behind our back */
		took = compare ? bench_bare_run(b) : -1.0;
		if (took >= 0)
			bench_add(&bare, took);
	}
	bench_line("cold session, created to running", &ours, "<= 1.2 x bare + 5 ms");
	if (!bare.count) {
		printf("  (no bare runtime to compare with)\n");
		return;
	}
	bench_line("  run -d of the same bundle by the runtime alone", &bare, NULL);
	bench_note("  ours against 1.2 x bare + 5 ms (1: just so), p50",
	    bench_quantile(&ours, 0.5) / (1.2 * bench_quantile(&bare, 0.5) + 5), "", NULL);
}

/* ---- memory ---- */

static unsigned long kib_of(const char *path, const char *field)
{
	FILE *f = fopen(path, "re");
	char line[256];
	unsigned long kib = 0;

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, field, strlen(field)))
			kib = strtoul(line + strlen(field), NULL, 10);
	if (f)
		fclose(f);
	return kib;
}

/* Proportional memory of every process that is called as the executor and its supervisors are. */
static unsigned long executors_kib(unsigned *count)
{
	DIR *proc = opendir("/proc");
	struct dirent *d;
	unsigned long sum = 0;
	char path[300], name[32];
	FILE *f;

	*count = 0;
	while (proc && (d = readdir(proc))) {
		(void)snprintf(path, sizeof(path), "/proc/%.200s/comm", d->d_name);
		f = d->d_name[0] >= '0' && d->d_name[0] <= '9' ? fopen(path, "re") : NULL;
		if (!f)
			continue;
		if (fgets(name, sizeof(name), f) &&
		    (!strcmp(name, "executor\n") || !strcmp(name, "sandbox-executo\n"))) {
			(void)snprintf(path, sizeof(path), "/proc/%.200s/smaps_rollup", d->d_name);
			sum += kib_of(path, "Pss:");
			++*count;
		}
		fclose(f);
	}
	if (proc)
		closedir(proc);
	return sum;
}

/* ---- many ---- */

static void measure_many(void)
{
	static char ids[MANY][64];
	scp_session_spec spec = SCP_SESSION_SPEC_INIT;
	unsigned processes_before, processes;
	unsigned long before = executors_kib(&processes_before), after;
	double from = bench_now_ms();
	scp_session *s;

	spec.template_id = "shell-basic";
	for (unsigned i = 0; i < MANY; i++) {
		must(scp_session_create(&s, plane, &spec, &failure), "create a session");
		(void)snprintf(ids[i], sizeof(ids[i]), "%s", s->id);
		scp_session_free(s);
	}
	for (unsigned i = 0; i < MANY; i++) {
		must(scp_session_wait(&s, plane, ids[i], 60000, &failure), "wait for a session");
		if (s->status != SCP_SESSION_RUNNING)
			bench_die("session", s->error ? s->error->message : "isn't running");
		scp_session_free(s);
	}
	bench_note("100 sessions at once, until all run", (bench_now_ms() - from) / 1e3, "s", NULL);
	after = executors_kib(&processes);
	bench_note("  memory an idle sandbox (PSS)", (double)(after - before) / 1024 / MANY, "MiB", "<= 3");
	bench_note("  processes an idle sandbox", (double)(processes - processes_before) / MANY, "", NULL);
	bench_note("this process, resident", (double)kib_of("/proc/self/status", "VmRSS:") / 1024, "MiB", NULL);
	for (unsigned i = 0; i < MANY; i++)
		must(scp_session_terminate(NULL, plane, ids[i], &failure), "end a session");
}

/* ---- the plane ---- */

static void wait_until_gone(void)
{
	scp_session_query query = SCP_SESSION_QUERY_INIT;
	scp_session_page *page = NULL;
	bool left = true;

	/* Ended sessions lose their containers in the background. */
	query.status = SCP_SESSION_TERMINATED;
	query.limit = 200;
	for (unsigned i = 0; left && i < 600; i++) {
		must(scp_session_list(&page, plane, &query, &failure), "list sessions");
		left = false;
		for (size_t k = 0; k < page->count; k++)
			left |= page->items[k]->container_id != NULL;
		scp_session_page_free(page);
		if (left)
			usleep(50000);
	}
}

static void open_plane(const char *state)
{
	scp_plane_options options = SCP_PLANE_OPTIONS_INIT;
	double from = bench_now_ms();

	options.state_dir = state;
	must(scp_plane_open(&plane, &options, &failure), "open the plane");
	bench_note("plane opened", bench_now_ms() - from, "ms", NULL);
}

static void close_plane(void)
{
	double from = bench_now_ms();

	scp_plane_close(plane);
	bench_note("plane closed", bench_now_ms() - from, "ms", NULL);
}

static bool wanted(const char *what)
{
	const char *only = getenv("BENCH_ONLY");

	return !only || strstr(only, what);
}

int main(int argc, char **argv)
{
	char state[] = "/var/tmp/scp-bench-XXXXXX";
	struct bare *b = bench_bare_start();
	scp_session *s;

	if (argc > 1)
		scale = (unsigned)strtoul(argv[1], NULL, 10);
	if (!scale || !mkdtemp(state))
		bench_die("usage", "bench_library [SCALE]");
	printf("%-58s %9s %9s\n", "", "p50", "p99");
	open_plane(state);
	s = create("python-basic");
	for (size_t i = 0; wanted("run") && i < sizeof(pairs) / sizeof(pairs[0]); i++)
		measure_pair(s->id, &pairs[i]);
	if (wanted("crowd"))
		measure_crowd(s->id);
	if (wanted("get"))
		measure_gets(s->id);
	if (wanted("cold"))
		measure_cold(b, s);
	if (wanted("many"))
		measure_many();
	end(s);
	wait_until_gone();
	close_plane();
	open_plane(state);
	close_plane();
	bench_bare_end(b);
	(void)!execlp("rm", "rm", "-rf", "--one-file-system", state, (char *)NULL);
	return 1;
}
