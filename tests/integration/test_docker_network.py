"""Sessions with a network, in tests/runtime/with_network.sh's world: what REST says of it, and what code reaches."""
import concurrent.futures
import os
import subprocess
import sys
import tempfile
import unittest

import plane
from plane import API

SERVICE = os.path.join(plane.ROOT, "tests", "services", "docker.sh")
WORLD = os.path.join(plane.ROOT, "tests", "runtime", "with_network.sh")
RUNNER = os.path.join(plane.ROOT, "tests", "e2e", "runner.py")
INSIDE = bool(os.environ.get("TEST_NETWORK"))


class World(unittest.TestCase):
    def test_in_namespaces_of_their_own(self):
        done = subprocess.run([WORLD, sys.executable, RUNNER, __file__], check=False, timeout=300,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        print(done.stdout, flush=True)
        if done.returncode == 77:
            self.skipTest(done.stdout.strip())
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"(?m)^pass ")
        self.assertNotRegex(done.stdout, r"(?m)^fail ")


class Network(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="scp-docker-", dir="/var/tmp")
        cls.addClassCleanup(subprocess.run, ["rm", "-rf", "--one-file-system", cls.folder], check=False)
        cls.addClassCleanup(subprocess.run, [SERVICE, "stop", cls.folder], check=False)
        started = subprocess.run([SERVICE, "start", cls.folder, *os.environ["TEST_DOCKER_OPTIONS"].split()],
                                 stdout=subprocess.PIPE, text=True, check=True)
        cls.url = started.stdout.strip() + os.environ["TEST_DOCKER_QUERY"]
        cls.daemon = plane.Daemon("--runtime", cls.url, "--seed-image", "shell-basic=scp-test/box")
        cls.addClassCleanup(cls.daemon.close)
        cls.client = cls.daemon.client

    def session(self, **fields):
        session_id = self.client.create("shell-basic", **fields)
        self.addCleanup(self.client.delete, session_id)
        return session_id

    def reaches(self, session_id, address, port=80):
        get = f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 {address} {port} 2>/dev/null | grep -c reached"
        return self.client.run(session_id, get, "shell")["stdout"] == "1\n"

    def test_a_session_that_asks_for_a_network_has_one_behind_a_wall(self):
        session_id = self.session(network_enabled=True)
        session = self.client.session(session_id)
        self.assertEqual((session["network_enabled"], session["runtime_type"]), (True, "docker"))
        self.assertTrue(self.reaches(session_id, "203.0.113.10"))
        for address in ("169.254.169.254", "100.100.100.200", "10.1.2.3", "10.99.0.1", "198.51.100.7", "fd00:ec2::254"):
            self.assertFalse(self.reaches(session_id, address), address)

    def test_one_whose_template_wants_it_too(self):
        self.client.must(201, "POST", f"{API}/templates", {"id": "net", "name": "net", "image": "scp-test/box", "languages": ["shell"],
                                                           "security_context": {"network_enabled": True}})
        session_id = self.client.create("net")
        self.addCleanup(self.client.delete, session_id)
        self.assertTrue(self.reaches(session_id, "203.0.113.10"))

    def test_one_that_doesn_t_ask_has_none(self):
        session_id = self.session()
        self.assertFalse(self.reaches(session_id, "203.0.113.10"))
        self.assertEqual(self.client.run(session_id, "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '", "shell")["stdout"], "lo\n")

    def test_ten_at_once(self):
        def one(_):
            session_id = self.client.create("shell-basic", network_enabled=True, resources={"memory": "256Mi"})
            seen = self.reaches(session_id, "203.0.113.10"), self.reaches(session_id, "169.254.169.254")
            self.client.delete(session_id)
            return seen
        with concurrent.futures.ThreadPoolExecutor(10) as pool:
            self.assertEqual(list(pool.map(one, range(10))), [(True, False)] * 10)

    def networks(self):
        engine = plane.Client(os.path.join(self.folder, "docker.sock"))
        return {n["Name"] for n in engine.must(200, "GET", "/v1.40/networks").json if n["Name"].startswith("sandboxcp-")}

    def test_a_killed_daemon_s_network_is_found_again_and_goes_in_the_end(self):
        before = self.networks()
        daemon = plane.Daemon("--runtime", self.url, "--seed-image", "shell-basic=scp-test/box")
        session_id = daemon.client.create("shell-basic", network_enabled=True)
        self.assertEqual(len(self.networks() - before), 1)
        daemon.kill()
        daemon.start()
        get = "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 %s 80 2>/dev/null | grep -c reached"
        self.assertEqual(daemon.client.run(session_id, get % "203.0.113.10", "shell")["stdout"], "1\n")
        self.assertEqual(daemon.client.run(session_id, get % "169.254.169.254", "shell")["stdout"], "0\n")
        daemon.close()
        self.assertEqual(self.networks() - before, set())

    def test_the_built_in_runtime_alone_refuses_at_once(self):
        daemon = plane.Daemon("--runtime", "oci:")
        self.addCleanup(daemon.close)
        answer = daemon.client.must(501, "POST", f"{API}/sessions", {"template_id": "python-basic", "network_enabled": True}).json
        self.assertEqual(answer["error_code"], "Sandbox.NotSupported")
        self.assertIn("network_enabled: the oci runtime gives no network to a sandbox", answer["error_detail"])
        self.assertIn("no other network", self.limit(daemon, "network"))

    def limit(self, daemon, name):
        """Health has states alone; what keeps them is what --check says."""
        options = daemon.options[daemon.options.index("--runtime"):]
        done = subprocess.run([plane.SANDBOXD, "--check", "--state-dir", daemon.state, *options], check=False, timeout=120,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(daemon.client.must(200, "GET", f"{API}/health").json["limits"][name], "enforced")
        return next(line for line in done.stdout.split("\n") if line.strip().startswith(name))

    def test_check_says_how_it_is_kept(self):
        daemon = plane.Daemon("--runtime", self.url)
        self.addCleanup(daemon.close)
        self.assertIn("nf_tables", self.limit(daemon, "network"))


def load_tests(loader, _tests, _pattern):
    return loader.loadTestsFromTestCase(Network if INSIDE else World)


if __name__ == "__main__":
    unittest.main()
