"""MariaDB, S3 and the Docker engine, each killed and brought back, then all at once, while clients submit, upload and make sessions."""
import hashlib
import os
import sys
import threading
import time
import unittest
from unittest import mock

import leftovers
import plane
from plane import API

ON = {"SCP_TEST_DATABASE": "mariadb", "SCP_TEST_STORAGE": "s3", "SCP_TEST_RUNTIME": "docker"}
SHARED = ("SCP_TEST_MARIADB_SOCKET", "SCP_TEST_S3_ENDPOINT", "SCP_TEST_DOCKER_DIR")  # nobody else's servers are killed
MOST = 60     # connections of one process to its database: 20 kept, 40 more
SLACK = 6     # descriptors that come and go
LONGEST = 60  # s until an answer, whatever is away


def content(name):
    """Some 40 KB that are this name's alone."""
    return b"".join(hashlib.sha256(f"{name} {i}".encode()).digest() for i in range(1250))


class Load:
    """Clients that go on until they are told to stop. Each answer is a success, or a 503 or 429 that says when to come again."""

    def __init__(self, client, session_id):
        self.client, self.session_id = client, session_id
        self.stopping, self.lock = threading.Event(), threading.Lock()
        self.problems, self.refused, self.slowest = [], {}, 0.0
        self.runs, self.files, self.sessions = {}, {}, {}
        self.threads = [threading.Thread(target=self.go_on, args=(work, n))
                        for work, count in ((self.submit, 3), (self.upload, 2), (self.make, 1)) for n in range(count)]
        for t in self.threads:
            t.start()

    def go_on(self, work, number):
        count = 0
        while not self.stopping.is_set() and not self.problems:
            count += 1
            try:
                work(f"{number}-{count}")
            except Exception as error:  # whatever it is, it isn't what was promised
                self.problems.append(f"{work.__name__} {number}-{count}: {error!r}")

    def ask(self, kind, method, path, body, headers, good=200):
        """Until it succeeds, also after the load was told to stop: what was begun is brought to an end."""
        end = time.monotonic() + 240
        while True:
            begun = time.monotonic()
            answer = self.client.ask(method, path, body, headers)
            took = time.monotonic() - begun
            self.slowest = max(self.slowest, took)
            if took > LONGEST:
                raise AssertionError(f"{method} {path}: {took:.1f} s until {answer}")
            if answer.status == good:
                return answer
            if answer.status not in (429, 503) or "Retry-After" not in answer.headers or time.monotonic() > end:
                raise AssertionError(f"{method} {path}: {answer} {dict(answer.headers)}")
            with self.lock:
                self.refused[kind] = self.refused.get(kind, 0) + (answer.status == 503)
            time.sleep(0.1)

    def submit(self, name):
        body = {"code": f"echo {name} >>ran", "language": "shell"}
        answer = self.ask("submit", "POST", f"{API}/sessions/{self.session_id}/execute", body, {"Idempotency-Key": f"run-{self.session_id}-{name}"})
        with self.lock:
            self.runs[name] = answer.json["execution_id"]

    def upload(self, name):
        answer = self.ask("upload", "POST", f"{API}/sessions/{self.session_id}/files/upload?path=up/{name}", content(name),
                          {"Content-Type": "application/octet-stream"})
        assert answer.json["size"] == len(content(name)), answer
        with self.lock:
            self.files[name] = True

    def make(self, name):
        answer = self.ask("make", "POST", f"{API}/sessions?wait=2", {"template_id": "shell-basic", "resources": {"memory": "256Mi"}},
                          {"Idempotency-Key": f"make-{self.session_id}-{name}"}, good=201)
        session_id = answer.json["session_id"]
        with self.lock:
            self.sessions[name] = session_id
        path = f"{API}/sessions/{session_id}"
        self.ask("make", "POST", f"{path}/execute?wait=2", {"code": f"echo {name} >me", "language": "shell"}, {"Idempotency-Key": f"in-{self.session_id}-{name}"})

    def stop(self):
        self.stopping.set()
        for t in self.threads:
            t.join()


class Servers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        environment = mock.patch.dict(os.environ, ON)
        environment.start()
        cls.addClassCleanup(environment.stop)
        for name in SHARED:
            os.environ.pop(name, None)
        cls.daemon = plane.Daemon("--log-level", "warn")
        cls.addClassCleanup(cls.daemon.close)
        cls.client = cls.daemon.client
        cls.servers = {"database": plane.backends.database, "storage": plane.backends.storage, "runtime": plane.backends.engine}

    def unhealthy(self, names):
        checks = self.client.ask("GET", f"{API}/health").json["checks"]
        return {n for n in names if checks[n]["status"] == "unhealthy"}

    def descriptors(self):
        """Of sandboxd, by kind."""
        found, folder = {}, f"/proc/{self.daemon.process.pid}/fd"
        for fd in os.listdir(folder):
            try:
                kind = os.readlink(f"{folder}/{fd}").split(":")[0]
            except OSError:
                continue
            found[kind] = found.get(kind, 0) + 1
        return found

    def grows(self, load):
        """All kinds of work are done."""
        before = len(load.runs), len(load.files), len(load.sessions)
        leftovers.until(lambda: load.problems or all(
            now >= then + more for now, then, more in zip((len(load.runs), len(load.files), len(load.sessions)), before, (20, 10, 1))),
            120, lambda: f"work goes on: {before}, now {len(load.runs), len(load.files), len(load.sessions)}")

    def outage(self, load, names):
        for name in names:
            self.servers[name].kill()
        try:
            leftovers.until(lambda: self.unhealthy(names) == set(names), 60, f"{names} are found missing")
            before = sum(load.refused.values())
            if "database" in names or "storage" in names:
                leftovers.until(lambda: sum(load.refused.values()) > before or load.problems, 60, "clients are told")
        finally:
            for name in names:
                self.servers[name].start()
        leftovers.until(lambda: not self.unhealthy(names), 60, f"{names} are found again")
        self.grows(load)

    def check(self, load, session_id):
        self.assertEqual(load.problems, [])
        for name, execution in load.runs.items():
            result = self.client.result(execution, wait=120)
            self.assertEqual(result["status"], "success", (name, result))
        total = self.client.must(200, "GET", f"{API}/sessions/{session_id}/executions?limit=1").json["total"]
        self.assertEqual(total, len(load.runs), "no key made two")
        for name, made in load.sessions.items():
            leftovers.until(lambda s=made: self.client.session(s)["status"] == "running", 60, lambda s=made: f"{self.client.session(s)} runs")
            self.assertEqual(self.client.run(made, "cat me", "shell")["stdout"], f"{name}\n")

    def check_files(self, load, session_id, once):
        ran = self.client.download(session_id, "ran").decode().split()
        self.assertEqual(set(ran), set(load.runs), "each has run")
        if once:
            self.assertEqual(len(ran), len(load.runs), "none has run twice, as it does whose result was lost")
        for name in load.files:
            self.assertEqual(self.client.download(session_id, f"up/{name}"), content(name), name)

    def quiet(self):
        """What it holds when nobody wants anything: the least within a while."""
        seen = []
        leftovers.until(lambda: seen.append(sum(self.descriptors().values())) or len(seen) > 100, 60, "it is quiet")
        return min(seen)

    def round(self, *outages):
        """One life of a session with those in it. As long as no sandbox dies, what was run isn't run again."""
        once = not any("runtime" in names for names in outages)
        session_id = self.client.create("shell-basic")
        load = Load(self.client, session_id)
        try:
            self.grows(load)
            for names in outages:
                self.outage(load, names)
        finally:
            load.stop()
        self.check(load, session_id)
        self.check_files(load, session_id, once)
        for made in (*load.sessions.values(), session_id):
            self.client.delete(made)
        leftovers.until(self.daemon.gone, 120, lambda: f"no sandbox is left: {self.daemon.remains()}")
        self.check_files(load, session_id, once)  # from S3 alone now
        print(f"     {len(load.runs)} runs, {len(load.files)} uploads, {len(load.sessions)} sessions; 503: {load.refused}; "
              f"slowest answer {load.slowest:.1f} s; {self.servers['database'].connections()} connections, {self.descriptors()}",
              file=sys.stderr, flush=True)
        self.assertLessEqual(self.servers["database"].connections(), MOST)

    def test_each_killed_and_brought_back_under_load_loses_and_leaks_nothing(self):
        everything = list(self.servers)
        self.round(["database"], ["storage"], ["database", "storage"])
        self.round(*([name] for name in everything), everything)
        before = self.quiet()
        self.round(everything)
        leftovers.until(lambda: self.quiet() <= before + SLACK, 60, lambda: f"no more than {before} descriptors: {self.descriptors()}")


if __name__ == "__main__":
    unittest.main()
