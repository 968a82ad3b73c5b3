"""Every row of the REST contract about templates, containers, nodes, health, metrics, tokens and executors' reports that no other suite has."""
import os
import re
import shutil
import tempfile
import time
import unittest

import case
import leftovers
import plane
from plane import API

TEMPLATE = {"id", "name", "description", "image", "base_image", "languages", "pre_installed_packages", "default_resources", "default_timeout", "default_env_vars",
            "security_context", "warm_pool", "deprecated", "created_at", "updated_at"}
CONTAINER = {"container_id", "pod_name", "runtime_type", "status", "session_id", "template_id", "node_name", "image", "resources", "usage", "created_at",
             "uptime_seconds", "exit_code", "exit_reason"}
NODE = {"node_id", "runtime_type", "url", "advertise_url", "status", "capacity", "allocated", "cached_images", "last_heartbeat_at"}
ERROR = {"error_code", "description", "error_detail", "solution", "request_id"}

# field that the detail must name, what is in the body beside id, name and image
BAD_TEMPLATES = [
    ("id", {"id": "Upper"}), ("id", {"id": "-a"}), ("id", {"id": "a_b"}), ("id", {"id": "x" * 65}), ("id", {"id": ""}), ("id", {"id": 1}), ("id", {"id": None}),
    ("name", {"name": ""}), ("name", {"name": "n" * 129}), ("name", {"name": None}), ("name", {"name": "a\nb"}), ("description", {"description": "d" * 1025}),
    ("image", {"image": None}), ("image", {"image": ""}), ("image", {"image": "UPPER/x"}), ("image", {"image": "dir:relative"}), ("image", {"image": "dir:/a/../b"}),
    ("image", {"image": "host:x"}), ("image", {"image": "a b"}), ("image", {"image": "r/n@sha256:abc"}), ("image", {"image": "http://x/y"}),
    ("languages", {"languages": ["ruby"]}), ("languages", {"languages": []}), ("languages", {"languages": ["python", "python"]}), ("languages", {"languages": "python"}),
    ("pre_installed_packages", {"pre_installed_packages": ["p"] * 201}), ("pre_installed_packages", {"pre_installed_packages": [1]}),
    ("cpu", {"default_resources": {"cpu": "5"}}), ("memory", {"default_resources": {"memory": "1Mi"}}), ("disk", {"default_resources": {"disk": "51Gi"}}),
    ("max_processes", {"default_resources": {"max_processes": 1}}), ("default_timeout", {"default_timeout": 59}), ("default_timeout", {"default_timeout": 3601}),
    ("default_env_vars", {"default_env_vars": {"1": "x"}}), ("run_as_user", {"security_context": {"run_as_user": 0}}), ("run_as_user", {"security_context": {"run_as_user": -1}}),
    ("max_processes", {"security_context": {"max_processes": 0}}), ("seccomp", {"security_context": {"seccomp": "none"}}), ("network_enabled", {"security_context": {"network_enabled": 1}}),
    ("privileged", {"security_context": {"privileged": True}}), ("max", {"warm_pool": {"min": 2, "max": 1}}), ("min", {"warm_pool": {"min": -1}}),
    ("deprecated", {"deprecated": "yes"}), ("created_at", {"created_at": "2026-01-31T12:00:00.000Z"}), ("surprise", {"surprise": 1}),
]


class Operator(case.PlaneCase):
    def refused(self, answer, status, code, prefix="Sandbox"):
        self.assertEqual((answer.status, answer.json["error_code"]), (status, f"{prefix}.{code}"), answer)
        self.assertEqual(set(answer.json), ERROR)
        self.assertTrue(answer.headers["Content-Type"].startswith("application/json"))
        return answer

    def create(self, template, **fields):
        answer = self.client.must(201, "POST", f"{API}/templates", {"name": f"Name of {template}", "image": plane.image(), **fields, "id": template}).json
        self.addCleanup(self.client.ask, "DELETE", f"{API}/templates/{template}")
        return answer

    def put(self, name, body, status=200):
        return self.client.must(status, "PUT", f"{API}/templates/{name}", body)


class Templates(Operator):
    def test_one_has_every_field_and_its_defaults(self):
        made = self.create("plain")
        self.assertEqual(set(made), TEMPLATE)
        self.assertEqual({k: made[k] for k in TEMPLATE - {"created_at", "updated_at"}}, {
            "id": "plain", "name": "Name of plain", "description": None, "image": plane.image(), "base_image": None, "languages": ["python", "javascript", "shell"],
            "pre_installed_packages": [], "default_resources": {"cpu": "1", "memory": "512Mi", "disk": "1Gi", "max_processes": 128}, "default_timeout": 300,
            "default_env_vars": {}, "security_context": {"network_enabled": False, "read_only_root": True, "run_as_user": 1000, "max_processes": 1024, "seccomp": "default"},
            "warm_pool": {"min": 0, "max": 0, "max_idle_s": 0}, "deprecated": False})
        self.assertEqual(self.client.must(200, "GET", f"{API}/templates/plain").json, made)

    def test_put_replaces_and_what_is_left_out_is_its_default_again(self):
        plain = self.create("full")
        full = {"name": "Full", "image": plane.image(), "description": "d", "languages": ["shell"], "default_resources": {"cpu": "2", "max_processes": 64}, "default_timeout": 60,
                "default_env_vars": {"A": "b"}, "security_context": {"max_processes": 100}, "warm_pool": {"min": 0, "max": 2, "max_idle_s": 60}, "base_image": "debian:12"}
        changed = self.put("full", full).json
        for name, value in full.items():
            if isinstance(value, dict):
                self.assertLessEqual(value.items(), changed[name].items(), name)
            else:
                self.assertEqual(changed[name], value, name)
        self.assertEqual(changed["created_at"], plain["created_at"])
        self.assertGreaterEqual(changed["updated_at"], plain["updated_at"])
        again = self.put("full", {"name": "Name of full", "image": plane.image()}).json
        self.assertEqual({k: v for k, v in again.items() if k != "updated_at"}, {k: v for k, v in plain.items() if k != "updated_at"})
        self.refused(self.client.ask("PUT", f"{API}/templates/nowhere", {"name": "x", "image": plane.image()}), 404, "TemplateNotFound")
        self.refused(self.client.ask("PUT", f"{API}/templates/full", {"name": "Python", "image": plane.image()}), 409, "Conflict")

    def test_the_edges_of_every_range_are_taken(self):
        for n, fields in enumerate((
                {"name": "n" * 128}, {"name": "ü" * 128}, {"description": "d" * 1024}, {"pre_installed_packages": [f"p{i}" for i in range(200)]}, {"default_timeout": 60},
                {"default_timeout": 3600}, {"languages": ["shell"]}, {"image": "registry.example.org:5000/a/b:tag@sha256:" + "0" * 64}, {"image": "dir:/srv/root"},
                {"default_resources": {"cpu": "0.5", "memory": "256Mi", "disk": "1Gi", "max_processes": 32}}, {"default_resources": {"cpu": "4", "memory": "8Gi", "disk": "50Gi", "max_processes": 1024}},
                {"id": "x" * 64}, {"id": "0-"})):
            with self.subTest(fields=str(fields)[:60]):
                name = fields.get("id", f"edge{n}")
                made = self.create(name, **{"name": f"edge {n}", **fields})
                self.assertLessEqual({k: v for k, v in fields.items() if k != "default_resources"}.items(), made.items())
                self.assertLessEqual(fields.get("default_resources", {}).items(), made["default_resources"].items())

    def test_each_bad_field_is_400_by_name_and_nothing_is_made(self):
        before = self.client.must(200, "GET", f"{API}/templates").json["total"]
        for field, change in BAD_TEMPLATES:
            with self.subTest(change=str(change)[:80]):
                body = {k: v for k, v in {"id": "bad", "name": "bad", "image": plane.image(), **change}.items() if not (v is None and k in ("id", "name", "image"))}
                self.assertIn(field, self.refused(self.client.ask("POST", f"{API}/templates", body), 400, "InvalidParameter").json["error_detail"])
                if "id" not in change:
                    del body["id"]
                    self.refused(self.client.ask("PUT", f"{API}/templates/python-basic", body), 400, "InvalidParameter")
        self.assertEqual(self.client.must(200, "GET", f"{API}/templates").json["total"], before)

    def test_an_id_or_a_name_twice_is_409(self):
        self.create("once")
        self.refused(self.client.ask("POST", f"{API}/templates", {"id": "once", "name": "other", "image": plane.image()}), 409, "Conflict")
        self.refused(self.client.ask("POST", f"{API}/templates", {"id": "other", "name": "Name of once", "image": plane.image()}), 409, "Conflict")

    def test_one_in_use_is_not_deleted_and_afterwards_it_is(self):
        self.create("used")
        session = self.client.create("used")
        answer = self.refused(self.client.ask("DELETE", f"{API}/templates/used"), 409, "TemplateInUse")
        self.assertIn("deprecate", answer.json["solution"].lower() + answer.json["error_detail"].lower())
        self.client.delete(session)
        self.assertEqual(self.client.must(204, "DELETE", f"{API}/templates/used").body, b"")
        for method, body in (("GET", None), ("DELETE", None), ("PUT", {"name": "x", "image": plane.image()})):
            self.refused(self.client.ask(method, f"{API}/templates/used", body), 404, "TemplateNotFound")
        self.refused(self.client.ask("POST", f"{API}/sessions", {"template_id": "used"}), 404, "TemplateNotFound")
        self.assertEqual(self.client.session(session)["template_id"], "used")
        self.assertNotIn("used", [t["id"] for t in self.client.must(200, "GET", f"{API}/templates?limit=200").json["templates"]])
        self.assertEqual(self.create("used")["name"], "Name of used")

    def test_a_change_is_for_new_sessions_only(self):
        self.create("changing", default_resources={"max_processes": 64}, default_env_vars={"A": "old"})
        old = self.session("changing")
        self.put("changing", {"name": "changing", "image": plane.image(), "default_resources": {"max_processes": 65}, "default_env_vars": {"A": "new"}, "languages": ["shell"]})
        new = self.session("changing")
        self.assertEqual([self.client.session(s)["resources"]["max_processes"] for s in (old, new)], [64, 65])
        self.assertEqual([self.client.run(s, "echo $A", "shell")["stdout"] for s in (old, new)], ["old\n", "new\n"])
        self.assertEqual(self.client.run(old, "print(1)")["stdout"], "1\n")
        self.refused(self.client.ask("POST", f"{API}/sessions/{new}/execute", {"code": "print(1)", "language": "python"}), 400, "InvalidParameter")

    def test_a_deprecated_one_takes_no_new_session(self):
        self.create("old")
        session = self.session("old")
        self.put("old", {"name": "old", "image": plane.image(), "deprecated": True})
        self.refused(self.client.ask("POST", f"{API}/sessions", {"template_id": "old"}), 409, "StateConflict")
        self.assertEqual(self.client.run(session, "echo on", "shell")["stdout"], "on\n")

    def test_what_this_machine_can_not_do_is_501(self):
        if plane.runtime() != "oci":
            self.skipTest("packages are looked for with the image host: alone, which is oci's")
        self.create("lacking", pre_installed_packages=["no-such-package-anywhere"])
        self.refused(self.client.ask("POST", f"{API}/sessions", {"template_id": "lacking"}), 501, "NotSupported")

    def test_a_seed_that_was_changed_stays_so(self):
        self.put("nodejs-basic", {"name": "Ours", "image": plane.image(), "languages": ["javascript"]})
        self.daemon.stop()
        self.daemon.start()
        self.assertEqual(self.client.must(200, "GET", f"{API}/templates/nodejs-basic").json["name"], "Ours")


class Containers(Operator):
    def test_a_container_tells_what_it_is_and_uses_and_how_it_ended(self):
        session = self.client.create("shell-basic")
        running = self.client.session(session)["container_id"]
        one = self.client.must(200, "GET", f"{API}/containers/{running}").json
        self.assertEqual((set(one), one["status"], one["session_id"], one["template_id"], one["runtime_type"]), (CONTAINER, "running", session, "shell-basic", plane.runtime()))
        self.assertEqual(set(one["usage"]), {"cpu_percent", "memory_bytes", "processes"})
        self.assertGreater(one["usage"]["memory_bytes"], 0)
        self.assertGreater(one["uptime_seconds"], 0)
        self.assertEqual((one["exit_code"], one["exit_reason"]), (None, None))
        self.client.delete(session)
        gone = leftovers.until(lambda: (lambda c: c["status"] == "removed" and c)(self.client.must(200, "GET", f"{API}/containers/{running}").json), 30, "it is removed")
        self.assertIn(gone["exit_reason"], ("normal", "sigterm", "sigkill"))
        self.assertIsNone(gone["usage"])

    def test_lists_are_filtered(self):
        session = self.session("shell-basic")
        for query, there in ((f"session_id={session}", True), (f"session_id={session}&status=running", True), (f"session_id={session}&runtime_type={plane.runtime()}", True),
                             (f"session_id={session}&status=removed", False), ("runtime_type=kubernetes", False), ("session_id=sess_0000000000000000", False)):
            page = self.client.must(200, "GET", f"{API}/containers?{query}").json
            self.assertEqual([c["session_id"] for c in page["containers"]], [session] * there, query)
            self.assertLessEqual({"containers", "total"}, set(page))
        self.refused(self.client.ask("GET", f"{API}/containers?status=sleeping"), 400, "InvalidParameter")

    def test_logs_are_text_with_a_tail_and_a_since(self):
        session = self.session("shell-basic")
        self.client.run(session, "for i in 1 2 3; do echo line$i; done; echo wrong >&2", "shell")
        url = f"{API}/containers/{self.client.session(session)['container_id']}/logs"
        log = self.client.must(200, "GET", url)
        self.assertTrue(log.headers["Content-Type"].startswith("text/plain"))
        lines = log.body.decode().splitlines()
        for line in lines:
            self.assertRegex(line, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \S+ ")
        said = [line.split(" ", 1)[1] for line in lines]
        self.assertTrue(any(s.startswith("executor ") for s in said), said)
        self.assertEqual([s.split(" ", 2)[2] for s in said if " stdout " in s], ["line1", "line2", "line3"])
        self.assertEqual([s.split(" ", 2)[2] for s in said if " stderr " in s], ["wrong"])
        self.assertEqual(self.client.must(200, "GET", f"{url}?tail=2").body.decode().splitlines(), lines[-2:])
        self.assertEqual(self.client.must(200, "GET", f"{url}?since=2999-01-01T00:00:00Z").body, b"")
        self.assertEqual(self.client.must(200, "GET", f"{url}?since=2001-01-01T00:00:00Z").body, log.body)
        for query in ("tail=0", "tail=x", "tail=10001", "since=yesterday", "since="):
            self.refused(self.client.ask("GET", f"{url}?{query}"), 400, "InvalidParameter")
        for path in ("containers/scp-00000000000000000000", "containers/x", "containers/x/logs"):
            self.refused(self.client.ask("GET", f"{API}/{path}"), 404, "ContainerNotFound")


class Nodes(Operator):
    def node(self):
        return self.client.must(200, "GET", f"{API}/nodes").json["nodes"][0]

    def test_a_node_tells_what_it_has_and_gives(self):
        before = leftovers.until(lambda: (lambda n: n["allocated"]["containers"] == 0 and n)(self.node()), 30, "earlier containers are gone")
        self.assertEqual((set(before), before["runtime_type"], before["status"]), (NODE, plane.runtime(), "ready"))
        session = self.session("shell-basic")
        during = self.node()
        self.assertEqual(set(during["allocated"]), {"cpu", "memory", "containers"})
        self.assertEqual(set(during["capacity"]), {"cpu", "memory", "containers"})
        self.assertEqual(during["allocated"], {"cpu": "1", "memory": "512Mi", "containers": 1})
        self.assertIn(plane.image(), during["cached_images"])
        self.assertEqual(self.client.session(session)["runtime_node"], during["node_id"])

    def test_a_draining_node_takes_no_new_session_and_keeps_the_others(self):
        node = self.node()["node_id"]
        session = self.session("shell-basic")
        self.addCleanup(self.client.ask, "POST", f"{API}/nodes/{node}/undrain")
        for _ in range(2):
            answer = self.client.must(200, "POST", f"{API}/nodes/{node}/drain").json
            self.assertEqual((set(answer), answer["status"]), (NODE, "draining"))
        refused = self.refused(self.client.ask("POST", f"{API}/sessions", {"template_id": "shell-basic"}), 503, "NoCapacity")
        self.assertGreaterEqual(int(refused.headers["Retry-After"]), 1)
        self.assertEqual(self.client.run(session, "echo on", "shell")["stdout"], "on\n")
        self.assertEqual(self.client.must(200, "POST", f"{API}/nodes/{node}/undrain", {}).json["status"], "ready")
        self.session("shell-basic")
        for what in ("drain", "undrain"):
            self.refused(self.client.ask("POST", f"{API}/nodes/nowhere/{what}"), 404, "NotFound")
            self.refused(self.client.ask("POST", f"{API}/nodes/{node}/{what}", {"force": True}), 400, "InvalidParameter")


class Health(Operator):
    def test_health_tells_all_of_it(self):
        health = self.client.must(200, "GET", f"{API}/health").json
        self.assertLessEqual({"status", "version", "uptime_seconds", "checks", "limits"}, set(health))
        self.assertEqual({name: set(check) for name, check in health["checks"].items()}, {n: {"status", "latency_ms", "detail"} for n in ("database", "storage", "runtime")})
        self.assertEqual(self.client.must(200, "GET", f"{API}/health/live").json, {"status": "alive"})
        self.assertEqual(self.client.must(200, "GET", f"{API}/health/ready").json, {"status": "ready"})

    def test_pages_and_document_are_served(self):
        home = self.client.must(200, "GET", "/")
        self.assertTrue(home.headers["Content-Type"].startswith("text/html"))
        self.assertIn(b'href="docs"', home.body)
        page = self.client.must(200, "GET", "/docs")
        for asset in re.findall(rb'(?:src|href)="(docs/[^"]+)"', page.body):
            self.client.must(200, "GET", "/" + asset.decode())
        self.assertNotRegex(page.body, rb"https?://")
        document = self.client.must(200, "GET", "/openapi.json")
        self.assertTrue(document.json["openapi"].startswith("3.1"))
        self.assertEqual(self.client.ask("GET", "/openapi.json", headers={"If-None-Match": document.headers["ETag"]}).status, 304)

    def test_the_metrics_that_are_promised_are_there(self):
        session = self.session("shell-basic")
        self.client.run(session, "true", "shell")
        text = self.client.must(200, "GET", "/metrics").body.decode()
        for line in (r"sandboxcp_sessions_created_total \d", r'sandboxcp_sessions_active\{status="running"\} 1', r'sandboxcp_session_ready_seconds_count\{tier="cold"\} [1-9]',
                     r"sandboxcp_execution_submit_seconds_count [1-9]", r'sandboxcp_executions_total\{language="shell",result="success"\} 1',
                     r'sandboxcp_http_request_seconds_bucket\{route="/api/v1/sessions",method="POST",status="201",le="[^"]+"\} \d', r"sandboxcp_execution_queue_seconds_count [1-9]",
                     r"sandboxcp_execution_run_seconds_count\S* [1-9]", r"sandboxcp_sessions_ended_total", r"sandboxcp_execution_retries_total", r"sandboxcp_container_deaths_total",
                     r"(# TYPE )?sandboxcp_backend_errors_total", r"sandboxcp_backend_request_seconds", r"sandboxcp_build_info\{", r"process_resident_memory_bytes "):
            self.assertRegex(text, f"(?m)^{line}")
        self.assertNotIn(session, text)


class Tokens(Operator):
    """Two callers by token; executors' routes on a listener of their own."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="t", dir=os.environ.get("SCP_TEST_SCRATCH"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        tokens, cls.inside = os.path.join(cls.folder, "tokens"), os.path.join(cls.folder, "inside")
        with open(tokens, "w", encoding="ascii") as f:
            f.write("alice:token-of-alice\nbob:token-of-bob\n")
        os.chmod(tokens, 0o600)
        cls.options = ("--api-token-file", tokens, "--internal-listen", f"unix:{cls.inside}")
        super().setUpClass()
        cls.client.headers = {"Authorization": "Bearer token-of-alice"}
        with open(os.path.join(cls.daemon.state, "internal-token"), encoding="ascii") as f:
            cls.internal = f.read().strip()
        cls.reports = plane.Client(cls.inside)
        cls.reports.headers = {"Authorization": f"Bearer {cls.internal}"}

    def bearer(self, method, path, token, client=None, body=None):
        return (client or self.client).ask(method, path, body, {"Authorization": f"Bearer {token}" if token else ""})

    def test_only_the_public_routes_want_none(self):
        for path in ("/", "/docs", "/openapi.json", f"{API}/health/live", f"{API}/health/ready"):
            self.assertEqual(self.bearer("GET", path, None).status, 200, path)
        for method, path in (("GET", f"{API}/sessions"), ("POST", f"{API}/sessions"), ("GET", f"{API}/sessions/x"), ("DELETE", f"{API}/sessions/x"), ("POST", f"{API}/sessions/x/execute"),
                             ("GET", f"{API}/executions/x/events"), ("POST", f"{API}/sessions/x/files/upload"), ("GET", f"{API}/sessions/x/files/y"), ("GET", f"{API}/templates"),
                             ("PUT", f"{API}/templates/x"), ("GET", f"{API}/containers"), ("GET", f"{API}/nodes"), ("POST", f"{API}/nodes/x/drain"), ("GET", f"{API}/health"), ("GET", "/metrics")):
            for token in (None, "wrong", "token-of-alic", "token-of-alicex", self.internal):
                with self.subTest(path=f"{method} {path}", token=token):
                    answer = self.refused(self.bearer(method, path, token), 401, "Unauthorized")
                    self.assertTrue(answer.headers["WWW-Authenticate"].startswith("Bearer"))

    def test_the_apis_tokens_open_nothing_inside(self):
        for path in ("executions/exec_20260101_00000000/heartbeat", "executions/exec_20260101_00000000/result", "sessions/sess_0000000000000000/container_ready"):
            for token in (None, "token-of-alice", "wrong"):
                answer = self.bearer("POST", f"/internal/{path}", token, self.reports, {})
                self.refused(answer, 401, "Unauthorized", "Internal")
                self.assertTrue(answer.headers["WWW-Authenticate"].startswith("Bearer"))
            self.assertEqual(self.bearer("POST", f"/internal/{path}", "token-of-alice", body={}).status, 404)

    def test_keys_are_apart_for_each_caller(self):
        made = []
        for token in ("token-of-alice", "token-of-bob", "token-of-alice"):
            answer = self.client.ask("POST", f"{API}/sessions", {"template_id": "shell-basic"}, {"Authorization": f"Bearer {token}", "Idempotency-Key": "same"})
            self.assertEqual(answer.status, 201, answer)
            made.append(answer.json["session_id"])
        self.addCleanup(self.client.delete, made[0])
        self.addCleanup(self.client.delete, made[1])
        self.assertEqual(made[0], made[2])
        self.assertNotEqual(made[0], made[1])

    # ---- executors' reports, by the internal token ----

    def report(self, path, body=None, status=200):
        return self.reports.must(status, "POST", f"/internal/{path}", body).json

    def running(self):
        session = self.session("shell-basic")
        execution = self.client.submit(session, "sleep 300", "shell", timeout=600)
        leftovers.until(lambda: self.client.execution(execution)["status"] == "running", 30, "it runs")
        return session, execution

    def test_reports_may_be_repeated_and_artifacts_are_merged(self):
        session, execution = self.running()
        shape = {"execution_id", "session_id", "status", "retry_count", "created_at", "started_at", "completed_at", "last_heartbeat_at"}
        for _ in range(2):
            self.assertEqual(set(self.report(f"executions/{execution}/status", {"status": "running", "started_at": "2026-01-31T12:00:00Z"})), shape)
            before = self.client.must(200, "GET", f"{API}/executions/{execution}/status").json["last_heartbeat_at"]
            time.sleep(0.005)
            beat = self.report(f"executions/{execution}/heartbeat", {"timestamp": "2026-01-31T12:00:00Z", "progress": {"any": [1]}})
            self.assertGreater(beat["last_heartbeat_at"], before)
            self.assertEqual(self.report(f"sessions/{session}/container_ready", {"executor_port": 80, "ready_at": "2026-01-31T12:00:00Z"})["status"], "running")
        self.report(f"executions/{execution}/artifacts", {"artifacts": [{"path": "a", "size": 1}, {"path": "b", "size": 2}]})
        self.report(f"executions/{execution}/artifacts", {"artifacts": [{"path": "b", "size": 3}]})
        for body in ({}, {"status": "AAA"}, {"status": "running"}, {"status": None}):
            self.refused(self.reports.ask("POST", f"/internal/executions/{execution}/result", body), 400, "InvalidParameter", "Internal")
        result = self.report(f"executions/{execution}/result", {"status": "success", "return_value": {"n": 1}, "stdout": "o", "artifacts": [{"path": "c", "size": 4}]}, 201)
        self.assertEqual({a["path"]: a["size"] for a in result["artifacts"]}, {"a": 1, "b": 3, "c": 4})
        self.assertEqual(self.report(f"executions/{execution}/result", {"status": "failed"}), result)
        self.assertEqual(self.client.result(execution), result)
        for what, body in (("status", {"status": "running"}), ("heartbeat", {}), ("artifacts", {"artifacts": []})):
            self.refused(self.reports.ask("POST", f"/internal/executions/{execution}/{what}", body), 409, "StateConflict", "Internal")

    def test_an_earlier_attempts_result_is_409(self):
        session, execution = self.running()
        self.report(f"sessions/{session}/container_exited", {"exit_code": 137, "exit_reason": "sigkill"})
        leftovers.until(lambda: self.client.execution(execution)["retry_count"] == 1 and self.client.execution(execution)["status"] == "running", 60, "it runs again")
        self.refused(self.reports.ask("POST", f"/internal/executions/{execution}/result", {"status": "success", "attempt": 0}), 409, "StateConflict", "Internal")
        self.assertEqual(self.report(f"executions/{execution}/result", {"status": "success", "attempt": 1}, 201)["status"], "success")

    def test_after_a_sessions_end_its_containers_reports_are_409(self):
        session = self.client.create("shell-basic")
        self.client.delete(session)
        for what in ("container_ready", "container_exited"):
            self.refused(self.reports.ask("POST", f"/internal/sessions/{session}/{what}", {}), 409, "StateConflict", "Internal")

    def test_what_is_not_there_is_404(self):
        for path, body in (("executions/exec_20260101_00000000/heartbeat", {}), ("executions/exec_20260101_00000000/result", {"status": "success"}), ("executions/x/heartbeat", {})):
            self.refused(self.reports.ask("POST", f"/internal/{path}", body), 404, "InvalidExecution", "Internal")
        for path in ("sessions/sess_0000000000000000/container_ready", "sessions/x/container_exited"):
            self.assertEqual(self.reports.ask("POST", f"/internal/{path}", {}).status, 404)


if __name__ == "__main__":
    unittest.main()
