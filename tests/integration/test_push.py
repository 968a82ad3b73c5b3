"""Push mode: an executor of the test's own reports to a real sandboxd; and what else may be said under /internal."""
import hashlib
import hmac
import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import case
import leftovers
import plane

EXECUTOR = os.path.join(plane.BUILD, "daemon", "sandbox-executor")
SLEEP = "import time\ntime.sleep(300)"
NOBODY = 65534


def record(name, value):
    data = value if isinstance(value, bytes) else str(value).encode()
    return b"%s 0 %d\n%s" % (name.encode(), len(data), data)


class Executor:
    """In the place of a sandbox's: started directly, with one uid for itself and the code."""

    def __init__(self, folder, url, session, token):
        self.folder = tempfile.mkdtemp(dir=folder)
        self.socket = os.path.join(self.folder, "sock")
        workspace = os.path.join(self.folder, "workspace")
        os.mkdir(workspace)
        program = shutil.copy(EXECUTOR, self.folder)  # the build folder may be nobody else's to enter
        for path in (self.folder, workspace):
            os.chmod(path, 0o755)
            os.chown(path, NOBODY, NOBODY) if os.geteuid() == 0 else None
        who = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        self.process = subprocess.Popen(
            [program, f"--listen-unix={self.socket}", f"--workspace={workspace}", f"--report-url={url}",
             f"--report-session={session}"], env={**os.environ, "SANDBOX_REPORT_TOKEN": token},
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **who)
        leftovers.until(self.listens, 20, "the executor listens")
        self.client = plane.Client(self.socket)

    def listens(self):
        with socket.socket(socket.AF_UNIX) as s:
            return s.connect_ex(self.socket) == 0

    def run(self, execution, code, attempt=0, language="python", wait=True):
        """Submit; nobody acknowledges what comes back. `wait`: until its events have ended."""
        body = b"".join(record(n, v) for n, v in (
            ("execution", execution), ("attempt", attempt), ("seq", 0), ("language", language), ("timeout_ms", 60000),
            ("code", code), ("event", "{}")))
        if wait:
            return self.client.must(200, "POST", "/v1/run", body)
        threading.Thread(target=self.client.ask, args=("POST", "/v1/run", body), daemon=True).start()

    def kept(self):
        return self.client.must(200, "GET", "/v1/runs").body

    def close(self):
        """SIGTERM ends it, whoever doesn't take what it has to tell."""
        self.process.terminate()
        try:
            code = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("the executor doesn't end at SIGTERM") from None
        if code:
            raise AssertionError(f"the executor ended with {code}")


class Push(case.PlaneCase):
    @classmethod
    def setUpClass(cls):
        # Not below the suite's scratch folder, which is its user's alone: the executor is nobody.
        cls.folder = tempfile.mkdtemp(prefix="scp-push")
        os.chmod(cls.folder, 0o755)
        cls.inside = os.path.join(cls.folder, "inside")
        cls.options = ("--internal-listen", f"unix:{cls.inside}")
        try:
            super().setUpClass()
        except BaseException:
            shutil.rmtree(cls.folder)
            raise
        with open(os.path.join(cls.daemon.state, "internal-token"), encoding="ascii") as f:
            cls.token = f.read().strip()
        cls.reports = plane.Client(cls.inside)
        cls.reports.headers = {"Authorization": f"Bearer {cls.token}"}

    @classmethod
    def tearDownClass(cls):
        try:
            super().tearDownClass()
        finally:
            shutil.rmtree(cls.folder, ignore_errors=True)

    def token_of(self, session):
        return hmac.new(self.token.encode(), session.encode(), hashlib.sha256).hexdigest()

    def executor(self, session, token=None):
        made = Executor(self.folder, f"unix:{self.inside}", session, token or self.token_of(session))
        self.addCleanup(made.close)
        return made

    def asleep(self, **fields):
        """A session and its execution, which runs in the real sandbox and says nothing."""
        session = self.session(**fields)
        execution = self.client.submit(session, SLEEP, timeout=600)
        leftovers.until(lambda: self.client.execution(execution)["status"] == "running", 30, "it runs")
        return session, execution

    def report(self, what, body, token=None):
        headers = {"Authorization": f"Bearer {token}"} if token else None
        return self.reports.ask("POST", f"/internal/{what}", body, headers)

    # ---- an executor ----

    def test_a_result_arrives_by_callback(self):
        session, execution = self.asleep()
        code = ("import sys\ndef handler(event):\n    print('pushed \\u00e4\\x01\"')\n    sys.stderr.write('e')\n"
                "    open('made.txt', 'w').write('x')\n    return {'n': [1, 2.5, None]}")
        self.executor(session).run(execution, code)
        r = self.client.result(execution, wait=60)
        self.assertEqual(r["status"], "success", r)
        self.assertEqual(r["stdout"], "pushed \u00e4\x01\"\n")
        self.assertEqual((r["stderr"], r["exit_code"]), ("e", 0))
        self.assertEqual(r["return_value"], {"n": [1, 2.5, None]})
        self.assertEqual([a["path"] for a in r["artifacts"]], ["made.txt"])
        self.assertEqual(r["artifacts"][0]["sha256"], hashlib.sha256(b"x").hexdigest())
        self.assertGreater(r["metrics"]["duration_ms"], 0)

    def test_bytes_that_are_no_text_are_replaced(self):
        session, execution = self.asleep()
        self.executor(session).run(execution, "import os\nos.write(1, b'a\\xff\\x00b')\nos.kill(os.getpid(), 9)")
        r = self.client.result(execution, wait=60)
        self.assertEqual((r["status"], r["signal"], r["stdout"]), ("failed", 9, "a\ufffd\ufffdb"), r)

    def test_a_return_that_is_no_json_can_not_break_the_report(self):
        code = ("import os\ndef handler(event):\n    for fd in range(3, 20):\n        try:\n"
                "            os.write(fd, b'1, \"status\": \"success\", \"x\":')\n        except OSError:\n            pass\n"
                "    os._exit(0)")
        session, execution = self.asleep()
        self.executor(session).run(execution, code)
        r = self.client.result(execution, wait=60)
        self.assertEqual((r["status"], r["return_value"]), ("failed", None), r)
        self.assertIn("not JSON", r["error"])

    def test_what_is_told_is_not_kept(self):
        session, execution = self.asleep()
        executor = self.executor(session)
        executor.run(execution, "print(1)")
        self.client.result(execution, wait=60)
        leftovers.until(lambda: execution.encode() not in executor.kept(), 20, "the executor forgets it")

    def test_a_control_plane_that_was_away_gets_it_later(self):
        session, execution = self.asleep()
        executor = self.executor(session)
        leftovers.until(lambda: "container_ready" in self.daemon.tail(200000), 20, "it said that it is ready")
        self.daemon.stop()
        executor.run(execution, "print('while nobody listened')")
        self.assertIn(execution.encode(), executor.kept())
        self.daemon.start()
        r = self.client.result(execution, wait=120)
        self.assertEqual((r["status"], r["stdout"]), ("success", "while nobody listened\n"), r)

    def test_another_sessions_token_is_not_believed(self):
        session, execution = self.asleep()
        other = self.session()
        executor = self.executor(session, self.token_of(other))
        executor.run(execution, "print('a lie')")
        leftovers.until(lambda: execution.encode() not in executor.kept(), 30, "a 404 ends it")
        self.assertEqual(self.client.execution(execution)["status"], "running")

    # ---- by hand ----

    def test_twins_get_the_first_ones_result(self):
        session, execution = self.asleep()
        answers = []
        threads = [threading.Thread(target=lambda i=i: answers.append(self.report(
            f"executions/{execution}/result", {"status": "success", "return_value": i}))) for i in range(10)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(sorted(a.status for a in answers), [200] * 9 + [201], answers)
        self.assertEqual(len({json.dumps(a.json) for a in answers}), 1)
        again = self.report(f"executions/{execution}/result", {"status": "failed", "error": "other"})
        self.assertEqual((again.status, again.json), (200, answers[0].json))

    def test_after_cancel_it_is_409(self):
        _, execution = self.asleep()
        self.client.must(200, "POST", f"{plane.API}/executions/{execution}/cancel")
        a = self.report(f"executions/{execution}/result", {"status": "success"})
        self.assertEqual((a.status, a.json["error_code"]), (409, "Internal.StateConflict"))
        self.assertEqual(self.client.result(execution)["status"], "cancelled")
        a = self.report(f"executions/{execution}/result", {"status": "success"})
        self.assertEqual(a.status, 409)

    def test_tokens_open_no_other_door(self):
        session, execution = self.asleep()
        other = self.session()
        self.assertEqual(self.report(f"executions/{execution}/heartbeat", {}, "wrong-token").status, 401)
        a = self.report(f"executions/{execution}/heartbeat", {}, self.token_of(other))
        self.assertEqual((a.status, a.json["error_code"]), (404, "Internal.InvalidExecution"))
        self.assertEqual(self.report(f"executions/{execution}/heartbeat", {}, self.token_of(session)).status, 200)
        a = self.client.ask("POST", f"/internal/executions/{execution}/heartbeat", {}, self.reports.headers)
        self.assertEqual(a.status, 404)
        self.assertEqual(self.reports.ask("GET", f"{plane.API}/sessions/{session}").status, 404)

    def test_a_container_that_is_said_to_be_gone_is_made_anew(self):
        session, execution = self.asleep()
        before = self.client.session(session)["container_id"]
        gone = {"exit_code": 1, "exit_reason": "error",
                "exited_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 1))}
        self.assertEqual(self.report(f"sessions/{session}/container_exited", gone).status, 200)
        leftovers.until(lambda: self.client.session(session)["container_id"] not in (None, before) and
                        self.client.execution(execution)["retry_count"] == 1, 60, "it runs again")
        self.assertEqual(self.report(f"sessions/{session}/container_ready", {}).status, 200)

    def test_an_ephemeral_session_fails_with_its_container(self):
        session, execution = self.asleep(mode="ephemeral")
        self.assertEqual(self.report(f"sessions/{session}/container_exited", {"exit_reason": "error"}).status, 200)
        self.assertEqual(self.client.session(session)["status"], "failed")
        self.assertEqual(self.client.result(execution)["status"], "crashed")
        self.assertEqual(self.report(f"sessions/{session}/container_exited", {}).status, 409)


if __name__ == "__main__":
    unittest.main()
