"""Every bad input of the REST contract's tables: its 4xx, the field's name in the detail, and nothing created."""
import json
import unittest
import urllib.parse

import case
from plane import API

INVALID = (400, "Sandbox.InvalidParameter")
NO_SESSION = "sess_0000000000000000"
NO_EXECUTION = "exec_20260101_00000000"

# field that the detail must name, what to change in a good body
SESSIONS = [
    ("template_id", {"template_id": None}), ("template_id", {"template_id": 7}), ("template_id", {"template_id": ""}),
    ("timeout", {"timeout": 59}), ("timeout", {"timeout": 3601}), ("timeout", {"timeout": -1}), ("timeout", {"timeout": 60.5}),
    ("timeout", {"timeout": "60"}), ("timeout", {"timeout": True}), ("timeout", {"timeout": 1e300}),
    ("resources", {"resources": 1}), ("resources", {"resources": []}), ("gpu", {"resources": {"gpu": 1}}),
    ("cpu", {"resources": {"cpu": "0.4"}}), ("cpu", {"resources": {"cpu": "4.1"}}), ("cpu", {"resources": {"cpu": 1}}),
    ("cpu", {"resources": {"cpu": "x"}}), ("cpu", {"resources": {"cpu": ""}}), ("cpu", {"resources": {"cpu": "-1"}}),
    ("cpu", {"resources": {"cpu": "1e1"}}), ("cpu", {"resources": {"cpu": "nan"}}), ("cpu", {"resources": {"cpu": " 1"}}),
    ("memory", {"resources": {"memory": "255Mi"}}), ("memory", {"resources": {"memory": "9Gi"}}),
    ("memory", {"resources": {"memory": "512"}}), ("memory", {"resources": {"memory": "512MB"}}),
    ("memory", {"resources": {"memory": "-1Gi"}}), ("memory", {"resources": {"memory": "99999999999999999999Gi"}}),
    ("memory", {"resources": {"memory": 536870912}}), ("disk", {"resources": {"disk": "1023Mi"}}),
    ("disk", {"resources": {"disk": "51Gi"}}), ("disk", {"resources": {"disk": "big"}}),
    ("max_processes", {"resources": {"max_processes": 31}}), ("max_processes", {"resources": {"max_processes": 1025}}),
    ("max_processes", {"resources": {"max_processes": "64"}}), ("max_processes", {"resources": {"max_processes": 64.5}}),
    ("env_vars", {"env_vars": []}), ("env_vars", {"env_vars": {"A": 1}}), ("env_vars", {"env_vars": {"A": None}}),
    ("env_vars", {"env_vars": {"1A": "x"}}), ("env_vars", {"env_vars": {"A-B": "x"}}), ("env_vars", {"env_vars": {"": "x"}}),
    ("env_vars", {"env_vars": {"A=B": "x"}}), ("env_vars", {"env_vars": {f"N{i}": "" for i in range(65)}}),
    ("env_vars", {"env_vars": {"A": "x" * 10240}}), ("mode", {"mode": "forever"}), ("mode", {"mode": 1}),
    ("network_enabled", {"network_enabled": "yes"}), ("network_enabled", {"network_enabled": 1}),
    ("agent_id", {"agent_id": 5}), ("agent_id", {"agent_id": "x" * 129}), ("surprise", {"surprise": 1}),
    ("Template_id", {"Template_id": "x"}),
]
EXECUTIONS = [
    ("code", {"code": None}), ("code", {"code": ""}), ("code", {"code": 1}), ("code", {"code": "x" * 102401}), ("code", {"code": "é" * 51201}),
    ("language", {"language": None}), ("language", {"language": "ruby"}), ("language", {"language": ""}),
    ("language", {"language": "Python"}), ("language", {"language": 1}),
    ("timeout", {"timeout": 0}), ("timeout", {"timeout": 3601}), ("timeout", {"timeout": 1.5}), ("timeout", {"timeout": "30"}),
    ("event", {"event": "x" * (1 << 20)}), ("env_vars", {"env_vars": {"A B": "x"}}), ("env_vars", {"env_vars": "A=B"}),
    ("stdin", {"stdin": 1}), ("stdin", {"stdin": "x" * ((1 << 20) + 1)}), ("stdin", {"stdin": ["x"]}),
    ("max_retries", {"max_retries": -1}), ("max_retries", {"max_retries": 4}), ("max_retries", {"max_retries": "3"}),
    ("max_retries", {"max_retries": 1.5}), ("surprise", {"surprise": None}),
]
BODIES = [
    b"", b"{", b"[]", b"null", b"7", b'"x"', b'{"template_id": "shell-basic"} x', b'{"template_id": "shell-basic",}',
    b'{"template_id": "shell-basic", "template_id": "python-basic"}', b'{"template_id": "shell\xff"}',
    b'{"template_id": "shell-basic\\u0000"}', b'{"template_id": "\\ud800"}', b"\xef\xbb\xbf{}",
    b'{"template_id": "shell-basic", "timeout": NaN}', b'{"template_id": "shell-basic", "timeout": 0x60}',
    b'{"template_id": "shell-basic", "env_vars": ' + b"[" * 100000 + b"]" * 100000 + b"}",
]
PATHS = ["", "/etc/passwd", "../x", "a/../b", "a/./b", "./a", "a//b", "a/", "..", ".", "a\nb", "a\x01b", "x" * 256, "a/" * 512 + "b", "a\x7fb"]
QUERIES = [("limit", "0"), ("limit", "201"), ("limit", "-1"), ("limit", "x"), ("limit", ""), ("limit", "1.5"), ("offset", "-1"), ("offset", "x"),
           ("status", "sleeping")]


class BadInput(case.PlaneCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.one = cls.client.create("shell-basic")

    def counts(self):
        return (self.client.must(200, "GET", f"{API}/sessions").json["total"],
                self.client.must(200, "GET", f"{API}/sessions/{self.one}/executions").json["total"])

    def setUp(self):
        self.before = self.counts()

    def tearDown(self):
        self.assertEqual(self.counts(), self.before, "something was created")

    def refused(self, answer, status, code, word=None):
        self.assertEqual(answer.status, status, answer)
        error = answer.json
        self.assertEqual(set(error), {"error_code", "description", "error_detail", "solution", "request_id"})
        self.assertEqual(error["error_code"], code)
        self.assertEqual(error["request_id"], answer.headers["X-Request-ID"])
        self.assertTrue(error["description"] and error["solution"], error)
        if word:
            self.assertIn(word, error["error_detail"])

    def post(self, path, body, **headers):
        return self.client.ask("POST", f"{API}{path}", body, headers)

    def test_session_fields(self):
        for field, change in SESSIONS:
            with self.subTest(change=json.dumps(change)[:80]):
                body = {"template_id": "shell-basic", **change}
                self.refused(self.post("/sessions", {k: v for k, v in body.items() if not (v is None and k == "template_id")}), *INVALID, field)

    def test_execution_fields(self):
        for field, change in EXECUTIONS:
            with self.subTest(change=json.dumps(change)[:80]):
                body = {"code": "true", "language": "shell", **change}
                body = {k: v for k, v in body.items() if not (v is None and k in ("code", "language"))}
                self.refused(self.post(f"/sessions/{self.one}/execute", body), *INVALID, field)

    def test_bodies_that_are_no_object(self):
        for body in BODIES:
            with self.subTest(body=body[:60]):
                for path in ("/sessions", f"/sessions/{self.one}/execute"):
                    self.refused(self.client.ask("POST", API + path, body, {"Content-Type": "application/json"}), *INVALID)

    def test_a_body_of_another_type_is_415(self):
        for kind in ("text/plain", "application/x-www-form-urlencoded", "application/xml"):
            self.refused(self.client.ask("POST", f"{API}/sessions", b"{}", {"Content-Type": kind}), 415, "Sandbox.UnsupportedMediaType")

    def test_a_body_too_large_is_413(self):
        big = b'{"template_id": "' + b"x" * (20 << 20) + b'"}'
        try:
            answer = self.client.ask("POST", f"{API}/sessions", big, {"Content-Type": "application/json"})
        except (BrokenPipeError, ConnectionResetError):
            return  # answered and closed before all was sent: the answer may be lost with it
        self.refused(answer, 413, "Sandbox.PayloadTooLarge")

    def test_unknown_template_is_404(self):
        self.refused(self.post("/sessions", {"template_id": "no-such"}), 404, "Sandbox.TemplateNotFound", "no-such")

    def test_unknown_sessions_and_executions_are_404(self):
        for method, path, code in [
            ("GET", f"/sessions/{NO_SESSION}", "SessionNotFound"), ("DELETE", f"/sessions/{NO_SESSION}", "SessionNotFound"),
            ("POST", f"/sessions/{NO_SESSION}/keepalive", "SessionNotFound"), ("POST", f"/sessions/{NO_SESSION}/execute", "SessionNotFound"),
            ("GET", f"/sessions/{NO_SESSION}/executions", "SessionNotFound"), ("GET", f"/sessions/{NO_SESSION}/files", "SessionNotFound"),
            ("GET", f"/sessions/{NO_SESSION}/files/x", "SessionNotFound"), ("DELETE", f"/sessions/{NO_SESSION}/files/x", "SessionNotFound"),
            ("GET", f"/executions/{NO_EXECUTION}", "ExecutionNotFound"), ("GET", f"/executions/{NO_EXECUTION}/status", "ExecutionNotFound"),
            ("GET", f"/executions/{NO_EXECUTION}/result", "ExecutionNotFound"), ("GET", f"/executions/{NO_EXECUTION}/events", "ExecutionNotFound"),
            ("POST", f"/executions/{NO_EXECUTION}/cancel", "ExecutionNotFound"), ("GET", "/sessions/nonsense", "SessionNotFound"),
            ("GET", "/sessions/sess_ABC", "SessionNotFound"), ("GET", "/executions/x", "ExecutionNotFound"),
            ("GET", f"/sessions/{self.one}/files/no-such", "FileNotFound"), ("DELETE", f"/sessions/{self.one}/files/no-such", "FileNotFound"),
        ]:
            with self.subTest(path=f"{method} {path}"):
                body = {"keepalive": {}, "execute": {"code": "1", "language": "shell"}}.get(path.rsplit("/", 1)[-1]) if method == "POST" else None
                self.refused(self.client.ask(method, API + path, body), 404, f"Sandbox.{code}")

    def test_unknown_routes_are_404_and_methods_405(self):
        for path in ("/nope", f"{API}", f"{API}/nope", f"{API}/sessions/{self.one}/nope", f"{API}/Sessions"):
            with self.subTest(path=path):
                self.refused(self.client.ask("GET", path), 404, "Sandbox.NotFound")
        for method, path in (("PUT", "/sessions"), ("DELETE", "/sessions"), ("PATCH", f"/sessions/{self.one}"), ("GET", f"/sessions/{self.one}/execute"),
                             ("POST", "/health/live")):
            with self.subTest(path=f"{method} {path}"):
                answer = self.client.ask(method, API + path)
                self.refused(answer, 405, "Sandbox.MethodNotAllowed")
                self.assertTrue(answer.headers["Allow"])

    def test_list_queries(self):
        for path in ("/sessions", f"/sessions/{self.one}/executions", f"/sessions/{self.one}/files"):
            for name, value in QUERIES:
                if name == "status" and path.endswith("/files"):
                    continue
                with self.subTest(path=path, query=f"{name}={value}"):
                    self.refused(self.client.ask("GET", f"{API}{path}?{name}={value}"), *INVALID, name)

    def test_waits(self):
        for path, top in (("/sessions", 60), (f"/sessions/{self.one}/execute", 300)):
            for value in ("-1", "x", str(top + 1), "1.5", ""):
                with self.subTest(path=path, wait=value):
                    body = {"template_id": "shell-basic"} if path == "/sessions" else {"code": "1", "language": "shell"}
                    self.refused(self.post(f"{path}?wait={value}", body), *INVALID, "wait")

    def test_keepalive(self):
        for value in (59, 3601, -1, "60", 60.5, None):
            if value is None:
                continue
            with self.subTest(extend_s=value):
                self.refused(self.post(f"/sessions/{self.one}/keepalive", {"extend_s": value}), *INVALID, "extend_s")
        self.refused(self.post(f"/sessions/{self.one}/keepalive", {"extend": 60}), *INVALID, "extend")

    def test_upload_paths(self):
        for path in PATHS:
            with self.subTest(path=path[:40]):
                query = urllib.parse.quote(path, safe="")
                answer = self.client.ask("POST", f"{API}/sessions/{self.one}/files/upload?path={query}", b"x", {"Content-Type": "application/octet-stream"})
                self.refused(answer, *INVALID, "path")
        raw = self.client.ask("POST", f"{API}/sessions/{self.one}/files/upload?path=%ff%fe", b"x", {"Content-Type": "application/octet-stream"})
        self.refused(raw, *INVALID, "path")
        self.refused(self.client.ask("POST", f"{API}/sessions/{self.one}/files/upload", b"x", {"Content-Type": "application/octet-stream"}), *INVALID, "path")
        self.assertEqual(self.client.must(200, "GET", f"{API}/sessions/{self.one}/files").json["files"], [])

    def test_download_paths(self):
        for path in ("..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd", "a%2f%2fb", "%2fetc%2fpasswd", "a%0ab"):
            with self.subTest(path=path):
                answer = self.client.ask("GET", f"{API}/sessions/{self.one}/files/{path}")
                self.assertIn(answer.status, (400, 404), answer)
                self.assertNotIn(b"root:", answer.body)
        self.assertEqual(self.client.ask("GET", f"{API}/sessions/{self.one}/files/a%00b").status, 400)

    def test_uploads_over_100_mib_are_413(self):
        chunk = bytes(1 << 20)
        sent = 0

        def flow():
            nonlocal sent
            for _ in range(101):
                sent += 1
                yield chunk

        try:
            answer = self.client.ask("POST", f"{API}/sessions/{self.one}/files/upload?path=big", flow(), {"Content-Type": "application/octet-stream"})
            self.refused(answer, 413, "Sandbox.PayloadTooLarge")
        except (BrokenPipeError, ConnectionResetError):
            pass  # answered and closed before all was sent
        self.assertEqual(self.client.must(200, "GET", f"{API}/sessions/{self.one}/files").json["files"], [])

    def test_bad_idempotency_keys(self):
        for key in ("x" * 256, "é", "a\tb"):
            with self.subTest(key=key[:20]):
                answer = self.client.ask("POST", f"{API}/sessions", {"template_id": "shell-basic"}, {"Idempotency-Key": key.encode().decode("latin-1")})
                self.assertEqual(answer.status, 400, answer)

    def test_a_result_that_is_not_there_yet_is_409(self):
        s = self.client.create("shell-basic")
        e = self.client.submit(s, "sleep 30", "shell", timeout=60)
        answer = self.client.ask("GET", f"{API}/executions/{e}/result")
        self.refused(answer, 409, "Sandbox.StateConflict")
        self.assertRegex(answer.json["error_detail"], "pending|running")
        self.client.delete(s)
        self.before = self.counts()

    def test_a_language_that_the_template_lacks_is_400(self):
        self.refused(self.post(f"/sessions/{self.one}/execute", {"code": "1", "language": "javascript"}), *INVALID, "language")

    def test_request_ids_are_kept_if_sane(self):
        self.assertEqual(self.client.ask("GET", f"{API}/health/live", headers={"X-Request-ID": "my-id.1"}).headers["X-Request-ID"], "my-id.1")
        for bad in ("x" * 65, "a b", "<script>"):
            got = self.client.ask("GET", f"{API}/health/live", headers={"X-Request-ID": bad}).headers["X-Request-ID"]
            self.assertTrue(got)
            self.assertNotEqual(got, bad)


if __name__ == "__main__":
    unittest.main()
