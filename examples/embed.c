/*
 * The quickstart's job with the library alone: no daemon, no HTTP. From the top folder:
 *   build/examples/embed examples/quickstart/sections.py /var/lib/dpkg/status chart.svg
 * State goes to $STATE_DIR, or where the library puts it by default.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sandboxcp/sandboxcp.h>

static char *read_file(const char *path)
{
	static char text[102401]; /* the longest code that the library takes */
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

	if (f)
		fclose(f);
	text[n] = '\0';
	return n ? text : NULL;
}

static void print_result(const scp_execution *e)
{
	printf("%s in %.0f ms: %s\n", e->result, e->metrics ? e->metrics->duration_ms : 0,
	    e->return_json ? e->return_json
	    : e->error	   ? e->error
			   : "");
	fwrite(e->out, 1, e->out_len, stdout);
	fwrite(e->err, 1, e->err_len, stderr);
	for (size_t i = 0; i < e->artifact_count; i++)
		printf("made %s, %llu bytes\n", e->artifacts[i]->path, (unsigned long long)e->artifacts[i]->size_bytes);
}

/* One run in the session; its output is printed. */
static scp_status run(scp_plane *plane, const char *session, scp_language language, const char *code, scp_error *err)
{
	scp_execution_spec spec = SCP_EXECUTION_SPEC_INIT;
	scp_execution *e = NULL;
	scp_status rc;

	spec.language = language;
	spec.code = code;
	spec.event_json = "{\"database\": \"status\"}";
	rc = scp_run(&e, plane, session, &spec, err);
	if (!rc)
		print_result(e);
	scp_execution_free(e);
	return rc;
}

int main(int argc, char **argv)
{
	scp_plane_options options = SCP_PLANE_OPTIONS_INIT;
	scp_session_spec spec = SCP_SESSION_SPEC_INIT;
	scp_error err = { SCP_EINVAL, 0, "", "usage: embed HANDLER.py DATABASE CHART.svg", "" };
	scp_plane *plane = NULL;
	scp_session *s = NULL;
	const char *code = argc == 4 ? read_file(argv[1]) : NULL;
	scp_status rc = code ? SCP_OK : SCP_EINVAL;

	options.state_dir = getenv("STATE_DIR");
	spec.template_id = "python-basic";
	if (!rc && !(rc = scp_plane_open(&plane, &options, &err)) &&
	    !(rc = scp_session_create(&s, plane, &spec, &err)) &&
	    !(rc = scp_file_put_path(NULL, plane, s->id, "status", argv[2], &err)) &&
	    !(rc = run(plane, s->id, SCP_PYTHON, code, &err)) &&
	    !(rc = run(plane, s->id, SCP_SHELL, "head -n 4 sections.csv; cat /etc/shadow", &err)))
		rc = scp_file_get_path(plane, s->id, "chart.svg", argv[3], &err);
	if (rc)
		fprintf(stderr, "%s\n%s\n", err.message, err.hint);
	if (s)
		(void)scp_session_terminate(NULL, plane, s->id, NULL);
	scp_session_free(s);
	scp_plane_close(plane);
	return rc ? 1 : 0;
}
