"""Images that a Docker engine must fetch: what the log tells meanwhile, and what a session says when it can't be had."""
import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
import unittest

import leftovers
import plane
import registry
from plane import API

SERVICE = os.path.join(plane.ROOT, "tests", "services", "docker.sh")


class Pulls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="scp-docker-", dir="/var/tmp")
        cls.addClassCleanup(subprocess.run, ["rm", "-rf", "--one-file-system", cls.folder], check=False)
        cls.addClassCleanup(subprocess.run, [SERVICE, "stop", cls.folder], check=False)
        started = subprocess.run([SERVICE, "start", cls.folder], stdout=subprocess.PIPE, text=True, check=True)
        with open(shutil.which("busybox"), "rb") as program:
            busybox = program.read()
        box = {"bin/busybox": busybox, **{f"bin/{n}": "busybox" for n in ("sh", "id", "cat")}}
        cls.open = registry.Registry([box, {"big": os.urandom(30 << 20)}, {"marked": b"by the registry\n"}])
        cls.locked = registry.Registry([box], "basic")
        cls.tokens = registry.Registry([box], "token")
        cls.busy = registry.Registry([box])
        cls.slow = registry.Registry([{**box, "slow": b""}])
        for one in (cls.open, cls.locked, cls.tokens, cls.busy, cls.slow):
            cls.addClassCleanup(one.close)
        cls.config = os.path.join(cls.folder, "config.json")
        cls.log_in(None)
        cls.daemon = plane.Daemon("--runtime", f"{started.stdout.strip()}?config_file={cls.config}")
        cls.addClassCleanup(cls.daemon.close)
        cls.client = cls.daemon.client

    @classmethod
    def log_in(cls, login):
        auths = {cls.locked.name: {"auth": base64.b64encode(":".join(login).encode()).decode()}} if login else {}
        with open(cls.config, "w", encoding="utf-8") as config:
            json.dump({"auths": auths}, config)

    def session(self, name, image):
        self.client.must(201, "POST", f"{API}/templates", {"id": name, "name": name, "image": image, "languages": ["shell"]})
        begin = time.monotonic()
        session = self.client.must(201, "POST", f"{API}/sessions?wait=60", {"template_id": name}).json
        self.addCleanup(self.client.delete, session["session_id"])
        return session, time.monotonic() - begin

    def lines(self, session_id):
        with open(self.daemon.log, encoding="utf-8") as log:
            return [line for line in map(json.loads, log) if line.get("session_id") == session_id]

    def tries(self, session):
        return sum("can't be started" in line["message"] for line in self.lines(session["session_id"]))

    def fails_at_once(self, name, image, hint):
        session, took = self.session(name, image)
        self.assertEqual(session["status"], "failed", session)
        self.assertLess(took, 10, session)
        text = json.dumps(session["error"])
        self.assertIn(image, text)
        self.assertIn(hint, session["error"]["solution"])
        self.assertEqual(self.tries(session), 1)
        return session["error"]

    def test_a_session_s_log_tells_how_its_image_is_fetched(self):
        session, _ = self.session("fetched", f"{self.open.name}/open/box:1")
        self.assertEqual(session["status"], "running", session)
        self.assertEqual(self.client.run(session["session_id"], "id -u; cat /marked", "shell")["stdout"], "1000\nby the registry\n")
        told = [line["message"] for line in self.lines(session["session_id"]) if "/open/box:1: " in line["message"]]
        self.assertTrue(any(" MB" in m for m in told), told)
        self.assertTrue(any("Pull complete" in m or "Pulling fs layer" in m for m in told), told)
        self.assertTrue(any("Status: Downloaded newer image" in m for m in told), told)
        self.assertLess(len(told), 100)

    def test_an_image_that_there_is_none_of(self):
        self.fails_at_once("absent", f"{self.open.name}/open/absent:1", "template's image")

    def test_a_registry_that_nobody_answers_for(self):
        self.fails_at_once("nowhere", "127.0.0.1:1/none/such:1", "let the engine reach its registry")

    def test_a_registry_that_wants_a_login(self):
        image = f"{self.locked.name}/some/box:1"
        error = self.fails_at_once("locked-out", image, "docker login")
        self.assertIn(self.locked.name, error["solution"])
        self.assertIn(self.config, error["solution"])
        self.assertIn("config_file=", error["solution"])
        self.log_in(("robot", "wrong"))
        self.addCleanup(self.log_in, None)
        error = self.fails_at_once("refused", image, "was refused")
        self.assertIn(self.config, error["solution"])
        self.log_in(registry.LOGIN)
        session, _ = self.session("let-in", image)
        self.assertEqual(session["status"], "running", session)

    def test_a_registry_that_gives_nobody_a_token(self):
        self.fails_at_once("no-token", f"{self.tokens.name}/some/box:1", "docker login")

    def test_a_slow_registry_holds_up_those_alone_who_wait_for_it(self):
        template = {"id": "slow", "name": "slow", "image": f"{self.slow.name}/some/box:1", "languages": ["shell"]}
        self.client.must(201, "POST", f"{API}/templates", template)
        self.slow.open.clear()
        self.addCleanup(self.slow.open.set)
        waiting = [self.client.create("slow", wait=0, resources={"memory": "256Mi"}) for _ in range(30)]
        for session_id in waiting:
            self.addCleanup(self.client.delete, session_id)
        begin = time.monotonic()
        other, _ = self.session("quick", "scp-test/box")
        self.assertEqual(other["status"], "running", other)
        self.assertLess(time.monotonic() - begin, 10)
        self.assertEqual({self.client.session(one)["status"] for one in waiting}, {"creating"})
        self.slow.open.set()
        for one in waiting:
            leftovers.until(lambda one=one: self.client.session(one)["status"] != "creating", 60, "they have it")
        self.assertEqual({self.client.session(one)["status"] for one in waiting}, {"running"})

    def test_a_registry_that_is_busy_is_asked_again(self):
        self.busy.busy = 3  # the engine asks twice by itself
        session, _ = self.session("busy", f"{self.busy.name}/some/box:1")
        self.assertEqual(session["status"], "running", session)
        self.assertEqual(self.busy.busy, 0)
        self.assertGreaterEqual(self.tries(session), 1)


if __name__ == "__main__":
    unittest.main()
