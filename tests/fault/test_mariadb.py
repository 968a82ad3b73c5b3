"""MariaDB killed, stopped and brought back under load; many replicas that start at once."""
import os
import subprocess
import sys
import threading
import time
import unittest

import case
import leftovers
import plane

sys.path.insert(0, os.path.join(plane.ROOT, "tests", "services"))
import mariadb  # noqa: E402

os.environ["SCP_TEST_DATABASE"] = "mariadb"
MOST = 60  # connections of one process: 20 kept, 40 more


class Load:
    """Clients that submit until they are told to stop, each with a key, and again with that key where they got a 503."""

    def __init__(self, client, session_id, clients):
        self.client, self.session_id = client, session_id
        self.stopping = threading.Event()
        self.keys, self.ids, self.problems, self.refused, self.slowest = [], {}, [], 0, 0.0
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(n,)) for n in range(clients)]
        for t in self.threads:
            t.start()

    def run(self, number):
        count = 0
        while not self.stopping.is_set():
            count += 1
            try:
                self.one(f"key-{number}-{count}")
            except Exception as error:  # a connection that breaks is a problem too
                self.problems.append(repr(error))
                return

    def one(self, key):
        with self.lock:
            self.keys.append(key)
        until = time.monotonic() + 60
        while True:
            begun = time.monotonic()
            answer = self.client.ask("POST", f"{plane.API}/sessions/{self.session_id}/execute",
                                     {"code": f"echo {key} >>ran", "language": "shell"}, {"Idempotency-Key": key})
            self.slowest = max(self.slowest, time.monotonic() - begun)
            if answer.status == 200:
                with self.lock:
                    self.ids[key] = answer.json["execution_id"]
                return
            if answer.status not in (429, 503) or "Retry-After" not in answer.headers or time.monotonic() > until:
                self.problems.append(f"{key}: {answer} {dict(answer.headers)}")
                return
            self.refused += answer.status == 503
            time.sleep(0.1)

    def stop(self):
        self.stopping.set()
        for t in self.threads:
            t.join()


def at_once(count, fn):
    """What each of so many threads got."""
    results, barrier = [], threading.Barrier(count)

    def run(number):
        barrier.wait()
        results.append(fn(number))

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return results


class Writers(case.PlaneCase):
    """Where writers run beside each other, what one of them decides by is held."""
    options = ("--max-pending-per-session", "10", "--workers", "16")

    def test_one_key_from_many_clients_at_once_makes_one(self):
        session_id = self.session("shell-basic")
        for round_number in range(5):
            answers = at_once(16, lambda n: self.client.ask(
                "POST", f"{plane.API}/sessions/{session_id}/execute", {"code": "true", "language": "shell"},
                {"Idempotency-Key": f"same-{round_number}"}))
            self.assertEqual({a.status for a in answers}, {200}, answers)
            self.assertEqual(len({a.json["execution_id"] for a in answers}), 1)
        total = self.client.must(200, "GET", f"{plane.API}/sessions/{session_id}/executions?limit=1").json["total"]
        self.assertEqual(total, 5)

    def test_a_sessions_limit_is_exact(self):
        session_id = self.session("shell-basic")
        busy = [self.client.submit(session_id, "sleep 30", "shell", timeout=60) for _ in range(8)]
        leftovers.until(lambda: all(self.client.execution(e)["status"] == "running" for e in busy), 30, "all places are taken")
        answers = at_once(32, lambda n: self.client.ask(
            "POST", f"{plane.API}/sessions/{session_id}/execute", {"code": "true", "language": "shell"}))
        self.assertEqual(sorted(a.status for a in answers), [200] * 10 + [429] * 22)

    def test_what_is_submitted_while_its_session_ends_comes_to_an_end(self):
        for _ in range(5):
            session_id = self.client.create("shell-basic")
            answers = at_once(12, lambda n, s=session_id: self.client.delete(s) if n == 0 else self.client.ask(
                "POST", f"{plane.API}/sessions/{s}/execute", {"code": "true", "language": "shell"}))
            for answer in answers:
                if isinstance(answer, plane.Answer) and answer.status == 200:
                    self.assertIn(self.client.result(answer.json["execution_id"], wait=60)["status"],
                                  ("success", "cancelled", "crashed", "failed"))


class Outage(case.PlaneCase):
    def setUp(self):
        self.server = plane.backends.database
        self.addCleanup(self.revive)

    def revive(self):
        """Whatever a test ended with: what follows needs the server."""
        if self.server.process.poll() is not None:
            self.server.start()
            leftovers.until(self.ready, 30, "it is ready again")

    def ready(self):
        return self.client.ask("GET", f"{plane.API}/health/ready").status == 200

    def submitted(self, load):
        return len(load.ids)

    def grows(self, load, by=20):
        before = self.submitted(load)
        leftovers.until(lambda: self.submitted(load) >= before + by or load.problems, 60, "submissions go on")

    def check(self, load, session_id):
        self.assertEqual(load.problems, [])
        self.assertEqual(sorted(load.ids), sorted(load.keys), "each was acknowledged in the end")
        for key, execution_id in load.ids.items():
            result = self.client.result(execution_id, wait=120)
            self.assertEqual(result["status"], "success", (key, result))
        total = self.client.must(200, "GET", f"{plane.API}/sessions/{session_id}/executions?limit=1").json["total"]
        self.assertEqual(total, len(load.keys), "no key made two")
        ran = self.client.download(session_id, "ran").decode().split()
        self.assertEqual(sorted(set(ran)), sorted(load.keys), "each has run")
        self.assertLessEqual(self.server.connections(), MOST)

    def test_killed_and_restarted_under_load_nothing_that_was_acknowledged_is_lost(self):
        session_id = self.session("shell-basic")
        self.addCleanup(self.revive)  # before the session is ended
        load = Load(self.client, session_id, 4)
        try:
            for _ in range(3):
                self.grows(load)
                self.server.kill()
                refused = load.refused
                leftovers.until(lambda: load.refused > refused or load.problems, 30, "clients are told")
                leftovers.until(lambda: not self.ready(), 30, "it says so")
                self.server.start()
                leftovers.until(self.ready, 30, "it is ready again")
            self.grows(load)
        finally:
            load.stop()
        self.check(load, session_id)
        print(f"     {len(load.ids)} acknowledged, {load.refused} times 503, slowest answer {load.slowest:.2f} s, "
              f"{self.server.connections()} connections", flush=True)

    def test_code_that_ends_while_the_database_is_away_keeps_its_result(self):
        session_id = self.session("shell-basic")
        execution_id = self.client.submit(session_id, "sleep 2; echo over", "shell")
        leftovers.until(lambda: self.client.execution(execution_id)["status"] == "running", 30, "it runs")
        self.server.kill()
        time.sleep(3)  # it is to end meanwhile
        self.server.start()
        leftovers.until(self.ready, 30, "it is ready again")
        result = self.client.result(execution_id, wait=120)
        self.assertEqual((result["status"], result["stdout"]), ("success", "over\n"), result)
        self.assertEqual(self.client.execution(execution_id)["retry_count"], 0)

    def test_a_server_that_hangs_holds_nobody_for_ever(self):
        session_id = self.session("shell-basic")
        self.server.pause()
        try:
            begun = time.monotonic()
            answer = self.client.ask("GET", f"{plane.API}/sessions/{session_id}", timeout=120)
            took = time.monotonic() - begun
        finally:
            self.server.go_on()
        self.assertEqual(answer.status, 503, answer)
        self.assertIn("Retry-After", answer.headers)
        self.assertLess(took, 100)
        leftovers.until(self.ready, 60, "it is ready again")
        self.assertEqual(self.client.run(session_id, "echo back", "shell")["stdout"], "back\n")


class Start(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = mariadb.Server()
        cls.folder = os.path.join(cls.server.folder, "state")

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def sandboxd(self, *options, name="scp_start", password=None):
        environment = {**os.environ, "SANDBOXD_DATABASE_PASSWORD": password or self.server.password}
        return subprocess.Popen(
            [plane.SANDBOXD, "--state-dir", self.folder, "--database", self.server.url(name), *options], env=environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def test_ten_replicas_make_and_migrate_one_database_at_once(self):
        replicas = [self.sandboxd("--migrate") for _ in range(10)]
        for replica in replicas:
            output, _ = replica.communicate(timeout=120)
            self.assertEqual(replica.returncode, 0, output)
        self.assertEqual(self.server.sql("SELECT version FROM schema_version ORDER BY version", "scp_start"), [["1"], ["2"], ["3"], ["4"]])
        self.assertEqual(self.server.connections(), 0)

    def test_a_migration_that_was_cut_short_is_done_again(self):
        for _ in range(4):
            replica = self.sandboxd("--migrate", name="scp_cut")
            time.sleep(0.3)
            replica.kill()
            replica.communicate(timeout=60)
        replica = self.sandboxd("--migrate", name="scp_cut")
        output, _ = replica.communicate(timeout=120)
        self.assertEqual(replica.returncode, 0, output)
        self.assertEqual(len(self.server.sql("SHOW TABLES", "scp_cut")), 13)

    def test_check_names_the_setting_and_no_secret(self):
        for name, password, words in (
            ("scp_none", None, ("CREATE DATABASE `scp_none`", "GRANT ALL ON `scp_none`.*")),
            ("scp_none", "wrong-hush", ("--database-password-file",)),
        ):
            with self.subTest(words=words):
                check = self.sandboxd("--check", name=name, password=password)
                output, _ = check.communicate(timeout=120)
                self.assertEqual(check.returncode, 1, output)
                for word in words:
                    self.assertIn(word, output)
                self.assertNotIn("hush", output)
                self.assertNotIn(self.server.password, output)

    def test_a_password_in_a_file_is_as_good(self):
        path = os.path.join(self.server.folder, "password")
        with open(path, "w", encoding="ascii") as f:
            f.write(self.server.password + "\n")
        done = subprocess.run([plane.SANDBOXD, "--state-dir", self.folder, "--database", self.server.url("scp_file"),
                               "--database-password-file", path, "--migrate"], timeout=120, check=False, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
