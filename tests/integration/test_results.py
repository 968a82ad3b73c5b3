"""What an execution answers: return value, output, exit code, metrics and artifacts, for every way code can end."""
import hashlib
import time
import unittest

import case
import plane

MIB = 1024 * 1024


class Values(case.SharedSession):
    def test_a_python_handler_returns_its_value(self):
        r = self.run_code("def handler(event):\n    print('in')\n    return sum(event['n'])", event={"n": [1, 2, 3]})
        self.assert_success(r)
        self.assertEqual(r["return_value"], 6)
        self.assertEqual((r["stdout"], r["stderr"]), ("in\n", ""))

    def test_a_python_handler_may_take_a_context(self):
        r = self.run_code("def handler(event, context):\n    return [event, context is not None]", event="x")
        self.assert_success(r)
        self.assertEqual(r["return_value"], ["x", True])

    def test_every_json_value_travels_both_ways(self):
        for value in (None, True, 0, -1.5, 2**53 + 1, -10**40, "grüße \U0001f600 \u0001", [], {}, {"a": [{"b": None}]}, "x" * 100000):
            with self.subTest(value=repr(value)[:40]):
                r = self.run_code("def handler(event): return event", event=value)
                self.assert_success(r)
                self.assertEqual(r["return_value"], value)

    def test_64_levels_travel_both_ways_and_65_are_refused(self):
        value = 1
        for _ in range(64):
            value = [value]
        r = self.run_code("def handler(event): return event", event=value)
        self.assert_success(r)
        self.assertEqual(r["return_value"], value)
        answer = self.client.ask("POST", f"{plane.API}/sessions/{self.shared['python-basic']}/execute",
                                 {"code": "1", "language": "python", "event": [value]})
        self.assertEqual((answer.status, answer.json["error_code"]), (400, "Sandbox.InvalidParameter"), answer)

    def test_the_event_defaults_to_an_empty_object(self):
        self.assertEqual(self.run_code("def handler(event): return event")["return_value"], {})

    def test_an_async_javascript_handler_returns_its_value(self):
        r = self.run_code("exports.handler = async (event) => { await new Promise(r => setTimeout(r, 10));"
                          " console.log('waited'); return {twice: event.n * 2}; }", "javascript", event={"n": 21})
        self.assert_success(r)
        self.assertEqual(r["return_value"], {"twice": 42})
        self.assertEqual(r["stdout"], "waited\n")

    def test_a_plain_javascript_handler_function_is_called(self):
        r = self.run_code("function handler(event) { return event.a + 1; }", "javascript", event={"a": 1})
        self.assert_success(r)
        self.assertEqual(r["return_value"], 2)

    def test_javascript_that_throws_fails_with_its_message(self):
        r = self.run_code("async function handler() { throw new Error('kaputt'); }", "javascript")
        self.assertEqual(r["status"], "failed")
        self.assertIn("kaputt", r["stderr"])
        self.assertIsNone(r["return_value"])

    def test_plain_code_just_runs(self):
        r = self.run_code("import sys\nprint('out')\nprint('err', file=sys.stderr)")
        self.assert_success(r)
        self.assertIsNone(r["return_value"])
        self.assertEqual((r["stdout"], r["stderr"]), ("out\n", "err\n"))
        self.assertEqual((r["stdout_bytes"], r["stderr_bytes"]), (4, 4))
        self.assertFalse(r["stdout_truncated"] or r["stderr_truncated"])

    def test_plain_javascript_just_runs(self):
        r = self.run_code("console.log([1, 2].map(x => x * 2).join())", "javascript")
        self.assert_success(r)
        self.assertEqual(r["stdout"], "2,4\n")

    def test_a_shell_pipe_runs(self):
        r = self.run_code("printf 'b\\na\\nc\\n' | sort | tr '\\n' ' '; echo >&2 done", "shell")
        self.assert_success(r)
        self.assertEqual((r["stdout"], r["stderr"]), ("a b c ", "done\n"))

    def test_stdin_is_read(self):
        for language, code in (("shell", "tr a-z A-Z"), ("python", "import sys; sys.stdout.write(sys.stdin.read().upper())"),
                               ("javascript", "process.stdin.on('data', d => process.stdout.write(String(d).toUpperCase()))")):
            with self.subTest(language=language):
                self.assertEqual(self.run_code(code, language, stdin="some text\n")["stdout"], "SOME TEXT\n")

    def test_stdin_is_at_its_end_where_none_was_given(self):
        self.assertEqual(self.run_code("wc -c", "shell", timeout=10)["stdout"].strip(), "0")

    def test_a_large_stdin_arrives_whole(self):
        text = "0123456789abcde\n" * 65536
        r = self.run_code("sha256sum", "shell", stdin=text)
        self.assertEqual(r["stdout"].split()[0], hashlib.sha256(text.encode()).hexdigest())

    def test_stdin_that_nobody_reads_harms_nothing(self):
        self.assert_success(self.run_code("exit 0", "shell", stdin="x" * MIB))

    def test_a_program_of_exactly_100_kib_runs(self):
        line = "print('whole')"
        code = "#" * (102400 - len(line) - 1) + "\n" + line
        self.assertEqual(len(code), 102400)
        self.assertEqual(self.run_code(code)["stdout"], "whole\n")

    def test_code_and_paths_may_be_any_utf8(self):
        r = self.run_code("grüße = '日本語'\nopen('größe été.txt', 'w').write(grüße)\nprint(grüße)")
        self.assert_success(r)
        self.assertEqual(r["stdout"], "日本語\n")
        self.assertIn("größe été.txt", [a["path"] for a in r["artifacts"]])
        body = self.client.download(self.shared["python-basic"], "größe été.txt")
        self.assertEqual(body.decode(), "日本語")
        self.assertEqual(self.run_code("echo ünï >'ä b'; cat 'ä b'", "shell")["stdout"], "ünï\n")

    def test_environment_is_the_sessions_and_the_runs(self):
        s = self.session("shell-basic", env_vars={"A": "session", "B": "session"})
        r = self.client.run(s, 'printf "%s %s %s" "$A" "$B" "$C"', "shell", env_vars={"B": "run", "C": "x y"})
        self.assertEqual(r["stdout"], "session run x y")
        self.assertEqual(self.client.run(s, 'printf "%s" "$C"', "shell")["stdout"], "")

    def test_code_runs_in_its_workspace(self):
        self.assertEqual(self.run_code('printf "%s %s" "$PWD" "$HOME"', "shell")["stdout"], "/workspace /workspace")

    def test_interpreter_state_does_not_last(self):
        self.run_code("import builtins; builtins.leak = 1")
        self.assertEqual(self.run_code("import builtins; print(hasattr(builtins, 'leak'))")["stdout"], "False\n")


class Failures(case.SharedSession):
    def test_a_syntax_error_fails_with_its_traceback(self):
        r = self.run_code("print('never')\ndef broken(:\n")
        self.assertEqual(r["status"], "failed")
        self.assertIn("SyntaxError", r["stderr"])
        self.assertEqual(r["stdout"], "")
        self.assertEqual(r["exit_code"], 1)

    def test_a_handler_that_raises_fails_with_its_traceback(self):
        r = self.run_code("def handler(event):\n    return event['missing']")
        self.assertEqual((r["status"], r["exit_code"]), ("failed", 1))
        self.assertIn("KeyError: 'missing'", r["stderr"])
        self.assertIn("line 2", r["stderr"])
        self.assertIsNone(r["return_value"])

    def test_sys_exit_3_is_exit_code_3(self):
        for code in ("import sys\nprint('so far')\nsys.exit(3)", "import sys\ndef handler(event):\n    print('so far')\n    sys.exit(3)"):
            r = self.run_code(code)
            self.assertEqual((r["status"], r["exit_code"], r["signal"]), ("failed", 3, None))
            self.assertEqual(r["stdout"], "so far\n")

    def test_exit_codes_of_every_language(self):
        for language, code in (("shell", "exit 7"), ("javascript", "process.exit(7)"), ("python", "import os; os._exit(7)")):
            with self.subTest(language=language):
                r = self.run_code(code, language)
                self.assertEqual((r["status"], r["exit_code"]), ("failed", 7))

    def test_a_signal_is_named(self):
        for number in (9, 11, 6):
            r = self.run_code(f"import os\nprint('before', flush=True)\nos.kill(os.getpid(), {number})")
            self.assertEqual((r["status"], r["signal"]), ("failed", number))
            self.assertEqual(r["stdout"], "before\n")
            self.assertIn(r["exit_code"], (None, 128 + number))
            self.assertTrue(r["error"])

    def test_a_return_that_is_no_json_says_which_type(self):
        r = self.run_code("def handler(event): return {1, 2}")
        self.assertEqual(r["status"], "failed")
        self.assertIn("set", r["error"])
        self.assertIsNone(r["return_value"])
        r = self.run_code("function handler() { return 10n; }", "javascript")
        self.assertEqual(r["status"], "failed")
        self.assertIn("bigint", r["error"].lower())

    def test_a_return_of_nan_fails(self):
        r = self.run_code("def handler(event): return float('nan')")
        self.assertEqual(r["status"], "failed")
        self.assertIsNone(r["return_value"])

    def test_a_return_too_deep_or_too_large_fails_and_says_so(self):
        r = self.run_code("def handler(event):\n    v = []\n    for i in range(80): v = [v]\n    return v")
        self.assertEqual(r["status"], "failed", r)
        self.assertIn("deep", r["error"])
        r = self.run_code("def handler(event): return 'x' * (2 << 20)")
        self.assertEqual(r["status"], "failed", r["error"])
        self.assertRegex(r["error"], "large|long|1,?048,?576|1 MiB")

    def test_a_program_that_does_not_exist_is_127(self):
        r = self.run_code("no-such-program", "shell")
        self.assertEqual((r["status"], r["exit_code"]), ("failed", 127))


class Output(case.SharedSession):
    def test_50_mb_of_output_keeps_its_head_and_its_count(self):
        r = self.run_code("import sys\nline = b'%07d\\n'\nfor i in range(50):\n"
                          "    sys.stdout.buffer.write(b''.join(line % (i * 125000 + k) for k in range(125000)))\nprint('end', file=sys.stderr)",
                          timeout=120)
        self.assert_success(r)
        self.assertEqual(r["stdout_bytes"], 50 * 10**6)
        self.assertTrue(r["stdout_truncated"])
        self.assertEqual(len(r["stdout"]), MIB)
        self.assertTrue(r["stdout"].startswith("0000000\n0000001\n"))
        self.assertEqual(r["stderr"], "end\n")

    def test_output_of_exactly_the_limit_is_whole(self):
        r = self.run_code(f"import sys; sys.stdout.write('x' * {MIB})")
        self.assertEqual((len(r["stdout"]), r["stdout_truncated"], r["stdout_bytes"]), (MIB, False, MIB))
        r = self.run_code(f"import sys; sys.stdout.write('x' * {MIB + 1})")
        self.assertEqual((len(r["stdout"]), r["stdout_truncated"], r["stdout_bytes"]), (MIB, True, MIB + 1))

    def test_binary_output_is_replaced_byte_by_byte_and_says_so(self):
        r = self.run_code("import sys; sys.stdout.buffer.write(bytes(range(256)))")
        self.assert_success(r)
        self.assertEqual(r["stdout_bytes"], 256)
        self.assertEqual(r["encoding"], "lossy")
        self.assertEqual(r["stdout"], bytes(range(128)).decode() + "\ufffd" * 128)

    def test_text_is_not_called_lossy(self):
        r = self.run_code("print('ü' * 100000)")
        self.assertNotIn("encoding", r)
        self.assertEqual(r["stdout"], "ü" * 100000 + "\n")

    def test_a_flood_on_both_streams_does_not_block(self):
        r = self.run_code("import os\nfor i in range(300):\n    os.write(1, b'o' * 65536)\n    os.write(2, b'e' * 65536)", timeout=60)
        self.assert_success(r)
        self.assertEqual((r["stdout_bytes"], r["stderr_bytes"]), (300 * 65536, 300 * 65536))


class Time(case.SharedSession):
    def test_a_timeout_keeps_the_partial_output(self):
        r = self.run_code("import time\nprint('partial', flush=True)\ntime.sleep(60)", timeout=1)
        self.assertEqual((r["status"], r["exit_code"]), ("timeout", 124))
        self.assertEqual(r["stdout"], "partial\n")
        self.assertGreaterEqual(r["execution_time"], 1.0)
        self.assertLess(r["execution_time"], 20.0)

    def test_a_timeout_kills_daemons_too(self):
        s = self.session("shell-basic")
        r = self.client.run(s, "setsid sh -c 'while :; do sleep 0.1; echo x >>alive; done' & setsid -f sleep 1234; sleep 60", "shell", timeout=1)
        self.assertEqual(r["status"], "timeout")
        self.nothing_left(s)

    def test_a_child_that_outlives_its_parent_is_killed(self):
        s = self.session("shell-basic")
        begun = time.monotonic()
        r = self.client.run(s, "setsid -f sleep 1234 >/dev/null 2>&1; setsid -f sleep 1234; sleep 1234 & echo done", "shell", timeout=60)
        self.assertEqual((r["status"], r["stdout"]), ("success", "done\n"))
        self.assertLess(time.monotonic() - begun, 30, "it waited for a survivor")
        self.nothing_left(s)

    def nothing_left(self, session):
        r = self.client.run(session, "for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline; echo; done", "shell")
        self.assertNotIn("1234", r["stdout"])
        self.assertNotIn("sleep", r["stdout"])

    def test_metrics_tell_time_and_memory(self):
        r = self.run_code("import time\nx = bytearray(80 << 20)\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\ntime.sleep(0.2)")
        m = r["metrics"]
        self.assertGreaterEqual(m["duration_ms"], 500)
        self.assertGreaterEqual(m["cpu_time_ms"], 280)
        self.assertLess(m["cpu_time_ms"], 5000)
        self.assertGreaterEqual(m["peak_memory_mb"], 78)
        self.assertLess(m["peak_memory_mb"], 200)
        self.assertIn(m["source"], ("cgroup", "sampled"))
        self.assertAlmostEqual(r["execution_time"], m["duration_ms"] / 1000, delta=0.1)

    def test_metrics_count_children(self):
        r = self.run_code("i=0; while [ $i -lt 3 ]; do python3 -S -c 'import time\nwhile time.process_time() < 0.2: pass'; i=$((i+1)); done", "shell")
        self.assert_success(r)
        self.assertGreaterEqual(r["metrics"]["cpu_time_ms"], 550)


class Artifacts(case.PlaneCase):
    def test_only_what_this_execution_changed_is_listed(self):
        s = self.session()
        self.client.upload(s, "given.txt", b"given")
        first = self.client.run(s, "import os\nos.makedirs('out/deep')\nopen('out/deep/a.csv', 'w').write('a,b\\n')\nopen('b.log', 'w').write('l')")
        found = {a["path"]: a for a in first["artifacts"]}
        self.assertEqual(set(found), {"out/deep/a.csv", "b.log"})
        a = found["out/deep/a.csv"]
        self.assertEqual((a["size"], a["mime_type"]), (4, "text/csv"))
        self.assertEqual(a["sha256"], hashlib.sha256(b"a,b\n").hexdigest())
        self.assertEqual(found["b.log"]["type"], "log")
        second = self.client.run(s, "open('given.txt', 'a').write('!')\nopen('out/deep/a.csv').read()")
        self.assertEqual([a["path"] for a in second["artifacts"]], ["given.txt"])
        self.assertEqual(self.client.run(s, "pass")["artifacts"], [])

    def test_a_restored_mtime_hides_nothing(self):
        s = self.session()
        self.client.upload(s, "f", b"1")
        r = self.client.run(s, "import os\nst = os.stat('f')\nopen('f', 'r+').write('2')\nos.utime('f', ns=(st.st_atime_ns, st.st_mtime_ns))")
        self.assertEqual([a["path"] for a in r["artifacts"]], ["f"])

    def test_at_most_1000_are_listed(self):
        s = self.session()
        r = self.client.run(s, "for i in range(1500): open(f'f{i}', 'w').close()", timeout=60)
        self.assertEqual(r["status"], "success")
        self.assertEqual(len(r["artifacts"]), 1000)


class Lives(case.PlaneCase):
    def test_eight_run_at_once_and_the_rest_in_order(self):
        s = self.session("shell-basic")
        gate = "echo $1 >>started; while [ ! -e go ]; do sleep 0.02; done; date +%s%N"
        ids = [self.client.submit(s, gate, "shell", timeout=60) for _ in range(8)]
        late = self.client.submit(s, "echo late", "shell")
        case.plane.leftovers.until(lambda: all(self.client.execution(i)["status"] == "running" for i in ids), 30, "eight run")
        self.assertEqual(self.client.execution(late)["status"], "pending")
        self.client.upload(s, "go", b"")
        for i in ids + [late]:
            self.assertEqual(self.client.result(i)["status"], "success")

    def test_code_submitted_while_creating_runs(self):
        s = self.client.create("shell-basic", wait=0)
        self.addCleanup(self.client.delete, s)
        self.assertEqual(self.client.run(s, "echo early", "shell")["stdout"], "early\n")

    def test_an_ephemeral_session_completes_with_its_execution(self):
        s = self.client.create("shell-basic", mode="ephemeral")
        r = self.client.run(s, "echo kept >file; echo x", "shell")
        self.assertEqual(r["stdout"], "x\n")
        case.plane.leftovers.until(lambda: self.client.session(s)["status"] == "completed", 20, "completed")
        answer = self.client.ask("POST", f"{plane.API}/sessions/{s}/execute", {"code": "1", "language": "shell"})
        self.assertEqual(answer.status, 409)
        self.assertEqual(self.client.download(s, "file"), b"kept\n")

    def test_cancel_ends_running_code_and_keeps_its_output(self):
        s = self.session("shell-basic")
        e = self.client.submit(s, "echo so far; while :; do sleep 0.1; done", "shell", timeout=60)
        self.client.events(e, limit=2)
        case.plane.leftovers.until(lambda: self.client.execution(e)["status"] == "running", 20, "running")
        self.client.must(200, "POST", f"{plane.API}/executions/{e}/cancel")
        r = self.client.result(e)
        self.assertEqual((r["status"], r["stdout"]), ("cancelled", "so far\n"))
        answer = self.client.ask("POST", f"{plane.API}/executions/{e}/cancel")
        self.assertEqual((answer.status, answer.json["error_code"]), (409, "Sandbox.StateConflict"))

    def test_cancel_beats_code_that_ignores_sigterm(self):
        s = self.session("shell-basic")
        e = self.client.submit(s, "trap '' TERM; echo on; while :; do sleep 0.1; done", "shell", timeout=60)
        case.plane.leftovers.until(lambda: self.client.execution(e)["status"] == "running", 20, "running")
        self.client.must(200, "POST", f"{plane.API}/executions/{e}/cancel")
        self.assertEqual(self.client.result(e)["status"], "cancelled")

    def test_ending_a_session_cancels_what_runs(self):
        s = self.client.create("shell-basic")
        e = self.client.submit(s, "sleep 60", "shell", timeout=60)
        case.plane.leftovers.until(lambda: self.client.execution(e)["status"] == "running", 20, "running")
        self.assertEqual(self.client.delete(s)["status"], "terminated")
        self.assertEqual(self.client.result(e)["status"], "cancelled")
        self.assertEqual(self.client.delete(s)["status"], "terminated")
        answer = self.client.ask("POST", f"{plane.API}/sessions/{s}/execute", {"code": "1", "language": "shell"})
        self.assertEqual((answer.status, answer.json["error_code"]), (409, "Sandbox.SessionNotRunning"))

    def test_an_idempotency_key_makes_nothing_twice(self):
        key = {"Idempotency-Key": "k-1"}
        body = {"template_id": "shell-basic"}
        first = self.client.must(201, "POST", f"{plane.API}/sessions", body, key).json["session_id"]
        self.addCleanup(self.client.delete, first)
        again = self.client.must(201, "POST", f"{plane.API}/sessions", body, key).json["session_id"]
        self.assertEqual(first, again)
        answer = self.client.ask("POST", f"{plane.API}/sessions", {"template_id": "python-basic"}, key)
        self.assertEqual((answer.status, answer.json["error_code"]), (409, "Sandbox.Conflict"))
        run = {"code": "echo x >>count; cat count", "language": "shell"}
        url = f"{plane.API}/sessions/{first}/execute"
        a = self.client.must(200, "POST", url, run, key).json["execution_id"]
        self.client.result(a)
        b = self.client.must(200, "POST", url, run, key).json["execution_id"]
        self.assertEqual(a, b)
        self.assertEqual(self.client.result(a)["stdout"], "x\n")


class Events(case.PlaneCase):
    def test_events_come_in_order_and_the_result_last(self):
        s = self.session("shell-basic")
        e = self.client.submit(s, "for i in 1 2 3; do echo out$i; echo err$i >&2; sleep 0.05; done", "shell")
        seen = self.client.events(e)
        text = {name: "".join(d["text"] for _, n, d in seen if n == name) for name in ("stdout", "stderr")}
        self.assertEqual(text, {"stdout": "out1\nout2\nout3\n", "stderr": "err1\nerr2\nerr3\n"})
        self.assertEqual(seen[-1][1], "result")
        self.assertEqual(seen[-1][2]["status"], "success")
        self.assertEqual([n for _, n, _ in seen].count("result"), 1)
        ids = [int(i) for i, _, _ in seen]
        self.assertEqual(ids, sorted(set(ids)))

    def test_a_client_that_resumes_sees_every_byte_once(self):
        s = self.session("shell-basic")
        e = self.client.submit(s, "for i in 1 2 3 4 5 6; do echo line$i; sleep 0.1; done", "shell")
        seen, after = [], None
        while not seen or seen[-1][1] != "result":
            more = self.client.events(e, after=after, limit=2)
            self.assertTrue(more)
            seen += more
            after = more[-1][0]
        self.assertEqual("".join(d["text"] for _, n, d in seen if n == "stdout"), "".join(f"line{i}\n" for i in range(1, 7)))
        self.assertEqual(len({i for i, _, _ in seen}), len(seen))

    def test_who_comes_late_sees_it_all(self):
        s = self.session("shell-basic")
        e = self.client.submit(s, "echo a; echo b >&2; exit 4", "shell")
        self.client.result(e)
        seen = self.client.events(e)
        self.assertEqual([d["text"] for _, n, d in seen if n in ("stdout", "stderr")], ["a\n", "b\n"])
        self.assertEqual(seen[-1][2]["exit_code"], 4)

    def test_a_character_is_never_cut_between_events(self):
        s = self.session()
        e = self.client.submit(s, "import os, time\nfor b in 'aé日😀'.encode():\n    os.write(1, bytes([b]))\n    time.sleep(0.03)")
        seen = self.client.events(e)
        self.assertEqual("".join(d["text"] for _, n, d in seen if n == "stdout"), "aé日😀")


if __name__ == "__main__":
    unittest.main()
