"""The binding over the real library: code runs in real sandboxes, whose plane has a state folder of its own."""

import gc
import io
import os
import pathlib
import shutil
import sys
import tempfile
import threading
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "bindings" / "python"))
if "SCP_BUILD_DIR" in os.environ:
    os.environ.setdefault("SANDBOXCP_LIBRARY", os.path.join(os.environ["SCP_BUILD_DIR"], "lib", "libsandboxcp.so"))
    os.environ.setdefault("SANDBOXCP_EXECUTOR", os.path.join(os.environ["SCP_BUILD_DIR"], "daemon", "sandbox-executor"))

import sandboxcp  # noqa: E402


def setUpModule():
    global folder, plane, records
    folder = tempfile.mkdtemp(prefix="scp-python.", dir="/var/tmp")
    records = []
    plane = sandboxcp.open(state_dir=folder, log=records.append, log_level="debug", disk_stock=1)


def tearDownModule():
    for session in plane.sessions(status="running"):
        plane.attach(session.id).terminate()
    plane.close()
    shutil.rmtree(folder, ignore_errors=True)


class Shared(unittest.TestCase):
    """Cases that can't disturb each other share a session."""

    template = "python-basic"

    @classmethod
    def setUpClass(cls):
        cls.s = plane.session(cls.template)
        cls.addClassCleanup(cls.s.terminate)


class Python(Shared):
    def test_a_handler_returns_a_value(self):
        r = self.s.run("def handler(event): return sum(event['n'])", event={"n": [1, 2, 3]})
        self.assertEqual((r.return_value, r.status, r.exit_code, r.signal, r.error), (6, "success", 0, None, None))

    def test_a_handler_may_take_a_context(self):
        self.assertEqual(self.s.run("def handler(event, context): return 'é'").return_value, "é")

    def test_plain_code_returns_nothing(self):
        r = self.s.run("import sys; print('out'); print('err', file=sys.stderr)")
        self.assertEqual((r.stdout, r.stderr, r.return_value), ("out\n", "err\n", None))

    def test_a_syntax_error_fails_with_a_traceback(self):
        r = self.s.run("def :")
        self.assertEqual(r.status, "failed")
        self.assertIn("SyntaxError", r.stderr)

    def test_an_exit_code_is_kept(self):
        r = self.s.run("import sys; sys.exit(3)")
        self.assertEqual((r.status, r.exit_code, r.signal), ("failed", 3, None))

    def test_a_signal_is_named(self):
        r = self.s.run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
        self.assertEqual((r.status, r.exit_code, r.signal), ("failed", None, 9))

    def test_a_return_that_json_lacks_names_its_type(self):
        r = self.s.run("def handler(event): return {1, 2}")
        self.assertEqual(r.status, "failed")
        self.assertIn("set", r.error)

    def test_output_beyond_a_mebibyte_is_counted(self):
        r = self.s.run("import sys\nfor _ in range(50): sys.stdout.write('x' * 1_000_000)")
        self.assertEqual((r.status, r.stdout_bytes, r.stdout_truncated), ("success", 50_000_000, True))
        self.assertEqual(len(r.stdout_raw), 1 << 20)

    def test_binary_output_is_whole(self):
        r = self.s.run("import sys; sys.stdout.buffer.write(bytes(range(256)))")
        self.assertEqual(r.stdout_raw, bytes(range(256)))

    def test_a_timeout_keeps_what_was_written(self):
        r = self.s.run("import time; print('before', flush=True); time.sleep(60)", timeout=1)
        self.assertEqual((r.status, r.stdout, r.exit_code), ("timeout", "before\n", 124))

    def test_stdin_and_env_arrive(self):
        r = self.s.run("import os, sys; print(sys.stdin.read(), os.environ['X'])", stdin="in", env={"X": "é"})
        self.assertEqual(r.stdout, "in é\n")

    def test_a_program_of_100_kib_runs(self):
        code = "print(1)\n" + "#" * (102400 - 9)
        self.assertEqual(self.s.run(code).stdout, "1\n")
        with self.assertRaises(sandboxcp.InvalidError):
            self.s.run(code + "#")

    def test_metrics_and_artifacts_tell(self):
        r = self.s.run("open('é.csv', 'w').write('abc')")
        self.assertEqual([(a.path, a.size) for a in r.artifacts], [("é.csv", 3)])
        self.assertGreater(r.metrics.duration_ms, 0)
        self.assertGreater(r.metrics.peak_memory_mb, 1)

    def test_it_is_nobody_in_there(self):
        r = self.s.run("import os; print(os.getuid(), os.path.exists('/etc/shadow'))")
        self.assertEqual(r.stdout, "1000 False\n")


class Javascript(Shared):
    template = "nodejs-basic"

    def test_an_async_handler_returns_a_value(self):
        r = self.s.run("async function handler(e) { return { n: e.n + 1 } }", "javascript", event={"n": 1})
        self.assertEqual((r.status, r.return_value), ("success", {"n": 2}), r)


class Shell(Shared):
    template = "shell-basic"

    def test_a_pipe_runs(self):
        self.assertEqual(self.s.run("printf 'b\\na\\n' | sort | tr a-z A-Z", "shell").stdout, "A\nB\n")


class Streams(Shared):
    def test_events_come_in_order_and_the_result_last(self):
        events = list(self.s.stream("for i in range(3): print(i)"))
        self.assertEqual("".join(e.data for e in events if e.kind == "stdout"), "0\n1\n2\n")
        self.assertEqual(events[-1].kind, "result")
        self.assertEqual(events[-1].data.status, "success")
        self.assertEqual([e.seq for e in events], sorted({e.seq for e in events}))

    def test_events_come_while_it_runs(self):
        stream = self.s.stream("import sys; print('go', flush=True); sys.stdin.read(); import time; time.sleep(30)")
        event = next(e for e in stream if e.kind == "stdout")
        self.assertEqual(event.data, "go\n")
        plane.cancel(stream.execution_id)
        self.assertEqual([e for e in stream][-1].data.status, "cancelled")

    def test_a_dropped_stream_leaves_the_code_running(self):
        stream = self.s.stream("import time; print('go', flush=True); time.sleep(0.3); open('done', 'w')")
        execution = stream.execution_id
        next(stream)
        del stream
        gc.collect()
        self.assertEqual(plane.wait(execution).status, "success")

    def test_a_late_watcher_sees_all_of_it(self):
        execution = self.s.submit("print('x')").id
        plane.wait(execution)
        self.assertEqual("".join(e.data for e in self.s.events(execution) if e.kind == "stdout"), "x\n")


class Files(Shared):
    def test_what_is_put_is_got(self):
        info = self.s.put("dir/é.bin", bytes(range(256)))
        self.assertEqual((info.size, len(info.sha256)), (256, 64))
        self.assertEqual(self.s.get("dir/é.bin"), bytes(range(256)))
        self.assertEqual([f.path for f in self.s.files("dir")], ["dir/é.bin"])
        self.assertEqual(self.s.stat("dir").type, "directory")

    def test_the_code_sees_what_was_put(self):
        self.s.put("in.csv", b"a,b\n")
        self.assertEqual(self.s.run("print(open('in.csv').read(), end='')").stdout, "a,b\n")

    def test_a_file_streams_both_ways(self):
        data = os.urandom(3_000_000)
        self.s.put("big", io.BytesIO(data))
        back = io.BytesIO()
        self.s.get("big", back)
        self.assertEqual(back.getvalue(), data)

    def test_a_deleted_file_is_gone(self):
        self.s.put("gone", b"")
        self.s.delete("gone")
        with self.assertRaises(sandboxcp.NotFoundError) as caught:
            self.s.get("gone")
        self.assertEqual(caught.exception.code, "FileNotFound")

    def test_a_path_out_of_the_workspace_is_refused(self):
        with self.assertRaises(sandboxcp.InvalidError):
            self.s.put("../x", b"")


class Lives(unittest.TestCase):
    def test_leaving_a_session_terminates_it(self):
        with plane.session("shell-basic") as s:
            self.assertEqual(s.status, "running")
        self.assertEqual(s.status, "terminated")
        with self.assertRaises(sandboxcp.StateError):
            s.run("true", "shell")

    def test_an_unknown_template_raises(self):
        with self.assertRaises(sandboxcp.NotFoundError) as caught:
            plane.session("no-such-template")
        self.assertEqual(caught.exception.code, "TemplateNotFound")

    def test_a_bad_parameter_is_named(self):
        with self.assertRaises(sandboxcp.InvalidError) as caught:
            plane.session("python-basic", timeout=1)
        self.assertIn("timeout", caught.exception.message)

    def test_threads_run_side_by_side(self):
        results = []
        with plane.session("shell-basic") as s:
            threads = [
                threading.Thread(target=lambda i=i: results.append(s.run(f"echo {i}", "shell").stdout)) for i in range(8)
            ]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
        self.assertEqual(sorted(results), [f"{i}\n" for i in range(8)])

    def test_health_templates_and_logs_are_there(self):
        self.assertIn(plane.health().status, ("healthy", "degraded"))
        self.assertIn("python-basic", [t.id for t in plane.templates()])
        self.assertTrue(records)
        self.assertFalse([r for r in records if "def handler" in r.message])


if __name__ == "__main__":
    unittest.main()
