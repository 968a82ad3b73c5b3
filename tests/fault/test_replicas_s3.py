"""Replicas on one MariaDB and one S3: files are had by all, and go on where a node is lost."""
import os
import subprocess
import sys
import unittest

import leftovers
import plane
import replicas

sys.path.insert(0, os.path.join(plane.ROOT, "tests", "services"))
import swift  # noqa: E402

BUCKET = "replicas"


class Shared(replicas.ReplicaCase):
    options = ("--node-lost-after", "3s", "--retry-base", "100")

    @classmethod
    def setUpClass(cls):
        replicas.skip_if_not_possible()
        cls.server = swift.Server(os.environ.get("SCP_TEST_SCRATCH"))
        cls.addClassCleanup(cls.server.stop)
        os.environ.update(swift.KEYS)
        for name in swift.KEYS:
            cls.addClassCleanup(os.environ.pop, name)
        url = cls.server.url(BUCKET)
        subprocess.run([plane.SANDBOXD, "--state-dir", os.path.join(cls.server.folder, "m"), "--storage", url, "--migrate"],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        cls.options = (*Shared.options, "--storage", url)
        super().setUpClass()

    def tearDown(self):
        if self.b.process.poll() is not None:
            self.b.start()
        self.until(lambda: self.node()["status"] == "ready", 30, "the node is back")

    def node(self):
        nodes = self.a.client.must(200, "GET", f"{plane.API}/nodes").json["nodes"]
        return next(n for n in nodes if n["node_id"] == self.b.node)

    def disks(self, replica):
        return {f[:-4] for f in os.listdir(os.path.join(replica.state, "disks")) if f.startswith("ws_")}

    def test_files_of_a_session_that_is_over_are_had_without_its_process(self):
        s = self.session_at(self.b)
        self.b.client.run(s, "echo made >out; ln -s out link", "shell")
        self.a.client.upload(s, "up", b"through the other")
        self.b.client.delete(s)
        leftovers.until(lambda: not self.disks(self.b), 30, "the disk is given back")
        self.b.kill()
        self.assertEqual(self.a.client.download(s, "out"), b"made\n")
        self.assertEqual(self.a.client.download(s, "up"), b"through the other")

    def test_a_session_goes_on_with_its_files_where_another_node_is(self):
        s = self.session_at(self.b)
        self.b.client.run(s, "mkdir d; echo '#!/bin/sh\necho ran' >d/tool; chmod +x d/tool", "shell")
        self.b.kill()
        self.until(lambda: self.a.client.session(s)["runtime_node"] != self.b.node, 30, "it has left the node")
        self.assertEqual(self.a.client.run(s, "d/tool", "shell")["stdout"], "ran\n")
        self.assertEqual(self.a.client.session(s)["runtime_node"], self.a.node)
        self.a.client.run(s, "echo later >d/later", "shell")
        self.b.start()
        self.until(lambda: self.node()["status"] == "ready", 30, "the node is back")
        self.until(lambda: not self.b.executors() and not self.disks(self.b), 30, "what was given up is gone")
        self.assertEqual(self.b.client.run(s, "cat d/later", "shell")["stdout"], "later\n")

    def test_what_ran_is_tried_again_from_what_was_synced(self):
        s = self.session_at(self.b)
        self.b.client.run(s, "echo 1 >count", "shell")
        run = self.b.client.submit(s, "cat count; test -e second || { touch second; sleep 60; }; echo over", "shell", timeout=120)
        self.until(lambda: self.b.client.execution(run)["status"] == "running", 30, "it runs")
        self.b.kill()
        self.a.client.must(200, "GET", f"{plane.API}/sessions/{s}")
        self.until(lambda: self.a.client.execution(run)["retry_count"] == 1, 30, "it is tried again")
        self.a.client.upload(s, "second", b"")  # so that this try ends at once, or (too late) after its minute
        result = self.a.client.result(run)
        self.assertEqual((result["status"], result["stdout"][:2]), ("success", "1\n"), result)

    def test_what_was_pending_when_a_node_was_lost_comes_with_it(self):
        s = self.session_at(self.b)
        self.b.client.run(s, "echo early >early", "shell")
        self.server.kill()
        try:
            r = self.b.client.run(s, "echo late >late", "shell")
            self.assertEqual(r["sync"], "pending")
            self.b.client.delete(s)
            self.b.kill()
        finally:
            self.server.revive()
        self.until(lambda: self.node()["status"] == "lost", 30, "the node is lost")
        self.until(lambda: self.a.client.ask("GET", self.a.client.file_url(s, "early")).status == 200, 30, "what S3 has is had")
        self.assertEqual(self.a.client.ask("GET", self.a.client.file_url(s, "late")).status, 404)
        self.b.start()
        self.until(lambda: self.a.client.result(r["execution_id"])["sync"] == "done", 60, "the rest is there")
        self.assertEqual(self.a.client.download(s, "late"), b"late\n")


if __name__ == "__main__":
    unittest.main()
