"""Reload, drain and restart under load: whatever request was accepted is answered, and done once."""
import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import unittest

import case
import leftovers
import plane

# As systemd does it: the socket outlives the daemon, and whoever connects meanwhile waits in it.
HANDED = 'exec 3<&"$1"; shift; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"'


class Handed(plane.Daemon):
    """sandboxd on a listening socket that was made for it."""

    def __init__(self, listening, *options):
        self.listening = listening
        super().__init__(*options)

    def start(self):
        fd = self.listening.fileno()
        if self.listening.family == socket.AF_UNIX and not self.listening.getsockname():
            self.listening.bind(self.socket)
            self.listening.listen(4096)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                ["sh", "-c", HANDED, "sh", str(fd), plane.SANDBOXD, "--state-dir", self.state, *self.options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=(fd,),
                env={**os.environ, **self.environment})

    def restart(self):
        code = self.stop()
        if code:
            raise AssertionError(f"sandboxd ended with {code}\n{self.tail()}")
        self.start()


class Load:
    """Threads that ask on kept connections until told to end; what went wrong stands in `failed`."""

    def __init__(self, daemon, session, threads=8):
        self.daemon, self.session = daemon, session
        self.stop, self.lock = threading.Event(), threading.Lock()
        self.failed, self.runs, self.answered, self.resent = [], {}, 0, 0
        self.threads = [threading.Thread(target=self.work, args=(n,)) for n in range(threads)]

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for t in self.threads:
            t.join()

    def work(self, n):
        connection, turn = None, 0
        while not self.stop.is_set():
            turn += 1
            try:
                connection = self.one(connection, f"{n}-{turn}", turn)
            except Exception as e:  # all of it is a failure of the daemon's
                with self.lock:
                    self.failed.append(f"{n}-{turn}: {type(e).__name__}: {e}")
                connection = None

    def one(self, connection, name, turn):
        run = turn % 4 == 0
        path = f"{plane.API}/sessions/{self.session}" + ("/execute?wait=20" if run else "")
        body = '{"language": "shell", "code": "echo %s >>all; echo %s"}' % (name, name) if run else None
        connection, answer = self.ask(connection, "POST" if run else "GET", path, body, name)
        if answer.status == 429:
            time.sleep(0.05)  # the session's queue is full: as the answer says, later
            return connection
        if answer.status != 200:
            raise AssertionError(f"{answer}")
        with self.lock:
            self.answered += 1
            if run:
                self.runs[name] = answer.json["execution_id"]
        return connection

    def ask(self, connection, method, path, body, key):
        """A kept connection may be closed before a request reaches it: nothing was accepted then, and no byte came."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": key} if body else {}
        for again in (True, False):
            kept = connection is not None
            connection = connection or self.daemon.client.connection(120)
            try:
                connection.request(method, path, body=body, headers=headers)
                response = connection.getresponse()
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                connection.close()
                connection = None
                if not (kept and again):
                    raise
                with self.lock:
                    self.resent += 1
                continue
            answer = plane.Answer(response.status, response.headers, response.read())
            if response.headers.get("Connection") == "close":
                connection.close()
                connection = None
            return connection, answer
        raise AssertionError("unreachable")


class Restart(unittest.TestCase):
    options = ()

    def setUp(self):
        self.listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.daemon = Handed(self.listening, *self.options)
        leftovers.until(self.daemon.ready, 60, "sandboxd is ready")
        self.client = self.daemon.client

    def tearDown(self):
        self.daemon.close()
        self.listening.close()

    def check(self, load, session, wanted):
        self.assertEqual(load.failed, [])
        self.assertGreater(load.answered, wanted)
        for name, execution in load.runs.items():
            self.assertEqual(self.client.result(execution)["stdout"], name + "\n")
        # not twice, and nothing that nobody knows of
        done = self.client.download(session, "all").decode().split()
        self.assertEqual(sorted(done), sorted(set(done)))
        self.assertLessEqual(set(load.runs), set(done))

    def progress(self, load, more):
        goal = load.answered + more
        leftovers.until(lambda: load.answered >= goal or load.failed, 60, "requests are answered")

    def test_restarts_under_load_fail_no_request_that_was_accepted(self):
        session = self.client.create("shell-basic")
        with Load(self.daemon, session) as load:
            for _ in range(3):
                self.progress(load, 200)
                self.daemon.restart()
            self.progress(load, 200)
        self.check(load, session, 800)

    def test_a_reload_under_load_disturbs_nobody(self):
        session = self.client.create("shell-basic")
        with Load(self.daemon, session) as load:
            for _ in range(20):
                self.progress(load, 40)
                self.daemon.process.send_signal(signal.SIGHUP)
        self.check(load, session, 800)
        self.assertEqual(load.resent, 0)

    def test_a_drain_answers_waits_with_what_is_known(self):
        session = self.client.create("shell-basic")
        run = self.client.submit(session, "sleep 4; echo over", "shell", timeout=60)
        answers = []
        thread = threading.Thread(target=lambda: answers.append(
            self.client.ask("GET", f"{plane.API}/executions/{run}/result?wait=60")))
        thread.start()
        leftovers.until(lambda: self.client.execution(run)["status"] == "running", 30, "it runs")
        self.daemon.restart()
        thread.join()
        self.assertEqual(answers[0].status, 409, answers[0])
        self.assertEqual(self.client.result(run)["stdout"], "over\n")

    @unittest.skipUnless(shutil.which("wrk"), "wrk isn't installed")
    def test_wrk_sees_no_error_while_it_restarts(self):
        listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
        other = Handed(listening, *self.options)
        port = listening.getsockname()[1]
        try:
            wrk = subprocess.Popen(["wrk", "-t2", "-c32", "-d8s", "--timeout", "30s", f"http://127.0.0.1:{port}{plane.API}/templates"],
                                   stdout=subprocess.PIPE, text=True)
            for _ in range(3):
                time.sleep(1.5)  # load for a while: this is what it is about
                other.restart()
            out = wrk.communicate()[0]
            self.assertNotIn("Socket errors", out)
            self.assertNotIn("Non-2xx", out)
            self.assertGreater(int(re.search(r"(\d+) requests in", out)[1]), 1000)
        finally:
            other.stop()
            other.sweep()
            listening.close()


if __name__ == "__main__":
    unittest.main()
