"""Two Docker engines on one sandboxd: two nodes, where sessions are placed by image and load, and one may vanish."""
import collections
import concurrent.futures
import os
import subprocess
import tempfile
import unittest

import leftovers
import plane
from plane import API

SERVICE = os.path.join(plane.ROOT, "tests", "services", "docker.sh")


class Nodes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folders, urls = [], []
        for _ in range(2):
            folder = tempfile.mkdtemp(prefix="scp-docker-", dir="/var/tmp")
            cls.folders.append(folder)
            cls.addClassCleanup(subprocess.run, ["rm", "-rf", "--one-file-system", folder], check=False)
            cls.addClassCleanup(subprocess.run, [SERVICE, "stop", folder], check=False)
            started = subprocess.run([SERVICE, "start", folder], stdout=subprocess.PIPE, text=True, check=True)
            urls += ["--runtime", started.stdout.strip()]
        cls.daemon = plane.Daemon(*urls, "--seed-image", "shell-basic=scp-test/box")
        cls.addClassCleanup(cls.daemon.close)
        cls.client = cls.daemon.client
        cls.first, cls.second = cls.node_of(0), cls.node_of(1)

    @classmethod
    def engine(cls, index, method, path, body=None):
        return plane.Client(os.path.join(cls.folders[index], "docker.sock")).ask(method, f"/v1.40{path}", body)

    @classmethod
    def node_of(cls, index):
        """A node is named by what its engine says of itself and the state folder: found by a session's container."""
        for _ in range(2):
            session_id = cls.client.create("shell-basic")
            session = cls.client.session(session_id)
            here = cls.engine(index, "GET", f"/containers/{session['container_id']}/json").status == 200
            cls.addClassCleanup(cls.client.delete, session_id)
            if here:
                return session["runtime_node"]
        raise AssertionError("no session came to that engine")

    def tearDown(self):
        for session in self.daemon.sessions("running") + self.daemon.sessions("creating"):
            self.client.delete(session["session_id"])
        leftovers.until(lambda: not any(n["allocated"]["containers"] for n in self.nodes()), 60, self.nodes)

    def nodes(self):
        return self.client.must(200, "GET", f"{API}/nodes").json["nodes"]

    def node(self, node_id):
        return next(n for n in self.nodes() if n["node_id"] == node_id)

    def placed(self, count, template="shell-basic"):
        return collections.Counter(self.client.session(self.client.create(template))["runtime_node"] for _ in range(count))

    def test_there_are_two(self):
        self.assertEqual({n["node_id"] for n in self.nodes()}, {self.first, self.second})
        self.assertEqual({n["runtime_type"] for n in self.nodes()}, {"docker"})

    def test_sessions_go_to_the_less_loaded_one(self):
        self.assertEqual(self.placed(6), {self.first: 3, self.second: 3})

    def test_twelve_at_once_are_spread(self):
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            ids = list(pool.map(lambda _: self.client.create("shell-basic", resources={"memory": "256Mi"}), range(12)))
        counts = collections.Counter(self.client.session(one)["runtime_node"] for one in ids)
        print(dict(counts), flush=True)
        self.assertGreaterEqual(min(counts[self.first], counts[self.second]), 3, counts)

    def test_size_counts_not_number(self):
        big = self.client.create("shell-basic", resources={"memory": "4Gi", "cpu": "2"})
        other = {self.first: self.second, self.second: self.first}[self.client.session(big)["runtime_node"]]
        self.assertEqual(self.placed(2), {other: 2})

    def test_an_image_that_only_one_has_decides(self):
        self.engine(1, "POST", "/images/scp-test/box/tag?repo=scp-test/rare&tag=1")
        self.client.must(201, "POST", f"{API}/templates",
                         {"id": "rare", "name": "rare", "image": "scp-test/rare:1", "languages": ["shell"]})
        self.assertEqual(self.placed(3, "rare"), {self.second: 3})

    def test_a_draining_node_gets_nothing_new_and_keeps_what_it_has(self):
        kept = self.client.create("shell-basic")
        node = self.client.session(kept)["runtime_node"]
        self.client.must(200, "POST", f"{API}/nodes/{node}/drain")
        self.addCleanup(self.client.ask, "POST", f"{API}/nodes/{node}/undrain")
        self.assertNotIn(node, self.placed(3))
        self.assertEqual(self.client.run(kept, "echo here", "shell")["stdout"], "here\n")
        self.client.must(200, "POST", f"{API}/nodes/{node}/undrain")
        self.assertIn(node, self.placed(1))

    def test_one_that_dies_is_passed_over_and_comes_back_with_its_sessions(self):
        sessions = {self.client.session(s)["runtime_node"]: s for s in (self.client.create("shell-basic"), self.client.create("shell-basic"))}
        self.assertEqual(set(sessions), {self.first, self.second})
        self.client.upload(sessions[self.first], "kept", b"kept")
        execution = self.client.submit(sessions[self.first], "echo x >>tries; test $(wc -l <tries) -gt 1 || sleep 600; cat tries", "shell", timeout=900)
        leftovers.until(lambda: self.client.ask("GET", self.client.file_url(sessions[self.first], "tries")).status == 200, 30, "it runs")
        subprocess.run([SERVICE, "kill", self.folders[0]], check=True)
        try:
            self.assertEqual(self.placed(3), {self.second: 3})
            self.assertEqual(self.client.run(sessions[self.second], "echo here", "shell")["stdout"], "here\n")
            self.assertEqual(self.client.session(sessions[self.first])["status"], "running")
            self.assertIn(self.client.execution(execution)["status"], ("running", "pending"))
            health = self.client.ask("GET", f"{API}/health").json
            self.assertEqual((health["status"], health["checks"]["runtime"]["status"]), ("degraded", "degraded"), health)
            self.assertIn(self.folders[0], health["checks"]["runtime"]["detail"])
        finally:
            subprocess.run([SERVICE, "revive", self.folders[0]], check=True)
        result = self.client.result(execution)
        self.assertEqual((result["status"], result["stdout"]), ("success", "x\nx\n"), result)
        self.assertEqual(self.client.run(sessions[self.first], "cat kept", "shell")["stdout"], "kept")
        self.assertIn(self.first, self.placed(2))
        self.assertEqual(self.client.must(200, "GET", f"{API}/health").json["status"], "healthy")


if __name__ == "__main__":
    unittest.main()
