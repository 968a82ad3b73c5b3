"""Clients that do different things at the same time, to the same things: what a thread sanitizer is fed with."""
import os
import shutil
import signal
import socket
import tempfile
import threading
import time
import unittest
import uuid

import case
import leftovers
import plane
from plane import API

TOKEN = "a-token-of-this-suite"
SECONDS = 6  # that everybody goes on
LISTS = ("/sessions", "/containers", "/nodes", "/templates", "/templates/shell-basic", "/health", "/health/ready")


class AtOnce(case.PlaneCase):
    @classmethod
    def setUpClass(cls):
        cls.own = tempfile.mkdtemp(dir=os.environ.get("SCP_TEST_SCRATCH"))
        cls.addClassCleanup(shutil.rmtree, cls.own)
        tokens = os.path.join(cls.own, "tokens")
        with open(tokens, "w", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)) as f:
            f.write(f"tests:{TOKEN}\n")
        cls.options = ("--api-token-file", tokens, "--log-file", os.path.join(cls.own, "log"), "--log-level", "debug", "--workers", "8",
                       "--max-pending-per-session", "256")
        super().setUpClass()
        cls.client.headers["Authorization"] = f"Bearer {TOKEN}"

    def answer(self, wanted, method, path, body=None, headers=None):
        """One of the answers that are right there, whoever else does what."""
        answer = self.client.ask(method, API + path, body, headers)
        self.assertIn(answer.status, wanted, f"{method} {path}: {answer}")
        return answer

    def runs(self, name):
        value = uuid.uuid4().hex
        self.assertEqual(self.client.run(self.shared, f"echo {value}", "shell")["stdout"], f"{value}\n", name)

    def watches_and_cancels(self, name):
        e = self.client.submit(self.shared, f"echo {name}; sleep 30", "shell", timeout=60)
        self.client.events(e, limit=1)
        self.answer({200}, "POST", f"/executions/{e}/cancel")
        self.assertEqual(self.client.result(e)["status"], "cancelled")

    def leaves_in_the_middle(self, name):
        e = self.client.submit(self.shared, f"echo {name}; sleep 0.2", "shell")
        for path in (f"/executions/{e}/events", f"/executions/{e}/result?wait=30"):
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(self.daemon.socket)
                s.sendall(f"GET {API}{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode())
                if "events" in path:
                    s.recv(1)
        self.assertEqual(self.client.result(e)["exit_code"], 0)

    def keeps_files(self, name):
        data, path = os.urandom(70000), f"{name}/file"
        self.client.upload(self.shared, path, data)
        self.assertEqual(self.client.download(self.shared, path), data)
        self.answer({200}, "GET", f"/sessions/{self.shared}/files?recursive=true")
        self.answer({204}, "DELETE", f"/sessions/{self.shared}/files/{path}")

    def asks_twice_with_one_key(self, name):
        key, ids = {"Idempotency-Key": uuid.uuid4().hex}, []
        body = {"code": "echo once", "language": "shell"}
        self.together(2, lambda: ids.append(
            self.answer({200}, "POST", f"/sessions/{self.shared}/execute", body, key).json["execution_id"]))
        self.assertEqual(len(ids), 2)
        self.assertEqual(ids[0], ids[1], name)

    def ends_what_others_use(self, name):
        s = self.client.create("shell-basic", wait=0)
        over = {404, 409}
        uses = [
            lambda: self.answer({200} | over, "POST", f"/sessions/{s}/execute?wait=20", {"code": f"echo {name}", "language": "shell"}),
            lambda: self.answer({200} | over, "POST", f"/sessions/{s}/files/upload?path=f", b"x" * 5000, {"Content-Type": "application/octet-stream"}),
            lambda: self.answer({200} | over, "POST", f"/sessions/{s}/keepalive"),
            lambda: self.answer({200}, "DELETE", f"/sessions/{s}"),
            lambda: self.answer({200}, "DELETE", f"/sessions/{s}"),
        ]
        self.together(len(uses), lambda: uses.pop()())
        self.assertIn(self.client.session(s)["status"], ("terminated", "terminating"))

    def changes_templates(self, name):
        image = self.answer({200}, "GET", "/templates/shell-basic").json["image"]
        key = uuid.uuid4().hex
        spec = {"id": f"t-{key}", "name": f"{name} {key}", "image": image, "languages": ["shell"], "warm_pool": {"min": 1, "max": 1}}
        made = self.answer({201}, "POST", "/templates", spec).json["id"]
        s = self.client.create(made)
        self.answer({200}, "PUT", f"/templates/{made}", {**spec, "warm_pool": {"max": 0}})
        self.client.delete(s)
        self.answer({204}, "DELETE", f"/templates/{made}")

    def reads_all(self, _):
        for path in LISTS + (f"/sessions/{self.shared}/executions",):
            self.answer({200}, "GET", path)
        for container in self.answer({200}, "GET", "/containers?status=running").json["containers"]:
            self.answer({200, 404}, "GET", f"/containers/{container['container_id']}")
            self.answer({200, 404}, "GET", f"/containers/{container['container_id']}/logs?tail=10")
        self.client.must(200, "GET", "/metrics")

    def reloads(self, _):
        os.replace(os.path.join(self.own, "log"), os.path.join(self.own, "log.1"))
        self.daemon.process.send_signal(signal.SIGHUP)
        leftovers.until(lambda: os.path.exists(os.path.join(self.own, "log")), 30, "the log is opened again")

    @staticmethod
    def together(count, fn):
        threads = [threading.Thread(target=fn) for _ in range(count)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()

    def test_everybody_gets_what_is_right_whatever_the_others_do(self):
        type(self).shared = self.client.create("shell-basic")
        end, problems, rounds = time.monotonic() + SECONDS, [], {}

        def goes_on(work, name):
            while not problems and time.monotonic() < end:
                try:
                    work(name)
                    rounds[name] = rounds.get(name, 0) + 1
                except Exception as error:  # of a thread: told by the test's own
                    problems.append(f"{name}: {type(error).__name__}: {error}")

        works = [self.runs, self.watches_and_cancels, self.leaves_in_the_middle, self.keeps_files, self.asks_twice_with_one_key,
                 self.ends_what_others_use, self.changes_templates, self.reads_all, self.runs, self.keeps_files, self.reloads]
        clients = [(w, f"{w.__name__}-{i}") for i, w in enumerate(works)]
        self.together(len(clients), lambda: goes_on(*clients.pop()))
        self.assertEqual(problems, [])
        self.assertEqual(len(rounds), len(works), rounds)


if __name__ == "__main__":
    unittest.main()
