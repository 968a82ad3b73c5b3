"""Replicas that are killed, stopped, or have wrong clocks."""
import glob
import os
import signal
import time

import leftovers
import plane
import replicas

LOST_AFTER_S = 3


def faketime(offset):
    """What makes a program's wall clock wrong, its monotonic one not."""
    found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    if not found:
        return None
    return ("env", f"LD_PRELOAD={found[0]}", f"FAKETIME={offset}", "FAKETIME_DONT_FAKE_MONOTONIC=1", "FAKETIME_NO_CACHE=1")


def rounds(replica, chore, count):
    """So many rounds of one of its chores of every second."""
    def age():
        text = replica.client.must(200, "GET", "/metrics").body.decode()
        return float(next(x for x in text.splitlines() if f'chore="{chore}"' in x).split()[1])

    for _ in range(count):
        leftovers.until(lambda: age() > 0.5, 20, "a round is old")
        leftovers.until(lambda: age() < 0.5, 20, "the next one was made")


def time_of(text):
    return time.mktime(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone


class Lost(replicas.ReplicaCase):
    options = ("--node-lost-after", f"{LOST_AFTER_S}s", "--retry-base", "100")

    def tearDown(self):
        if self.b.process.poll() is not None:
            self.b.start()
        self.await_node("ready")

    def node(self):
        nodes = self.a.client.must(200, "GET", f"{plane.API}/nodes").json["nodes"]
        return next(n for n in nodes if n["node_id"] == self.b.node)

    def await_node(self, status):
        self.until(lambda: self.node()["status"] == status, 30, f"the node is {status}")

    def await_session(self, session_id, status):
        self.until(lambda: self.a.client.session(session_id)["status"] == status, 30, f"the session is {status}")

    def running(self, session_id, code="sleep 60", **fields):
        execution_id = self.b.client.submit(session_id, code, "shell", timeout=120, **fields)
        self.until(lambda: self.b.client.execution(execution_id)["status"] == "running", 30, "it runs")
        return execution_id

    def test_what_ran_on_a_node_that_is_lost_ends_naming_it(self):
        session_id = self.session_at(self.b)
        execution_id = self.running(session_id, max_retries=0)
        self.b.kill()
        self.await_node("lost")
        self.await_session(session_id, "failed")
        session = self.a.client.session(session_id)
        self.assertIn(self.b.node, session["error"]["error_detail"])
        result = self.a.client.result(execution_id, wait=30)
        self.assertEqual(result["status"], "crashed", result)
        self.assertIn(self.b.node, result["error"])
        self.assertIn(f"node {self.b.node} is lost", self.a.tail(100000))
        files = self.a.client.ask("GET", f"{plane.API}/sessions/{session_id}/files")
        self.assertEqual(files.status, 503, files)
        self.assertIn(self.b.node, files.json["error_detail"])

    def test_one_that_comes_back_removes_what_was_given_up_and_serves_its_files(self):
        session_id = self.session_at(self.b)
        self.b.client.upload(session_id, "kept", b"still here")
        self.running(session_id)
        self.b.kill()
        self.await_session(session_id, "failed")
        self.assertEqual(len(self.b.executors()), 1, "its sandbox runs on")
        self.b.start()
        self.await_node("ready")
        self.assertEqual(self.b.executors(), set())
        self.assertIn("was lost and is back", self.b.tail(100000))
        self.assertEqual(self.a.client.download(session_id, "kept"), b"still here")

    def test_one_that_only_slept_is_not_believed(self):
        session_id = self.session_at(self.b)
        execution_id = self.running(session_id, "sleep 2; echo too late", max_retries=0)  # it ends while nobody looks
        self.b.process.send_signal(signal.SIGSTOP)
        try:
            self.await_session(session_id, "failed")
            result = self.a.client.result(execution_id, wait=30)
            self.assertEqual(result["status"], "crashed", result)
        finally:
            self.b.process.send_signal(signal.SIGCONT)
        self.await_node("ready")
        self.until(lambda: not self.b.executors(), 20, "its sandbox is gone")
        again = self.b.client.result(execution_id)
        self.assertEqual((again["status"], again["stdout"]), ("crashed", ""))
        session_id = self.session_at(self.b)
        self.assertEqual(self.a.client.run(session_id, "echo new", "shell")["stdout"], "new\n")

    def test_a_session_that_never_got_its_sandbox_is_made_elsewhere(self):
        session_id = self.session_at(self.b)
        self.b.kill()
        # As if it had been killed just before the sandbox was up.
        self.cluster.server.sql(f"UPDATE session SET status = 1, started_us = 0 WHERE id = '{session_id}'", self.cluster.name)
        self.until(lambda: self.a.client.session(session_id)["runtime_node"] == self.a.node, 30, "it has left the node")
        self.await_session(session_id, "running")
        self.assertEqual(self.a.client.run(session_id, "echo moved", "shell")["stdout"], "moved\n")
        self.b.start()
        self.await_node("ready")
        self.assertEqual(self.b.executors(), set(), "the first sandbox is gone")
        self.assertEqual(self.a.client.session(session_id)["runtime_node"], self.a.node)
        self.assertEqual(self.b.client.run(session_id, "echo again", "shell")["stdout"], "again\n")

    def test_one_that_is_back_in_time_goes_on(self):
        session_id = self.session_at(self.b)
        execution_id = self.running(session_id, "until [ -e go ]; do sleep 0.05; done; echo whole")
        self.b.kill()
        self.b.start()
        self.a.client.upload(session_id, "go", b"")
        result = self.a.client.result(execution_id, wait=60)
        self.assertEqual((result["status"], result["stdout"]), ("success", "whole\n"), result)
        self.assertEqual(self.a.client.execution(execution_id)["retry_count"], 0)

    def test_while_all_others_are_lost_sessions_are_made_here(self):
        self.b.kill()
        self.await_node("lost")
        session_id = self.session_at(self.a)
        self.assertEqual(self.a.client.run(session_id, "echo here", "shell")["stdout"], "here\n")


class Outage(replicas.ReplicaCase):
    lost_after_s = 8
    options = ("--node-lost-after", f"{lost_after_s}s")

    def test_a_database_that_was_away_for_longer_loses_nobody(self):
        sessions = [self.session_at(self.a), self.session_at(self.b)]
        code = "until [ -e go ]; do sleep 0.05; done; echo whole"
        runs = [r.client.submit(s, code, "shell", timeout=120) for r, s in zip((self.a, self.b), sessions)]
        for execution_id in runs:
            self.until(lambda e=execution_id: self.a.client.execution(e)["status"] == "running", 30, "it runs")
        self.b.process.send_signal(signal.SIGSTOP)  # it is to be the last that is heard of
        try:
            self.cluster.server.kill()
            time.sleep(self.lost_after_s + 1)  # nobody is heard of for so long
            self.cluster.server.start()
            self.until(lambda: self.a.client.ask("GET", f"{plane.API}/health/ready").status == 200, 60, "it is ready again")
            rounds(self.a, "nodes", 2)
        finally:
            self.b.process.send_signal(signal.SIGCONT)
        self.assertNotIn("is lost", self.a.tail(1 << 30))
        for replica, session_id, execution_id in zip((self.b, self.a), sessions, runs):
            replica.client.upload(session_id, "go", b"")
            result = replica.client.result(execution_id, wait=60)
            self.assertEqual((result["status"], result["stdout"]), ("success", "whole\n"), result)
        nodes = self.a.client.must(200, "GET", f"{plane.API}/nodes").json["nodes"]
        self.assertEqual([n["status"] for n in nodes], ["ready", "ready"])


class Skew(replicas.ReplicaCase):
    """One clock is an hour ahead, the other an hour behind; the database's is right."""
    options = ("--session-idle", "10m", "--node-lost-after", f"{LOST_AFTER_S}s")

    @classmethod
    def setUpClass(cls):
        replicas.skip_if_not_possible()
        ahead, behind = faketime("+1h"), faketime("-1h")
        if not ahead:
            raise cls.skip("libfaketime isn't installed: examples/install-deps.sh test")
        cls.cluster = replicas.Cluster()
        try:
            cls.database = cls.cluster.database()
            cls.a = cls.cluster.add(cls.database, *cls.options, program=ahead)
            cls.b = cls.cluster.add(cls.database, *cls.options, program=behind)
        except BaseException:
            cls.cluster.stop()
            raise

    @staticmethod
    def skip(reason):
        import unittest
        return unittest.SkipTest(reason)

    def test_the_clocks_are_wrong(self):
        """Else nothing here means anything."""
        for replica, offset in ((self.a, 3600), (self.b, -3600)):
            with open(replica.log, encoding="utf-8") as log:
                first = log.readline().split('"time":"')[1]
            self.assertLess(abs(time_of(first) - time.time() - offset), 600)

    def test_rows_have_the_database_s_time(self):
        for replica in (self.a, self.b):
            session = self.a.client.session(self.session_at(replica))
            self.assertLess(abs(time_of(session["created_at"]) - time.time()), 60, session)
            self.assertLess(abs(time_of(session["expires_at"]) - time.time() - 6 * 3600), 60, session)

    def test_neither_ends_the_other_s_sessions_nor_takes_its_work(self):
        sessions = [self.session_at(self.a), self.session_at(self.b)]
        code = "until [ -e go ]; do sleep 0.05; done; echo ok"
        runs = [r.client.submit(s, code, "shell", timeout=120) for r, s in zip((self.a, self.b), sessions)]
        for replica in (self.a, self.b):
            rounds(replica, "reap", 3)
        for session_id, execution_id in zip(sessions, runs):
            self.assertEqual(self.a.client.session(session_id)["status"], "running")
            self.b.client.upload(session_id, "go", b"")
            result = self.a.client.result(execution_id, wait=60)
            self.assertEqual((result["status"], result["stdout"]), ("success", "ok\n"), result)
            self.assertEqual(self.a.client.execution(execution_id)["retry_count"], 0)
        epochs = self.cluster.server.sql(
            f"SELECT epoch FROM execution WHERE id IN ('{runs[0]}', '{runs[1]}')", self.cluster.name)
        self.assertEqual(epochs, [["1"], ["1"]], "nobody else claimed them")
        nodes = self.a.client.must(200, "GET", f"{plane.API}/nodes").json["nodes"]
        self.assertEqual([n["status"] for n in nodes], ["ready", "ready"])

    def test_what_one_accepted_for_the_other_runs_at_once(self):
        session_id = self.session_at(self.a)
        begun = time.monotonic()
        result = self.b.client.run(session_id, "echo now", "shell")
        self.assertEqual(result["stdout"], "now\n")
        self.assertLess(time.monotonic() - begun, 10)
        session_id = self.session_at(self.b)
        self.assertEqual(self.a.client.run(session_id, "echo now", "shell")["stdout"], "now\n")

    def test_proofs_of_one_are_good_for_the_other(self):
        for there, here in ((self.a, self.b), (self.b, self.a)):
            session_id = self.session_at(there)
            here.client.upload(session_id, "f", b"through")
            self.assertEqual(here.client.download(session_id, "f"), b"through")

    def test_a_deadline_is_kept(self):
        session_id = self.session_at(self.b)
        result = self.a.client.run(session_id, "sleep 60", "shell", timeout=1)
        self.assertEqual(result["status"], "timeout", result)
        self.assertLess(result["execution_time"], 30)
