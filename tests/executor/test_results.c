/* What a run gives back. */
#include "box.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct box box;
static struct outcome o;

static void set_up(void)
{
	box_start(&box, NULL);
}

static void tear_down(void)
{
	outcome_free(&o);
	box_stop(&box);
}

static const char *text(const scp__buf *b)
{
	return b->data ? b->data : "";
}

/* A run has a name of its own each time: exec_1 first. */
static void run_next(const char *language, const char *code, const char *event)
{
	static unsigned count;
	char id[32];

	(void)snprintf(id, sizeof(id), "exec_%u", ++count);
	outcome_free(&o);
	run(&o, &box, &(struct spec){ .execution = id, .language = language, .code = code, .event = event });
	ck_assert_int_eq(o.http, 200);
	ck_assert(o.over);
}

static void shell(const char *code)
{
	run_next("shell", code, NULL);
}

static void python(const char *code, const char *event)
{
	run_next("python", code, event);
}

static void javascript(const char *code, const char *event)
{
	run_next("javascript", code, event);
}

static void expect(const char *status, int exit_code)
{
	ck_assert_msg(!strcmp(o.status, status), "%s (%s): %s", o.status, o.error, text(&o.errors));
	ck_assert_int_eq(o.exit_code, exit_code);
}

START_TEST(a_shell_pipe_gives_its_output)
{
	shell("printf 'b\\na\\n' | sort; echo oops >&2");
	expect("completed", 0);
	ck_assert(o.started);
	ck_assert_str_eq(text(&o.out), "a\nb\n");
	ck_assert_str_eq(text(&o.errors), "oops\n");
	ck_assert_uint_eq(o.out_bytes, 4);
	ck_assert_uint_eq(o.errors_bytes, 5);
	ck_assert(!o.has_return);
}
END_TEST

START_TEST(a_plain_command_means_what_a_shell_means)
{
	char home[128];

	shell("/bin/echo  one two\n");
	ck_assert_str_eq(text(&o.out), "one two\n");
	shell("/bin/echo $HOME");
	(void)snprintf(home, sizeof(home), "%s\n", box.workspace);
	ck_assert_str_eq(text(&o.out), home);
	shell("/no/such/program");
	expect("failed", 127);
	ck_assert(strstr(text(&o.errors), "/no/such/program"));
}
END_TEST

START_TEST(a_handler_gets_the_event_and_gives_a_return)
{
	python("def handler(event):\n    print('sum')\n    return {'sum': sum(event['n']), 'é': None}\n",
	    "{\"n\": [1, 2]}");
	expect("completed", 0);
	ck_assert_str_eq(text(&o.out), "sum\n");
	ck_assert_str_eq(text(&o.returned), "{\"sum\": 3, \"é\": null}");
}
END_TEST

START_TEST(a_handler_may_take_a_context)
{
	python("def handler(event, context):\n    return [context.execution_id, context.attempt, "
	       "context.remaining_time_ms > 1000]",
	    NULL);
	ck_assert_str_eq(text(&o.returned), "[\"exec_1\", 0, true]");
	outcome_free(&o);
	run(&o, &box,
	    &(struct spec){ .execution = "js",
		.language = "javascript",
		.code = "exports.handler = (e, c) => [c.execution_id, c.attempt, c.remaining_time_ms > 1000]" });
	ck_assert_str_eq(text(&o.returned), "[\"js\",0,true]");
}
END_TEST

START_TEST(an_argument_with_a_default_is_no_context)
{
	python("def handler(event, limit=10):\n    return limit", NULL);
	ck_assert_str_eq(text(&o.returned), "10");
}
END_TEST

START_TEST(async_handlers_are_awaited)
{
	python("import asyncio\nasync def handler(event):\n    await asyncio.sleep(0.01)\n    return event", "[1]");
	ck_assert_str_eq(text(&o.returned), "[1]");
	outcome_free(&o);
	run(&o, &box,
	    &(struct spec){ .execution = "js",
		.language = "javascript",
		.code = "const handler = async (e) => { await new Promise(r => setTimeout(r, 10)); return {got: e} }",
		.event = "[1]" });
	expect("completed", 0);
	ck_assert_str_eq(text(&o.returned), "{\"got\":[1]}");
}
END_TEST

START_TEST(code_without_a_handler_just_runs)
{
	python("import __main__\nif __name__ == '__main__':\n    print(__main__.__dict__.get('run'))\n", "{}");
	expect("completed", 0);
	ck_assert_str_eq(text(&o.out), "None\n");
	ck_assert(!o.has_return);
}
END_TEST

START_TEST(a_syntax_error_shows_its_line)
{
	python("x = 1\ny = = 2\n", NULL);
	expect("failed", 1);
	ck_assert(strstr(text(&o.errors), "File \"<code>\", line 2"));
	ck_assert(strstr(text(&o.errors), "y = = 2"));
	ck_assert(strstr(o.error, "SyntaxError"));
}
END_TEST

START_TEST(an_exception_shows_the_codes_own_lines)
{
	python("def handler(event):\n    return 1 / event\n", "0");
	expect("failed", 1);
	ck_assert(strstr(text(&o.errors), "File \"<code>\", line 2, in handler\n    return 1 / event"));
	ck_assert_ptr_null(strstr(text(&o.errors), "<string>"));
	ck_assert_str_eq(o.error, "ZeroDivisionError: division by zero");
	ck_assert(!o.has_return);
}
END_TEST

START_TEST(a_javascript_error_shows_where)
{
	javascript("function f() {\n  throw new TypeError('bad');\n}\nf();\n", NULL);
	expect("failed", 1);
	ck_assert(strstr(text(&o.errors), "<code>:2"));
	ck_assert_str_eq(o.error, "TypeError: bad");
	outcome_free(&o);
	run(&o, &box,
	    &(struct spec){ .execution = "2",
		.language = "javascript",
		.code = "exports.handler = async () => { throw new Error('late') }" });
	expect("failed", 1);
	ck_assert_str_eq(o.error, "Error: late");
}
END_TEST

START_TEST(exit_codes_are_kept)
{
	python("import sys\nprint('x')\nsys.exit(3)", NULL);
	expect("failed", 3);
	ck_assert_str_eq(text(&o.out), "x\n");
	outcome_free(&o);
	run(&o, &box, &(struct spec){ .execution = "2", .language = "python", .code = "import sys\nsys.exit('why')" });
	expect("failed", 1);
	ck_assert_str_eq(text(&o.errors), "why\n");
	outcome_free(&o);
	run(&o, &box, &(struct spec){ .execution = "3", .language = "python", .code = "import os\nos._exit(4)" });
	expect("failed", 4);
	outcome_free(&o);
	run(&o, &box, &(struct spec){ .execution = "4", .language = "javascript", .code = "process.exit(3)" });
	expect("failed", 3);
}
END_TEST

START_TEST(a_signal_is_named)
{
	shell("kill -SEGV $$");
	ck_assert_str_eq(o.status, "failed");
	ck_assert_int_eq(o.exit_code, -1);
	ck_assert_int_eq(o.signal, SIGSEGV);
	ck_assert(strstr(o.error, "signal 11"));
}
END_TEST

static const struct {
	const char *language;
	const char *code;
	const char *error;
} bad_returns[] = {
	{ "python", "handler = lambda e: {1}", "return value of type 'set' is not JSON serialisable" },
	{ "python", "handler = lambda e: {'a': {1}}", "holds a value of type 'set'" },
	{ "python", "handler = lambda e: float('nan')", "not JSON serialisable" },
	{ "python", "def handler(e):\n a = []\n a.append(a)\n return a", "not JSON serialisable" },
	{ "python", "def handler(e):\n a = 1\n for _ in range(65): a = [a]\n return a", "deeper than 64" },
	{ "python", "def handler(e):\n a = 1\n for _ in range(9999): a = [a]\n return a", "deeper than 64" },
	{ "python", "handler = lambda e: 'x' * (1 << 20)", "larger than 1 MiB" },
	{ "python", "handler = lambda e: '\\ud800'", "not JSON serialisable" },
	{ "javascript", "exports.handler = () => 1n", "return value of type 'bigint' is not JSON serialisable" },
	{ "javascript", "exports.handler = () => new Set([1])", "return value of type 'Set' is not JSON serialisable" },
	{ "javascript", "exports.handler = () => { const a = {}; a.a = a; return a }", "not JSON serialisable" },
	{ "javascript", "exports.handler = () => 'x'.repeat(1 << 20)", "larger than 1 MiB" },
	{ "javascript", "exports.handler = () => { let a = 1; for (let i = 0; i < 65; i++) a = [a]; return a }",
	    "deeper than 64" },
	{ "shell", "head -c 1048577 /dev/zero >&3", "return value larger than 1 MiB" },
};

START_TEST(a_return_that_is_no_json_fails_and_says_why)
{
	run(&o, &box, &(struct spec){ .language = bad_returns[_i].language, .code = bad_returns[_i].code });
	ck_assert_str_eq(o.status, "failed");
	ck_assert_msg(strstr(o.error, bad_returns[_i].error) != NULL, "%s: %s", bad_returns[_i].code, o.error);
	ck_assert(!o.has_return);
}
END_TEST

START_TEST(a_return_at_the_limits_passes)
{
	python("def handler(e):\n a = 1\n for _ in range(64): a = [a]\n return a", NULL);
	expect("completed", 0);
	outcome_free(&o);
	run(&o, &box,
	    &(struct spec){
		.execution = "2", .language = "python", .code = "handler = lambda e: 'x' * ((1 << 20) - 2)" });
	expect("completed", 0);
	ck_assert_uint_eq(o.returned.len, 1u << 20);
}
END_TEST

START_TEST(a_shell_may_return_through_its_descriptor)
{
	shell("echo '{\"a\": 1}' >&$SANDBOX_RESULT_FD");
	expect("completed", 0);
	ck_assert_str_eq(text(&o.returned), "{\"a\": 1}\n");
}
END_TEST

START_TEST(fifty_megabytes_are_counted_and_their_head_kept)
{
	python("import sys\nfor i in range(50):\n    sys.stdout.write(chr(65 + i % 26) * "
	       "1000000)\nsys.stderr.write('done')",
	    NULL);
	expect("completed", 0);
	ck_assert_uint_eq(o.out.len, SCP__OUTPUT_MAX);
	ck_assert_uint_eq(o.out_bytes, 50000000);
	ck_assert_int_eq(o.out.data[999999], 'A');
	ck_assert_int_eq(o.out.data[1000000], 'B');
	ck_assert_str_eq(text(&o.errors), "done");
}
END_TEST

START_TEST(output_is_bytes)
{
	static const char want[] = { '\0', (char)0xff, '\n', (char)0x80, 'x', '\0' };

	shell("printf '\\000\\377\\n\\200x\\000'");
	ck_assert_uint_eq(o.out.len, sizeof(want));
	ck_assert_mem_eq(o.out.data, want, sizeof(want));
}
END_TEST

START_TEST(a_writer_of_single_bytes_loses_nothing)
{
	python("import os\nfor i in range(20000):\n    os.write(1, b'%d' % (i % 10))", NULL);
	expect("completed", 0);
	ck_assert_uint_eq(o.out.len, 20000);
	for (unsigned i = 0; i < 20000; i++)
		ck_assert_int_eq(o.out.data[i], '0' + (int)(i % 10));
}
END_TEST

START_TEST(stdin_is_given_and_ends)
{
	run(&o, &box, &(struct spec){ .code = "cat; echo end", .stdin_data = "one\ntwo\n" });
	ck_assert_str_eq(text(&o.out), "one\ntwo\nend\n");
	outcome_free(&o);
	run(&o, &box, &(struct spec){ .execution = "2", .code = "cat; echo end" });
	ck_assert_str_eq(text(&o.out), "end\n");
}
END_TEST

START_TEST(a_program_of_100_kib_runs)
{
	static const char *const languages[] = { "python", "javascript", "shell" };
	static const char *const ends[] = { "print('end')", "console.log('end')", "echo end" };
	static char code[SCP__CODE_MAX + 1];

	for (unsigned i = 0; i < 3; i++) {
		memset(code, '\n', SCP__CODE_MAX);
		memcpy(code + SCP__CODE_MAX - strlen(ends[i]), ends[i], strlen(ends[i]));
		run(&o, &box, &(struct spec){ .execution = languages[i], .language = languages[i], .code = code });
		expect("completed", 0);
		ck_assert_str_eq(text(&o.out), "end\n");
		outcome_free(&o);
	}
}
END_TEST

START_TEST(code_and_paths_may_be_of_any_script)
{
	python("open('naïve-文件.txt', 'w').write('é')\nprint('Grüße', '文')", NULL);
	expect("completed", 0);
	ck_assert_str_eq(text(&o.out), "Grüße 文\n");
	ck_assert_ptr_eq(strstr(text(&o.artifacts), "naïve-文件.txt 2 "), o.artifacts.data);
	outcome_free(&o);
	run(&o, &box, &(struct spec){ .execution = "2", .code = "cat naïve-文件.txt; echo ü" });
	ck_assert_str_eq(text(&o.out), "éü\n");
}
END_TEST

START_TEST(env_is_given_and_small)
{
	run(&o, &box, &(struct spec){ .code = "echo $A; env | cut -d= -f1 | sort | tr '\\n' ' '", .env = "A=b=c d" });
	ck_assert_str_eq(text(&o.out), "b=c d\nA HOME LANG PATH PWD SANDBOX_RESULT_FD SHLVL _ ");
}
END_TEST

START_TEST(modules_of_the_workspace_can_be_imported)
{
	box_write_file(&box, "mine.py", "VALUE = 7\n");
	box_write_file(&box, "json.py", "raise SystemExit('the workspace got in the way')\n");
	box_write_file(&box, "mine.js", "exports.value = 7;\n");
	python("import mine\nhandler = lambda e: mine.VALUE", NULL);
	ck_assert_str_eq(text(&o.returned), "7");
	outcome_free(&o);
	run(&o, &box,
	    &(struct spec){ .execution = "2",
		.language = "javascript",
		.code = "exports.handler = () => require('./mine').value" });
	ck_assert_str_eq(text(&o.returned), "7");
}
END_TEST

START_TEST(javascript_modules_run)
{
	javascript("import { basename } from 'path';\nexport const handler = async (e) => basename('/a/b');\n", NULL);
	expect("completed", 0);
	ck_assert_str_eq(text(&o.returned), "\"b\"");
}
END_TEST

START_TEST(processes_of_pythons_own_work)
{
	python("from multiprocessing import Pipe, Process\n"
	       "def square(x, end):\n"
	       "    end.send(x * x)\n"
	       "def handler(event):\n"
	       "    ours, theirs = Pipe()\n"
	       "    process = Process(target=square, args=(event, theirs))\n"
	       "    process.start()\n"
	       "    got = ours.recv()\n"
	       "    process.join()\n"
	       "    return [got, process.exitcode]\n",
	    "7");
	expect("completed", 0);
	ck_assert_str_eq(text(&o.returned), "[49, 0]");
}
END_TEST

START_TEST(the_code_has_its_descriptors_alone)
{
	python("import os\nprint(sorted(int(f) for f in os.listdir('/proc/self/fd'))[:-1])\n", NULL);
	ck_assert_str_eq(text(&o.out), "[0, 1, 2, 3]\n");
	outcome_free(&o);
	run(&o, &box,
	    &(struct spec){ .execution = "2",
		.language = "javascript",
		.code = "const fs = require('fs'); try { fs.fstatSync(4).isFile() && console.log('4') } catch { "
			"console.log('none') }" });
	ck_assert_ptr_null(strstr(text(&o.out), "4"));
	outcome_free(&o);
	run(&o, &box, &(struct spec){ .execution = "3", .code = "ls /proc/$$/fd; :" });
	ck_assert_str_eq(text(&o.out), "0\n1\n2\n3\n");
}
END_TEST

START_TEST(the_code_is_nobody)
{
	if (geteuid())
		return;
	shell("grep -E '^(Uid|Gid|Groups|Cap...|NoNewPrivs|SigIgn|SigBlk):' /proc/self/status | tr -d '\\t '; cat "
	      "/proc/self/oom_score_adj; "
	      "umask; ulimit -c -n | sed 's/.* //'; ps -o sid= -p $$ | tr -d ' ' | grep -qx $$ && echo leader");
	ck_assert_str_eq(text(&o.out),
	    "Uid:1000100010001000\nGid:1000100010001000\nGroups:\nSigBlk:0000000000000000\nSigIgn:0000000000000000\n"
	    "CapInh:0000000000000000\nCapPrm:0000000000000000\nCapEff:0000000000000000\nCapBnd:0000000000000000\n"
	    "CapAmb:0000000000000000\nNoNewPrivs:1\n1000\n0022\n0\n1024\nleader\n");
}
END_TEST

START_TEST(the_code_cannot_touch_the_executor)
{
	char code[512];

	if (geteuid())
		return;
	(void)snprintf(code, sizeof(code),
	    "for p in %d $PPID; do kill -9 $p; cat /proc/$p/environ; ls /proc/$p/fd; cat /proc/$p/mem; "
	    "echo 0 > /proc/$p/oom_score_adj; prlimit --pid $p --cpu=1; renice 19 $p; done 2>&1 | "
	    "grep -vcE 'denied|not permitted|failed'",
	    (int)box.pid);
	shell(code);
	ck_assert_str_eq(text(&o.out), "0\n");
	ck_assert_int_eq(kill(box.pid, 0), 0);
}
END_TEST

static void expect_artifact(const char *line)
{
	ck_assert_msg(strstr(text(&o.artifacts), line) != NULL, "no %s in %s", line, text(&o.artifacts));
}

START_TEST(artifacts_are_what_changed)
{
	box_write_file(&box, "old.txt", "old");
	shell("mkdir -p a/b; printf abc > a/b/new; printf x > secret; chmod 600 secret; ln -s /etc/passwd link; mkfifo "
	      "pipe; "
	      "printf y > \"$(printf 'bad\\001name')\"; printf y > \"$(printf 'bad\\377utf')\"; printf gone > gone; rm "
	      "gone");
	expect_artifact("a/b/new 3 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad \n");
	expect_artifact("secret 1 2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881 \n");
	for (const char *const *name = (const char *const[]){ "old", "link", "pipe", "bad", "gone", NULL }; *name;
	     name++)
		ck_assert_msg(!strstr(text(&o.artifacts), *name), "%s is listed: %s", *name, text(&o.artifacts));
}
END_TEST

START_TEST(what_one_run_made_the_next_does_not_list)
{
	for (unsigned i = 0; i < 20; i++) {
		char id[16];

		(void)snprintf(id, sizeof(id), "run%u", i);
		run(&o, &box, &(struct spec){ .execution = id, .code = i % 2 ? "exit 0" : "echo $$ > file" });
		ck_assert_int_eq(o.artifacts.len > 0, i % 2 == 0);
		outcome_free(&o);
	}
}
END_TEST

START_TEST(a_thousand_artifacts_are_the_most)
{
	python("import os\nos.mkdir('d')\nfor i in range(1200):\n    open(f'd/{i}', 'w').close()\n"
	       "p = '.'\nfor i in range(100):\n    p += '/deep'\n    os.mkdir(p)\n",
	    NULL);
	expect("completed", 0);
	unsigned lines = 0;
	for (const char *c = text(&o.artifacts); *c; c++)
		lines += *c == '\n';
	ck_assert_uint_eq(lines, 1000);
}
END_TEST

START_TEST(memory_and_time_of_the_whole_tree_count)
{
	shell("python3 -c 'x = bytearray(50000000); s = sum(range(3000000))' & wait");
	expect("completed", 0);
	ck_assert_uint_ge(o.peak_bytes, 50000000);
	ck_assert_uint_ge(o.cpu_us, 30000);
	ck_assert_uint_ge(o.duration_us, 10000);
}
END_TEST

START_TEST(the_time_of_orphans_counts)
{
	shell("(setsid python3 -c \"import time\nwhile time.process_time() < 0.15: pass\nopen('done', 'w')\" &)\n"
	      "while [ ! -e done ]; do sleep 0.02; done");
	expect("completed", 0);
	ck_assert_uint_ge(o.cpu_us, 150000);
}
END_TEST

Suite *results_suite(void)
{
	Suite *suite = suite_create("executor results");
	TCase *t = tcase_create("results");

	suite_add_tcase(suite, t);
	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, a_shell_pipe_gives_its_output);
	tcase_add_test(t, a_plain_command_means_what_a_shell_means);
	tcase_add_test(t, a_handler_gets_the_event_and_gives_a_return);
	tcase_add_test(t, a_handler_may_take_a_context);
	tcase_add_test(t, an_argument_with_a_default_is_no_context);
	tcase_add_test(t, async_handlers_are_awaited);
	tcase_add_test(t, code_without_a_handler_just_runs);
	tcase_add_test(t, a_syntax_error_shows_its_line);
	tcase_add_test(t, an_exception_shows_the_codes_own_lines);
	tcase_add_test(t, a_javascript_error_shows_where);
	tcase_add_test(t, exit_codes_are_kept);
	tcase_add_test(t, a_signal_is_named);
	tcase_add_loop_test(
	    t, a_return_that_is_no_json_fails_and_says_why, 0, sizeof(bad_returns) / sizeof(bad_returns[0]));
	tcase_add_test(t, a_return_at_the_limits_passes);
	tcase_add_test(t, a_shell_may_return_through_its_descriptor);
	tcase_add_test(t, fifty_megabytes_are_counted_and_their_head_kept);
	tcase_add_test(t, output_is_bytes);
	tcase_add_test(t, a_writer_of_single_bytes_loses_nothing);
	tcase_add_test(t, stdin_is_given_and_ends);
	tcase_add_test(t, a_program_of_100_kib_runs);
	tcase_add_test(t, code_and_paths_may_be_of_any_script);
	tcase_add_test(t, env_is_given_and_small);
	tcase_add_test(t, modules_of_the_workspace_can_be_imported);
	tcase_add_test(t, javascript_modules_run);
	tcase_add_test(t, processes_of_pythons_own_work);
	tcase_add_test(t, the_code_has_its_descriptors_alone);
	tcase_add_test(t, the_code_is_nobody);
	tcase_add_test(t, the_code_cannot_touch_the_executor);
	tcase_add_test(t, artifacts_are_what_changed);
	tcase_add_test(t, what_one_run_made_the_next_does_not_list);
	tcase_add_test(t, a_thousand_artifacts_are_the_most);
	tcase_add_test(t, memory_and_time_of_the_whole_tree_count);
	tcase_add_test(t, the_time_of_orphans_counts);
	return suite;
}
