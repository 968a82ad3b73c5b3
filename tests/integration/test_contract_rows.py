"""Every row of the REST contract that no other suite has: lists, keys, sessions, executions and files, as a client sees them."""
import datetime
import json
import threading
import time
import unittest
import urllib.parse

import case
import leftovers
import plane
from plane import API

MIB = 1 << 20
SESSION = {"session_id", "template_id", "status", "mode", "runtime_type", "runtime_node", "container_id", "pod_name", "workspace_path", "resources",
           "env_vars", "timeout", "agent_id", "network_enabled", "error", "created_at", "started_at", "updated_at", "last_activity_at", "expires_at", "terminated_at"}
EXECUTION = {"execution_id", "session_id", "status", "code", "language", "timeout", "event", "env_vars", "retry_count", "max_retries", "created_at",
             "started_at", "completed_at", "last_heartbeat_at", "result"}
RESULT = {"execution_id", "status", "stdout", "stderr", "stdout_bytes", "stderr_bytes", "stdout_truncated", "stderr_truncated", "exit_code", "signal",
          "execution_time", "return_value", "metrics", "artifacts", "error", "sync"}
STATUS = {"execution_id", "session_id", "status", "retry_count", "created_at", "started_at", "completed_at", "last_heartbeat_at"}
PAGE = {"total", "limit", "offset", "next"}
RAW = {"Content-Type": "application/octet-stream"}


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def shell(code="true", **fields):
    return {"code": code, "language": "shell", **fields}


class Rows(case.PlaneCase):
    def refused(self, answer, status, code):
        self.assertEqual((answer.status, answer.json["error_code"]), (status, f"Sandbox.{code}"), answer)
        self.assertEqual(set(answer.json), {"error_code", "description", "error_detail", "solution", "request_id"})

    def walk(self, path, key):
        """Every item of a list, one a page, by `next`."""
        found, offset, total = [], "0", None
        while offset is not None:
            page = self.client.must(200, "GET", f"{API}{path}{'&' if '?' in path else '?'}limit=1&offset={offset}").json
            self.assertEqual(set(page), PAGE | {key})
            self.assertEqual((page["limit"], page["offset"], len(page[key])), (1, int(offset), 1))
            total = page["total"] if total is None else total
            self.assertEqual(page["total"], total)
            found += page[key]
            offset = page["next"]
        self.assertEqual(len(found), total)
        return found


class Lists(Rows):
    def test_lists_answer_newest_first_page_by_page(self):
        sessions = [self.session("shell-basic") for _ in range(3)]
        executions = [self.client.run(sessions[0], "true", "shell")["execution_id"] for _ in range(3)]
        for path, key, name, made in (
                ("/sessions?status=running", "sessions", "session_id", sessions), (f"/sessions/{sessions[0]}/executions", "executions", "execution_id", executions),
                ("/containers?status=running", "containers", "session_id", sessions)):
            with self.subTest(path=path):
                items = self.walk(path, key)
                self.assertEqual([i[name] for i in items if i[name] in made], made[::-1])
                self.assertEqual([i["created_at"] for i in items], sorted((i["created_at"] for i in items), reverse=True))
        for path, key in (("/templates", "templates"), ("/nodes", "nodes")):
            with self.subTest(path=path):
                self.assertTrue(self.walk(path, key))

    def test_a_page_is_50_unless_it_is_said_and_200_at_most(self):
        session = self.session("shell-basic")
        for path in ("/sessions", f"/sessions/{session}/executions", f"/sessions/{session}/files", "/templates", "/containers", "/nodes"):
            with self.subTest(path=path):
                page = self.client.must(200, "GET", f"{API}{path}").json
                self.assertEqual((page["limit"], page["offset"]), (50, 0))
                self.assertEqual(self.client.must(200, "GET", f"{API}{path}?limit=200").json["limit"], 200)
                behind = self.client.must(200, "GET", f"{API}{path}?offset=100000").json
                self.assertEqual((behind["offset"], behind["next"], behind["total"]), (100000, None, page["total"]))
                for query in ("limit=0", "limit=201", "limit=+5", "offset=-1", "unknown=1", "limit=1&limit=2"):
                    self.refused(self.client.ask("GET", f"{API}{path}?{query}"), 400, "InvalidParameter")

    def test_filters_leave_out_what_they_should(self):
        mine = self.session("shell-basic", agent_id="me")
        other = self.session("python-basic", agent_id="you")
        for query, there, absent in (("agent_id=me", mine, other), ("template_id=python-basic", other, mine), ("status=running", mine, None),
                                     ("status=running&agent_id=you&template_id=python-basic", other, mine), ("status=failed", None, mine)):
            with self.subTest(query=query):
                ids = [s["session_id"] for s in self.client.must(200, "GET", f"{API}/sessions?{query}").json["sessions"]]
                self.assertTrue(there is None or there in ids)
                self.assertNotIn(absent, ids)
        done = self.client.run(mine, "true", "shell")["execution_id"]
        for status, there in (("completed", [done]), ("failed", []), ("pending", []), ("cancelled", [])):
            page = self.client.must(200, "GET", f"{API}/sessions/{mine}/executions?status={status}").json
            self.assertEqual([e["execution_id"] for e in page["executions"]], there, status)

    def test_every_answer_carries_the_request_id(self):
        session = self.session("shell-basic")
        self.client.upload(session, "f", b"x")
        execution = self.client.run(session, "true", "shell")["execution_id"]
        for method, path, body in (
                ("GET", "/", None), ("GET", "/docs", None), ("GET", "/openapi.json", None), ("GET", "/metrics", None), ("GET", "/nope", None),
                ("GET", f"{API}/health", None), ("GET", f"{API}/health/live", None), ("GET", f"{API}/health/ready", None), ("PATCH", f"{API}/sessions", None),
                ("GET", f"{API}/sessions/{session}", None), ("GET", f"{API}/executions/{execution}/events", None), ("GET", f"{API}/sessions/{session}/files/f", None),
                ("HEAD", f"{API}/sessions/{session}/files/f", None), ("DELETE", f"{API}/sessions/{session}/files/f", None), ("POST", f"{API}/sessions", {"x": 1}),
                ("GET", f"{API}/sessions/%ff", None), ("POST", f"{API}/sessions/{session}/files/upload?path=g", b"x"), ("GET", f"{API}/containers/x/logs", None)):
            with self.subTest(path=f"{method} {path}"):
                answer = self.client.ask(method, path, body, {"X-Request-ID": "mine.1", **(RAW if body == b"x" else {})})
                self.assertEqual(answer.headers["X-Request-ID"], "mine.1", answer)
        self.assertRegex(self.client.ask("GET", f"{API}/health/live").headers["X-Request-ID"], "^req_")


class Keys(Rows):
    """Idempotency-Key."""

    def post(self, path, body, key):
        return self.client.ask("POST", f"{API}{path}", body, {"Idempotency-Key": key})

    def template(self, name):
        self.addCleanup(self.client.ask, "DELETE", f"{API}/templates/{name}")
        return {"id": name, "name": name, "image": plane.image()}

    def test_the_same_again_as_it_is_now(self):
        session = self.post("/sessions", {"template_id": "shell-basic"}, "now")
        self.addCleanup(self.client.delete, session.json["session_id"])
        self.assertEqual((session.status, session.json["status"]), (201, "creating"))
        leftovers.until(lambda: self.client.session(session.json["session_id"])["status"] == "running", 30, "running")
        again = self.post("/sessions", {"template_id": "shell-basic"}, "now")
        self.assertEqual((again.status, again.json["session_id"], again.json["status"]), (201, session.json["session_id"], "running"))
        self.refused(self.post("/sessions", {"template_id": "shell-basic", "timeout": 60}, "now"), 409, "Conflict")

    def test_a_template_too(self):
        body = self.template("keyed")
        first = self.post("/templates", body, "t")
        self.assertEqual(first.status, 201, first)
        again = self.post("/templates", body, "t")
        self.assertEqual((again.status, again.json), (201, first.json))
        self.refused(self.post("/templates", {**body, "description": "other"}, "t"), 409, "Conflict")
        self.refused(self.post("/templates", body, "another"), 409, "Conflict")

    def test_keys_are_apart_for_each_route_and_lead_to_no_other_session(self):
        session = self.post("/sessions", {"template_id": "shell-basic"}, "one")
        self.assertEqual(session.status, 201)
        session = session.json["session_id"]
        self.addCleanup(self.client.delete, session)
        self.assertEqual(self.post("/templates", self.template("apart"), "one").status, 201)
        run = self.post(f"/sessions/{session}/execute?wait=30", shell("echo ran >>ran; cat ran"), "one")
        self.assertEqual((run.status, run.json["stdout"]), (200, "ran\n"))
        again = self.post(f"/sessions/{session}/execute?wait=30", shell("echo ran >>ran; cat ran"), "one")
        self.assertEqual((again.json["execution_id"], again.json["stdout"]), (run.json["execution_id"], "ran\n"))
        self.refused(self.post(f"/sessions/{self.session('shell-basic')}/execute", shell("echo ran >>ran; cat ran"), "one"), 409, "Conflict")

    def test_twins_make_one(self):
        session = self.session("shell-basic")
        for path, body, name in (("/sessions", {"template_id": "shell-basic"}, "session_id"), (f"/sessions/{session}/execute", shell("echo once >>once"), "execution_id"),
                                 ("/templates", self.template("twin"), "id")):
            with self.subTest(path=path):
                answers = []
                threads = [threading.Thread(target=lambda p=path, b=body: answers.append(self.post(p, b, "twin"))) for _ in range(10)]
                for t in threads:
                    t.start()
                for t in threads:
                    t.join()
                self.assertEqual({a.status for a in answers}, {200 if "execute" in path else 201}, answers)
                self.assertEqual(len({a.json[name] for a in answers}), 1)
                if path == "/sessions":
                    self.addCleanup(self.client.delete, answers[0].json["session_id"])
        leftovers.until(lambda: self.client.run(session, "cat once", "shell")["stdout"] == "once\n", 20, "it ran once")

    def test_255_characters_of_printable_ascii_are_a_key(self):
        session = self.session("shell-basic")
        for key in ("!", "~" * 255):
            self.assertEqual(self.post(f"/sessions/{session}/execute", shell(), key).status, 200)


class Sessions(Rows):
    def made(self, **fields):
        session = self.client.must(201, "POST", f"{API}/sessions", {"template_id": "shell-basic", **fields}).json
        self.addCleanup(self.client.delete, session["session_id"])
        return session

    def test_it_is_there_at_once_and_has_every_field(self):
        session = self.made()
        self.assertEqual(set(session), SESSION)
        self.assertEqual((session["status"], session["mode"], session["network_enabled"], session["timeout"]), ("creating", "persistent", False, None))
        self.assertEqual((session["error"], session["started_at"], session["terminated_at"], session["agent_id"], session["env_vars"]), (None, None, None, None, {}))
        self.assertEqual(session["resources"], {"cpu": "1", "memory": "512Mi", "disk": "1Gi", "max_processes": 128})
        self.assertRegex(session["session_id"], "^sess_[a-z0-9]{16}$")
        self.assertEqual(session["workspace_path"], "/workspace")
        running = leftovers.until(lambda: (lambda s: s["status"] == "running" and s)(self.client.session(session["session_id"])), 30, "running")
        self.assertEqual(set(running), SESSION)
        self.assertEqual(running["runtime_type"], plane.runtime())
        self.assertTrue(running["runtime_node"] and running["container_id"] and running["started_at"])

    def test_it_ends_by_its_timeout_or_the_greatest_age(self):
        for fields, life, timeout in (({}, 6 * 3600, None), ({"mode": "persistent", "timeout": 3600}, 3600, 3600), ({"mode": "ephemeral"}, 300, 300),
                                      ({"mode": "ephemeral", "timeout": 60}, 60, 60)):
            with self.subTest(fields=fields):
                session = self.made(**fields)
                self.assertEqual(session["timeout"], timeout)
                self.assertAlmostEqual(seconds(session["expires_at"]) - seconds(session["created_at"]), life, delta=0.01)

    def test_the_edges_of_every_range_are_taken(self):
        many = {f"N{i}": "" for i in range(64)}
        for fields in ({"timeout": 60}, {"timeout": 3600}, {"resources": {"cpu": "0.5"}}, {"resources": {"cpu": "4"}}, {"resources": {"memory": "256Mi"}},
                       {"resources": {"memory": "8Gi"}}, {"resources": {"disk": "1Gi"}}, {"resources": {"disk": "50Gi"}}, {"resources": {"max_processes": 32}},
                       {"resources": {"max_processes": 1024}}, {"env_vars": many}, {"env_vars": {"A": "x" * 10239}}, {"env_vars": {"_a1": "ü\n"}},
                       {"agent_id": "x" * 128}, {"mode": "ephemeral"}, {"network_enabled": False}):
            with self.subTest(fields=str(fields)[:60]):
                session = self.made(**fields)
                for name, value in fields.get("resources", {}).items():
                    self.assertEqual(session["resources"][name], value)
                self.client.delete(session["session_id"])

    def test_values_that_look_secret_come_back_masked(self):
        secret = ["API_KEY", "KEYRING", "my_token", "Secret1", "DB_PASSWORD", "passwords"]
        env = {**{name: "hidden-value" for name in secret}, "PATH_X": "/bin", "TOKE": "seen"}
        session = self.made(env_vars=env)
        execution = self.client.submit(session["session_id"], "echo $API_KEY$TOKE", "shell", env_vars={"RUN_TOKEN": "hidden-value", "B": "seen"})
        self.assertEqual(self.client.result(execution)["stdout"], "hidden-valueseen\n")
        for answer in (session, self.client.session(session["session_id"])):
            self.assertEqual({n for n, v in answer["env_vars"].items() if v == "***"}, set(secret))
            self.assertEqual((answer["env_vars"]["PATH_X"], answer["env_vars"]["TOKE"]), ("/bin", "seen"))
        self.assertEqual(self.client.execution(execution)["env_vars"], {"RUN_TOKEN": "***", "B": "seen"})
        for path in ("/sessions", f"/sessions/{session['session_id']}/executions"):
            self.assertNotIn(b"hidden-value", self.client.must(200, "GET", f"{API}{path}").body)

    def keep(self, session, body):
        answer = self.client.must(200, "POST", f"{API}/sessions/{session['session_id']}/keepalive", body).json
        self.assertEqual(set(answer), SESSION)
        return seconds(answer["expires_at"]) - seconds(answer["last_activity_at"])

    def test_keepalive_moves_the_end(self):
        session = self.made(timeout=120)
        self.assertAlmostEqual(self.keep(session, {}), 120, delta=0.01)
        self.assertAlmostEqual(self.keep(session, None), 120, delta=0.01)
        for extend in (60, 3600):
            self.assertAlmostEqual(self.keep(session, {"extend_s": extend}), extend, delta=0.01)
        unlimited = self.made()
        self.assertAlmostEqual(self.keep(unlimited, {}), 6 * 3600, delta=10)

    def test_only_use_counts_as_activity(self):
        session = self.client.create("shell-basic")
        self.addCleanup(self.client.delete, session)
        url = f"{API}/sessions/{session}"
        self.client.upload(session, "f", b"x")
        execution = self.client.run(session, "true", "shell")["execution_id"]

        def activity():
            return self.client.session(session)["last_activity_at"]

        for method, path, body in (("POST", f"{url}/keepalive", {}), ("POST", f"{url}/files/upload?path=g", b"x"), ("GET", f"{url}/files", None), ("GET", f"{url}/files/f", None),
                                   ("HEAD", f"{url}/files/f", None), ("DELETE", f"{url}/files/g", None), ("POST", f"{url}/execute?wait=30", shell())):
            with self.subTest(path=f"{method} {path}"):
                before = activity()
                time.sleep(0.005)
                self.assertLess(self.client.ask(method, path, body, RAW if isinstance(body, bytes) else None).status, 300)
                leftovers.until(lambda: activity() > before, 5, "it is stamped")
        time.sleep(0.1)
        before = activity()
        for path in (url, f"{url}/executions", f"{API}/sessions", f"{API}/executions/{execution}", f"{API}/executions/{execution}/status",
                     f"{API}/executions/{execution}/result", f"{API}/executions/{execution}/events", f"{API}/containers?session_id={session}"):
            self.client.must(200, "GET", path)
        self.assertEqual(activity(), before)

    def test_a_long_run_counts_at_its_end_too(self):
        session = self.session("shell-basic")
        execution = self.client.run(session, "sleep 1", "shell")["execution_id"]
        ended = seconds(self.client.execution(execution)["completed_at"])
        leftovers.until(lambda: seconds(self.client.session(session)["last_activity_at"]) >= ended - 0.1, 5, "its end is stamped")

    def test_delete_says_the_end_and_may_be_repeated(self):
        session = self.client.create("shell-basic")
        for _ in range(2):
            answer = self.client.must(200, "DELETE", f"{API}/sessions/{session}").json
            self.assertEqual((set(answer), answer["session_id"], answer["status"]), ({"message", "session_id", "status"}, session, "terminated"))
        self.refused(self.client.ask("POST", f"{API}/sessions/{session}/keepalive", {}), 409, "SessionNotRunning")
        self.refused(self.client.ask("POST", f"{API}/sessions/{session}/execute", shell()), 409, "SessionNotRunning")
        self.assertTrue(self.client.session(session)["terminated_at"])

    def test_an_ephemeral_session_that_completed_keeps_that(self):
        session = self.made(mode="ephemeral")["session_id"]
        self.client.run(session, "true", "shell")
        leftovers.until(lambda: self.client.session(session)["status"] == "completed", 20, "it completes")
        self.assertEqual(self.client.delete(session)["status"], "completed")
        self.refused(self.client.ask("POST", f"{API}/sessions/{session}/execute", shell()), 409, "SessionNotRunning")

    def test_a_wait_answers_when_it_left_creating(self):
        begun = time.monotonic()
        session = self.client.must(201, "POST", f"{API}/sessions?wait=60", {"template_id": "shell-basic"}).json
        self.addCleanup(self.client.delete, session["session_id"])
        self.assertEqual(session["status"], "running")
        self.assertLess(time.monotonic() - begun, 30)


class ShortLives(Rows):
    options = ("--session-idle", "3s", "--session-max-age", "8s")

    def test_a_session_with_a_live_execution_is_not_idle_and_ends_with_its_age(self):
        idle = self.client.create("shell-basic")
        busy = self.client.create("shell-basic")
        execution = self.client.submit(busy, "echo begun; sleep 60", "shell", timeout=120)
        leftovers.until(lambda: self.client.session(idle)["status"] == "timeout", 20, "the idle one ends")
        self.assertEqual(self.client.session(busy)["status"], "running")
        self.assertEqual(self.client.delete(idle)["status"], "timeout")
        kept = self.client.must(200, "POST", f"{API}/sessions/{busy}/keepalive", {"extend_s": 3600}).json
        self.assertAlmostEqual(seconds(kept["expires_at"]) - seconds(kept["created_at"]), 8, delta=0.01)
        result = self.client.result(execution, wait=60)
        self.assertEqual((result["status"], result["exit_code"], result["stdout"]), ("timeout", 124, "begun\n"))
        self.assertEqual(self.client.session(busy)["status"], "timeout")
        self.assertEqual(set(self.client.session(busy)["error"]), {"error_code", "description", "error_detail", "solution", "request_id"})


class Executions(Rows):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.one = cls.client.create("shell-basic")

    def execute(self, query="", **body):
        return self.client.must(200, "POST", f"{API}/sessions/{self.one}/execute{query}", shell(**body)).json

    def test_it_is_accepted_at_once_and_has_every_field(self):
        submitted = self.execute(code="sleep 0.2; echo x >made; exit 3", event={"a": 1}, timeout=3600, max_retries=0)
        self.assertEqual((set(submitted), submitted["status"]), ({"execution_id", "session_id", "status", "submitted_at"}, "submitted"))
        execution = submitted["execution_id"]
        early = self.client.execution(execution)
        self.assertEqual((set(early), early["result"]), (EXECUTION, None))
        self.refused(self.client.ask("GET", f"{API}/executions/{execution}/result"), 409, "StateConflict")
        result = self.client.result(execution)
        self.assertEqual(set(result), RESULT)
        self.assertEqual((result["status"], result["exit_code"], result["signal"]), ("failed", 3, None))
        self.assertEqual(set(result["metrics"]), {"duration_ms", "cpu_time_ms", "peak_memory_mb", "io_read_bytes", "io_write_bytes", "source"})
        self.assertEqual([set(a) for a in result["artifacts"]], [{"path", "size", "mime_type", "type", "sha256", "created_at"}])
        done = self.client.execution(execution)
        self.assertEqual((set(done), done["result"]), (EXECUTION, result))
        self.assertEqual((done["status"], done["event"], done["timeout"], done["max_retries"], done["retry_count"]), ("failed", {"a": 1}, 3600, 0, 0))
        status = self.client.must(200, "GET", f"{API}/executions/{execution}/status").json
        self.assertEqual(set(status), STATUS)
        self.assertEqual(status, {name: done[name] for name in STATUS})

    def test_what_is_left_out_has_its_default(self):
        execution = self.client.execution(self.execute("?wait=30")["execution_id"])
        self.assertEqual((execution["timeout"], execution["event"], execution["env_vars"], execution["max_retries"]), (30, {}, {}, 3))

    def test_the_edges_of_every_range_are_taken(self):
        for fields in ({"timeout": 1}, {"timeout": 3600}, {"max_retries": 0}, {"max_retries": 3}, {"event": None}, {"event": 0}, {"event": "x" * (MIB - 2)}, {"event": []},
                       {"stdin": ""}, {"stdin": "x" * MIB}, {"env_vars": {}}, {"code": ":" + " " * 102399}, {"code": "é" * 51200}):
            with self.subTest(fields=str(fields)[:60]):
                self.assertIn("exit_code", self.execute("?wait=60", **fields))

    def test_a_wait_that_ends_first_answers_as_none(self):
        submitted = self.execute("?wait=1", code="sleep 5")
        self.assertEqual((set(submitted), submitted["status"]), ({"execution_id", "session_id", "status", "submitted_at"}, "submitted"))
        answer = self.client.ask("GET", f"{API}/executions/{submitted['execution_id']}/result?wait=1")
        self.refused(answer, 409, "StateConflict")
        self.assertIn("running", answer.json["error_detail"])
        self.client.must(200, "POST", f"{API}/executions/{submitted['execution_id']}/cancel")

    def test_cancel_answers_the_execution_and_is_409_afterwards(self):
        execution = self.execute(code="sleep 60", timeout=120)["execution_id"]
        answer = self.client.must(200, "POST", f"{API}/executions/{execution}/cancel", {}).json
        self.assertEqual((set(answer), answer["execution_id"]), (EXECUTION, execution))
        self.assertEqual(self.client.result(execution)["status"], "cancelled")
        self.refused(self.client.ask("POST", f"{API}/executions/{execution}/cancel"), 409, "StateConflict")

    def test_events_are_a_stream_with_an_id_each(self):
        execution = self.execute(code="echo out; echo err >&2")["execution_id"]
        self.client.result(execution)
        answer = self.client.must(200, "GET", f"{API}/executions/{execution}/events")
        self.assertTrue(answer.headers["Content-Type"].startswith("text/event-stream"))
        self.assertIn("no-", answer.headers["Cache-Control"])
        events = self.client.events(execution)
        self.assertTrue(all(e[0] for e in events))
        self.assertEqual([name for _, name, _ in events][-1], "result")
        self.assertLessEqual({name for _, name, _ in events}, {"stdout", "stderr", "status", "result"})
        self.assertEqual(events[-1][2], self.client.result(execution))
        self.assertEqual(self.client.events(execution, after=events[-2][0]), events[-1:])
        for bad in ("x", "-1", "1.5"):
            self.refused(self.client.ask("GET", f"{API}/executions/{execution}/events", headers={"Last-Event-ID": bad}), 400, "InvalidParameter")

    def test_comments_keep_an_idle_stream_alive(self):
        execution = self.execute(code="sleep 60", timeout=90)["execution_id"]
        connection = self.client.connection(60)
        self.addCleanup(connection.close)
        connection.request("GET", f"{API}/executions/{execution}/events")
        response, begun = connection.getresponse(), time.monotonic()
        while not (line := response.readline()).startswith(b":"):
            self.assertTrue(line)
        self.assertLess(time.monotonic() - begun, 35)
        self.client.must(200, "POST", f"{API}/executions/{execution}/cancel")

    def test_64_wait_and_one_more_is_429(self):
        session = self.session("shell-basic")
        url = f"{API}/sessions/{session}/execute"
        for count in (8, 64):
            for _ in range(count):
                self.client.must(200, "POST", url, shell("sleep 100", timeout=200))
            leftovers.until(lambda: self.client.must(200, "GET", f"{API}/sessions/{session}/executions?status=running&limit=1").json["total"] == 8, 30, "8 run")
        self.assertEqual(self.client.must(200, "GET", f"{API}/sessions/{session}/executions?status=pending&limit=1").json["total"], 64)
        answer = self.client.ask("POST", url, shell())
        self.refused(answer, 429, "TooManyRequests")
        self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)


class Files(Rows):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.one = cls.client.create("shell-basic")

    def url(self, path):
        return self.client.file_url(self.one, path)

    def test_an_upload_says_what_was_stored_in_each_form(self):
        form = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
        wanted = {"path": "d/up", "size": 2, "sha256": "8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4"}
        file = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\nhi\r\n'
        upload = f"{API}/sessions/{self.one}/files/upload"
        multipart = {"Content-Type": "multipart/form-data; boundary=b"}
        for path, body, headers in ((f"{upload}?path=d%2Fup", b"hi", RAW), (upload, form % (b"path", b"d/up") + file + b"--b--\r\n", multipart),
                                    (upload, file + form % (b"path", b"d/up") + b"--b--\r\n", multipart), (f"{upload}?path=d%2Fup", file + b"--b--\r\n", multipart)):
            answer = self.client.must(200, "POST", path, body, headers)
            self.assertEqual(answer.json, wanted)
        for body, headers, status, code in ((b"hi", {"Content-Type": "text/plain"}, 415, "UnsupportedMediaType"), (form % (b"path", b"x") + b"--b--\r\n", multipart, 400, "InvalidParameter"),
                                            (b"--b\r\n", {"Content-Type": "multipart/form-data"}, 400, "InvalidParameter"), (b"hi", RAW, 400, "InvalidParameter")):
            self.refused(self.client.ask("POST", upload, body, headers), status, code)

    def test_lists_name_every_field(self):
        self.client.upload(self.one, "l/a.json", b"{}")
        page = self.client.must(200, "GET", f"{API}/sessions/{self.one}/files?path=l").json
        self.assertEqual(set(page), PAGE | {"files"})
        self.assertEqual([set(f) for f in page["files"]], [{"path", "size", "mime_type", "modified_at", "type"}])
        self.assertEqual((page["files"][0]["mime_type"], page["files"][0]["type"], page["files"][0]["size"]), ("application/json", "file", 2))
        for query in ("recursive=maybe", "recursive=", "path=..", "path=/l", "path=l//a"):
            self.refused(self.client.ask("GET", f"{API}/sessions/{self.one}/files?{query}"), 400, "InvalidParameter")
        for path in ("nowhere", "l/a.json"):
            self.assertEqual(self.client.must(200, "GET", f"{API}/sessions/{self.one}/files?path={path}").json["files"], [], path)

    def test_a_storage_that_can_not_presign_streams(self):
        self.client.upload(self.one, "big", bytes(11 * MIB))
        for query in ("", "?redirect=true", "?redirect=false"):
            answer = self.client.must(200, "GET", self.url("big") + query)
            self.assertEqual((len(answer.body), answer.headers["Content-Length"]), (11 * MIB, str(11 * MIB)))
        self.refused(self.client.ask("GET", self.url("big") + "?redirect=perhaps"), 400, "InvalidParameter")

    def test_tags_and_ranges_are_honoured(self):
        self.client.upload(self.one, "r", b"0123456789")
        tag = self.client.must(200, "GET", self.url("r")).headers["ETag"]
        for method, headers, status, body in (
                ("GET", {"If-None-Match": tag}, 304, b""), ("HEAD", {"If-None-Match": tag}, 304, b""), ("GET", {"If-None-Match": "*"}, 304, b""),
                ("GET", {"If-None-Match": f'"x", W/{tag}'}, 304, b""), ("GET", {"Range": "bytes=1-2"}, 206, b"12"), ("GET", {"Range": "bytes=1-2", "If-Range": tag}, 206, b"12"),
                ("GET", {"Range": "bytes=1-2", "If-Range": '"other"'}, 200, b"0123456789"), ("GET", {"Range": "bytes=20-"}, 416, None),
                ("GET", {"Range": "bytes=0-1,4-5"}, None, None), ("HEAD", {}, 200, b"")):
            with self.subTest(method=method, headers=headers):
                answer = self.client.ask(method, self.url("r"), headers=headers)
                self.assertEqual(answer.status, status or answer.status, answer)
                self.assertIn(answer.status, (200, 206, 304, 416))
                self.assertEqual(answer.body, answer.body if body is None else body)
                if answer.status == 416:
                    self.assertEqual(answer.headers["Content-Range"], "bytes */10")
                if answer.status in (200, 304):
                    self.assertEqual(answer.headers["ETag"], tag)
        self.client.upload(self.one, "r", b"0123456780")
        self.assertNotEqual(self.client.must(200, "GET", self.url("r")).headers["ETag"], tag)

    def test_delete_answers_nothing_and_then_404(self):
        self.client.upload(self.one, "gone", b"x")
        answer = self.client.must(204, "DELETE", self.url("gone"))
        self.assertEqual((answer.body, answer.headers["Content-Length"]), (b"", None))
        for method in ("GET", "DELETE"):
            self.refused(self.client.ask(method, self.url("gone")), 404, "FileNotFound")
        self.assertEqual(self.client.ask("HEAD", self.url("gone")).status, 404)

    def test_the_longest_paths_are_taken_and_longer_ones_not(self):
        part = "p" * 255
        for path, status in ((part, 200), ("/".join(["q" * 255] * 4), 200), ("p" * 256, 400), ("/".join(["q" * 255] * 4) + "/x", 400), ("a b/ü %&?#", 200)):
            with self.subTest(path=path[:10], length=len(path)):
                answer = self.client.ask("POST", f"{API}/sessions/{self.one}/files/upload?path={urllib.parse.quote(path, safe='')}", b"x", RAW)
                self.assertEqual(answer.status, status, answer)
                if status == 200:
                    self.assertEqual(self.client.download(self.one, path), b"x")

    def test_what_is_in_the_way_is_named_as_it_was_asked_for(self):
        self.client.upload(self.one, "way/file", b"x")
        for method, path in (("POST", "way/file/below"), ("POST", "way"), ("DELETE", "way"), ("GET", "way")):
            with self.subTest(path=f"{method} {path}"):
                url = f"{API}/sessions/{self.one}/files/upload?path={path}" if method == "POST" else self.url(path)
                answer = self.client.ask(method, url, b"x" if method == "POST" else None, RAW if method == "POST" else None)
                self.assertIn(answer.status, (404, 409), answer)
                self.assertIn(path, answer.json["error_detail"])
                self.assertNotIn("ws_", answer.json["error_detail"])

    def test_more_than_may_be_uploaded_is_413(self):
        answer = self.client.ask("POST", f"{API}/sessions/{self.one}/files/upload?path=huge", None, {**RAW, "Content-Length": str((100 << 20) + 1), "Expect": "100-continue"})
        self.refused(answer, 413, "PayloadTooLarge")


if __name__ == "__main__":
    unittest.main()
