"""What operators see of a daemon that works: metrics, logs without secrets, limits that answer."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import case
from plane import API, ROOT

SECRETS = ("s3cr3t-code", "s3cr3t-event", "s3cr3t-env", "s3cr3t-stdin", "s3cr3t-upload", "s3cr3t-error", "s3cr3t-path")
CODE = """# s3cr3t-code
import os, sys
def handler(event):
    sys.stderr.write(event["k"])
    print(os.environ["TOKEN_A"])
    raise ValueError("s3cr3t-error " + event["k"])
"""


def samples(text):
    """name{labels} → value."""
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if not line.startswith("#")}


class Operators(case.PlaneCase):
    options = ("--log-format", "json", "--log-level", "debug")

    def metrics(self):
        answer = self.client.must(200, "GET", "/metrics")
        self.assertTrue(answer.headers["Content-Type"].startswith("text/plain; version=0.0.4"))
        return answer.body.decode()

    def log(self):
        with open(self.daemon.log, encoding="utf-8") as f:
            return f.read()

    def lines(self):
        return [json.loads(line) for line in self.log().splitlines()]

    def test_what_was_done_is_counted(self):
        before = samples(self.metrics())
        session = self.session()
        self.client.run(session, "def handler(e): return 1")
        self.client.run(session, "import sys; sys.exit(3)")
        live = samples(self.metrics())
        self.assertGreaterEqual(live['sandboxcp_sessions_active{status="running"}'], 1)
        self.assertGreaterEqual(live['sandboxcp_containers{status="running"}'], 1)
        self.client.delete(session)
        after = samples(self.metrics())

        def grew(name):
            return after[name] - before.get(name, 0)
        self.assertEqual(grew("sandboxcp_sessions_created_total"), 1)
        self.assertEqual(grew('sandboxcp_sessions_ended_total{result="terminated"}'), 1)
        self.assertEqual(grew('sandboxcp_executions_total{language="python",result="success"}'), 1)
        self.assertEqual(grew('sandboxcp_executions_total{language="python",result="failed"}'), 1)
        self.assertEqual(grew("sandboxcp_execution_submit_seconds_count"), 2)
        self.assertEqual(grew("sandboxcp_execution_queue_seconds_count"), 2)
        self.assertEqual(grew('sandboxcp_execution_run_seconds_count{language="python"}'), 2)
        self.assertEqual(grew('sandboxcp_session_ready_seconds_count{tier="cold"}'), 1)
        self.assertEqual(grew('sandboxcp_container_starts_total{result="ok"}'), 1)
        self.assertGreaterEqual(grew('sandboxcp_backend_request_seconds_count{backend="database",operation="write"}'), 5)
        self.assertEqual(grew('sandboxcp_backend_request_seconds_count{backend="runtime",operation="run"}'), 1)
        self.assertGreater(after["process_resident_memory_bytes"], 1 << 20)

    def promtool(self):
        """The machine's own, else out of Debian's package, which isn't installed: that would start a server."""
        found = shutil.which("promtool")
        if found:
            return found
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        got = subprocess.run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", "prometheus"], cwd=folder, capture_output=True,
                             text=True, timeout=300, check=False)
        packages = [name for name in os.listdir(folder) if name.endswith(".deb")]
        if got.returncode or not packages:
            self.skipTest(f"promtool can't be had from Debian's package prometheus: {got.stderr.strip()[-200:]}")
        subprocess.run(["dpkg-deb", "-x", packages[0], "x"], cwd=folder, check=True)
        return os.path.join(folder, "x", "usr", "bin", "promtool")

    def test_promtool_accepts_the_metrics(self):
        promtool = self.promtool()
        self.client.run(self.session(), "print(1)")
        check = subprocess.run([promtool, "check", "metrics"], input=self.metrics(), capture_output=True, text=True, timeout=60)
        self.assertEqual((check.returncode, check.stdout + check.stderr), (0, ""))

    def test_the_dashboard_names_only_what_is_served(self):
        served = set(re.findall(r"^# TYPE (\S+)", self.metrics(), re.M))
        with open(os.path.join(ROOT, "examples", "grafana", "sandboxcp.json"), encoding="utf-8") as f:
            board = json.load(f)
        expressions = [t["expr"] for panel in board["panels"] for t in panel.get("targets", [])]
        self.assertGreater(len(expressions), 10)
        for expression in expressions:
            names = re.findall(r"\b(?:sandboxcp|process)_[a-z_]+", expression)
            self.assertTrue(names, expression)
            for name in names:
                self.assertIn(re.sub(r"_(bucket|sum|count)$", "", name), served, expression)

    def test_no_log_line_holds_what_is_the_users(self):
        session = self.session(env_vars={"TOKEN_A": "s3cr3t-env"})
        headers = {"Content-Type": "application/octet-stream"}
        self.client.must(200, "POST", f"{API}/sessions/{session}/files/upload?path=s3cr3t-path.txt", b"s3cr3t-upload", headers)
        result = self.client.run(session, CODE, event={"k": "s3cr3t-event"}, stdin="s3cr3t-stdin")
        self.assertIn("s3cr3t-error", result["stderr"] + (result["error"] or ""))
        self.client.ask("POST", f"{API}/sessions/{session}/execute", {"code": "s3cr3t-code", "language": "s3cr3t-event"})
        self.client.ask("POST", f"{API}/sessions", {"template_id": "python-basic", "env_vars": {"s3cr3t-env!": "s3cr3t-env"}})
        self.client.ask("GET", f"{API}/sessions?s3cr3t-code=1", headers={"Authorization": "Bearer s3cr3t-env"})
        self.client.delete(session)
        log = self.log()
        self.assertIn(session, log)
        for secret in SECRETS:
            self.assertNotIn(secret, log)

    def test_each_act_has_its_audit_line(self):
        request = {"X-Request-ID": "req-audit-1"}
        session = self.client.must(201, "POST", f"{API}/sessions?wait=60", {"template_id": "python-basic"}, request).json["session_id"]
        headers = {"Content-Type": "application/octet-stream", "X-Request-ID": "req-audit-2"}
        self.client.must(200, "POST", f"{API}/sessions/{session}/files/upload?path=a", b"x", headers)
        body = {"code": "print(1)", "language": "python"}
        execution = self.client.must(200, "POST", f"{API}/sessions/{session}/execute?wait=60", body, {"X-Request-ID": "req-audit-3"}).json
        self.client.must(200, "DELETE", f"{API}/sessions/{session}", headers={"X-Request-ID": "req-audit-4"})
        self.client.ask("DELETE", f"{API}/sessions/sess_0000000000000000", headers={"X-Request-ID": "req-audit-5"})
        audit = {line["request_id"]: line for line in self.lines() if line["component"] == "audit" and "req-audit" in line.get("request_id", "")}
        self.assertEqual({k: (v["message"], v["result"]) for k, v in audit.items()}, {
            "req-audit-1": ("session.create", "ok"), "req-audit-2": ("file.upload", "ok"),
            "req-audit-3": ("execution.submit", "ok"), "req-audit-4": ("session.terminate", "ok"),
            "req-audit-5": ("session.terminate", "SessionNotFound")})
        for i in range(1, 5):
            self.assertEqual(audit[f"req-audit-{i}"]["session_id"], session)
        self.assertEqual(audit["req-audit-3"]["execution_id"], execution["execution_id"])

    def test_later_lines_name_the_request_that_began_it(self):
        made = self.client.must(201, "POST", f"{API}/sessions?wait=60", {"template_id": "python-basic"}, {"X-Request-ID": "req-made"}).json
        session = made["session_id"]
        self.addCleanup(self.client.delete, session)
        body = {"code": "print(1)", "language": "python"}
        run = {"X-Request-ID": "req-run"}
        execution = self.client.must(200, "POST", f"{API}/sessions/{session}/execute?wait=60", body, run).json["execution_id"]
        self.client.delete(session)
        core = [line for line in self.lines() if line["component"] == "core"]
        said = [line["message"] for line in core if line.get("request_id") == "req-made" and line["session_id"] == session]
        for part in ("session created", "session running", "session terminated"):
            self.assertTrue(any(message.startswith(part) for message in said), (part, said))
        said = [line["message"] for line in core if line.get("execution_id") == execution]
        self.assertTrue(all(line["request_id"] == "req-run" for line in core if line.get("execution_id") == execution))
        self.assertTrue(any(message.startswith("execution completed") for message in said), said)

    def test_health_tells_limits_and_backends(self):
        health = self.client.must(200, "GET", f"{API}/health").json
        self.assertEqual(health["status"], "healthy")
        self.assertEqual(set(health["checks"]), {"database", "storage", "runtime"})
        self.assertEqual(set(health["limits"]), {"memory", "cpu", "processes", "disk", "network"})
        self.assertLessEqual(set(health["limits"].values()), {"enforced", "delayed", "not enforced"})


class Bounds(case.PlaneCase):
    options = ("--max-sessions", "1", "--max-pending-per-session", "2", "--max-running-per-session", "1", "--max-executions", "3")

    def test_too_many_sessions_are_503_with_a_time(self):
        self.session()
        answer = self.client.ask("POST", f"{API}/sessions", {"template_id": "python-basic"})
        self.assertEqual((answer.status, answer.json["error_code"]), (503, "Sandbox.NoCapacity"))
        self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)

    def test_too_many_executions_are_429_with_a_time(self):
        session = self.session()
        body = {"code": "import time; time.sleep(60)", "language": "python"}
        answers = [self.client.ask("POST", f"{API}/sessions/{session}/execute", body) for _ in range(6)]
        refused = [a for a in answers if a.status != 200]
        self.assertGreaterEqual(len(refused), 3)
        for answer in refused:
            self.assertEqual((answer.status, answer.json["error_code"]), (429, "Sandbox.TooManyRequests"))
            self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)


if __name__ == "__main__":
    unittest.main()
