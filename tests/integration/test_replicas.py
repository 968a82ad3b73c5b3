"""Two sandboxds on one database: what was made by one is used through the other."""
import hashlib
import http.client
import os
import socket
import threading
import time

import plane
import replicas

MIB = 1 << 20


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


class Work(replicas.ReplicaCase):
    """Rows are the only bus."""

    def test_code_submitted_at_one_runs_at_the_other(self):
        session_id = self.session_at(self.b)
        result = self.a.client.run(session_id, "echo from $HOME", "shell")
        self.assertEqual((result["status"], result["stdout"]), ("success", "from /workspace\n"), result)

    def test_a_wait_at_one_wakes_when_the_other_has_stored_the_result(self):
        session_id = self.session_at(self.b)
        execution_id = self.a.client.submit(session_id, "sleep 1; echo done", "shell")
        result = self.a.client.result(execution_id, wait=60)
        self.assertEqual(result["stdout"], "done\n")
        ended = self.b.client.execution(execution_id)["completed_at"]
        self.assertIsNotNone(ended)

    def test_cancel_at_one_ends_what_runs_at_the_other(self):
        session_id = self.session_at(self.b)
        execution_id = self.b.client.submit(session_id, "echo begun; sleep 60", "shell", timeout=120)
        self.until(lambda: self.b.client.execution(execution_id)["status"] == "running", 30, "it runs")
        self.a.client.must(200, "POST", f"{plane.API}/executions/{execution_id}/cancel")
        result = self.a.client.result(execution_id, wait=30)
        self.assertEqual((result["status"], result["stdout"]), ("cancelled", "begun\n"), result)

    def test_delete_at_one_takes_the_others_container_down(self):
        session_id = self.session_at(self.b)
        execution_id = self.b.client.submit(session_id, "echo so far; sleep 60", "shell", timeout=120)
        self.b.client.events(execution_id, limit=2)
        self.until(lambda: self.b.client.execution(execution_id)["status"] == "running", 30, "it runs")
        container_id = self.b.client.session(session_id)["container_id"]
        begun = time.monotonic()
        self.a.client.delete(session_id)
        self.until(lambda: self.b.client.must(200, "GET", f"{plane.API}/containers/{container_id}").json["status"] == "removed",
                   20, "the container is gone")
        self.assertLess(time.monotonic() - begun, 8)
        result = self.a.client.result(execution_id, wait=10)
        self.assertEqual((result["status"], result["stdout"]), ("cancelled", "so far\n"), result)

    def test_keepalive_at_one_counts_at_the_other(self):
        session_id = self.session_at(self.b, timeout=60)
        before = self.b.client.session(session_id)["expires_at"]
        self.a.client.must(200, "POST", f"{plane.API}/sessions/{session_id}/keepalive", {"extend_s": 3600})
        self.assertGreater(self.b.client.session(session_id)["expires_at"], before)

    def test_many_made_through_both_at_once_are_each_made_once(self):
        count, clients = 200, 20
        made, problems = [], []
        lock = threading.Lock()

        def client(number):
            replica = (self.a, self.b)[number % 2]
            try:
                for _ in range(count // clients):
                    session_id = replica.client.create("shell-basic", wait=0)
                    with lock:
                        made.append(session_id)
            except Exception as error:
                problems.append(repr(error))

        threads = [threading.Thread(target=client, args=(n,)) for n in range(clients)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        try:
            self.assertEqual(problems, [])
            self.assertEqual(len(set(made)), count)
            self.until(lambda: not self.a.sessions("creating"), 120, "none is still being made")
            self.assertEqual({self.b.client.session(s)["status"] for s in made}, {"running"})
            name = self.cluster.name
            rows = self.cluster.server.sql(
                "SELECT session_id, count(*) FROM container WHERE session_id IN ("
                + ",".join(f"'{s}'" for s in made) + ") GROUP BY session_id", name)
            self.assertEqual(sorted(r[0] for r in rows), sorted(made), "none is lost")
            self.assertEqual({r[1] for r in rows}, {"1"}, "none is made twice")
            places = {row[0] for row in self.cluster.server.sql("SELECT node FROM session WHERE status = 2", name)}
            self.assertEqual(places, {self.a.node, self.b.node}, "both have made some")
            live = len(self.a.executors()) + len(self.b.executors())
            self.assertEqual(live, count, "as many sandboxes as sessions")
        finally:
            for session_id in made:
                self.a.client.delete(session_id)


class Streams(replicas.ReplicaCase):
    """What lies with one is had through the other."""

    def test_events_come_as_they_happen_and_resume(self):
        session_id = self.session_at(self.b)
        code = "echo one; until [ -e go ]; do sleep 0.05; done; echo two"
        execution_id = self.b.client.submit(session_id, code, "shell", timeout=60)
        first = self.a.client.events(execution_id, limit=2)
        self.assertIn("one\n", [data.get("text") for _, _, data in first], first)
        self.a.client.upload(session_id, "go", b"")
        rest = self.a.client.events(execution_id, after=first[-1][0])
        self.assertEqual(rest[-1][1], "result", rest)
        self.assertEqual([d["text"] for _, n, d in rest if n == "stdout"], ["two\n"])

    def test_a_live_stream_shows_output_before_the_code_has_ended(self):
        session_id = self.session_at(self.b)
        execution_id = self.b.client.submit(session_id, "echo early; sleep 300", "shell", timeout=600)
        self.assertIn("early\n", [d.get("text") for _, _, d in self.a.client.events(execution_id, limit=2)])
        self.assertEqual(self.a.client.execution(execution_id)["status"], "running")
        self.a.client.must(200, "POST", f"{plane.API}/executions/{execution_id}/cancel")

    def test_files_are_listed_read_written_and_deleted(self):
        session_id = self.session_at(self.b)
        data = os.urandom(300000)
        put = self.a.client.upload(session_id, "some dir/ä.bin", data)
        self.assertEqual(put["sha256"], hashlib.sha256(data).hexdigest())
        self.assertEqual(self.a.client.download(session_id, "some dir/ä.bin"), data)
        self.assertEqual(self.b.client.download(session_id, "some dir/ä.bin"), data)
        files = self.a.client.must(200, "GET", f"{plane.API}/sessions/{session_id}/files?recursive=true").json["files"]
        self.assertIn("some dir/ä.bin", [f["path"] for f in files])
        self.assertEqual(self.b.client.run(session_id, "wc -c <'some dir/ä.bin'", "shell")["stdout"].strip(), "300000")
        self.a.client.must(204, "DELETE", self.a.client.file_url(session_id, "some dir/ä.bin"))
        self.assertEqual(self.b.client.ask("GET", self.b.client.file_url(session_id, "some dir/ä.bin")).status, 404)

    def test_status_and_headers_are_the_others(self):
        session_id = self.session_at(self.b)
        self.b.client.upload(session_id, "f.txt", b"0123456789")
        url = self.a.client.file_url(session_id, "f.txt")
        here, there = self.a.client.ask("GET", url), self.b.client.ask("GET", url)
        for name in ("Content-Type", "Content-Length", "ETag", "Content-Disposition", "X-Content-Type-Options", "Accept-Ranges"):
            self.assertEqual(here.headers[name], there.headers[name], name)
        self.assertEqual(len(here.headers.get_all("X-Request-ID")), 1)
        part = self.a.client.ask("GET", url, headers={"Range": "bytes=2-4"})
        self.assertEqual((part.status, part.body, part.headers["Content-Range"]), (206, b"234", "bytes 2-4/10"))
        self.assertEqual(self.a.client.ask("GET", url, headers={"Range": "bytes=20-"}).status, 416)
        same = self.a.client.ask("GET", url, headers={"If-None-Match": here.headers["ETag"]})
        self.assertEqual((same.status, same.body), (304, b""))
        head = self.a.client.ask("HEAD", url)
        self.assertEqual((head.status, head.body, head.headers["Content-Length"]), (200, b"", "10"))
        missing = self.a.client.ask("GET", self.a.client.file_url(session_id, "none"), headers={"X-Request-ID": "req-of-mine"})
        self.assertEqual((missing.status, missing.json["error_code"]), (404, "Sandbox.FileNotFound"))
        self.assertEqual((missing.json["request_id"], missing.headers["X-Request-ID"]), ("req-of-mine", "req-of-mine"))
        bad = self.a.client.ask("GET", f"{plane.API}/sessions/{session_id}/files?nonsense=1")
        self.assertEqual(bad.status, 400)

    def test_a_container_s_log_is_read(self):
        session_id = self.session_at(self.b)
        self.b.client.run(session_id, "echo into the log", "shell")
        container_id = self.b.client.session(session_id)["container_id"]
        log = self.a.client.must(200, "GET", f"{plane.API}/containers/{container_id}/logs").body.decode()
        self.assertIn("into the log", log)
        self.assertIn(" executor ", log)

    def test_what_isn_t_there_is_said_as_ever(self):
        for path, code in (("/sessions/sess_0123456789abcdef/files", "SessionNotFound"), ("/sessions/nonsense/files", "SessionNotFound"),
                           ("/executions/exec_20200101_01234567/events", "ExecutionNotFound"),
                           ("/containers/scp-none/logs", "ContainerNotFound")):
            answer = self.a.client.ask("GET", plane.API + path)
            self.assertEqual((answer.status, answer.json["error_code"]), (404, f"Sandbox.{code}"), path)

    def test_100_mib_pass_through_the_wrong_one_without_growing_it(self):
        session_id = self.session_at(self.b)
        path = f"{plane.API}/sessions/{session_id}/files"
        block, count = os.urandom(MIB), 100
        self.a.client.upload(session_id, "warm", block)  # whatever is taken once
        self.a.client.download(session_id, "warm")
        before = resident_kib(self.a.process.pid)
        most = [before]
        stop = threading.Event()

        def watch():
            while not stop.wait(0.05):
                most[0] = max(most[0], resident_kib(self.a.process.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            connection = self.a.client.connection()
            connection.request("POST", f"{path}/upload?path=big", body=(block for _ in range(count)),
                               headers={"Content-Type": "application/octet-stream", "Content-Length": str(count * MIB)})
            answer = connection.getresponse()
            self.assertEqual(answer.status, 200, answer.read())
            connection.close()
            connection = self.a.client.connection()
            connection.request("GET", f"{path}/big?redirect=false")
            answer = connection.getresponse()
            digest, size = hashlib.sha256(), 0
            while piece := answer.read(MIB):
                digest.update(piece)
                size += len(piece)
            connection.close()
        finally:
            stop.set()
            watcher.join()
        self.assertEqual(size, count * MIB)
        self.assertEqual(digest.hexdigest(), hashlib.sha256(block * count).hexdigest())
        grown = most[0] - before
        print(f"     grew by {grown} KiB", flush=True)
        self.assertLess(grown, 8 * 1024)

    def test_large_output_that_lies_with_the_other_is_had(self):
        session_id = self.session_at(self.b)
        code = "head -c 200000 /dev/zero | tr '\\0' x"
        result = self.a.client.run(session_id, code, "shell")
        self.assertEqual((result["status"], result["stdout"]), ("success", "x" * 200000))
        self.assertEqual(len(self.a.client.must(200, "GET", f"{plane.API}/sessions/{session_id}/executions").json["executions"]), 1)
        execution_id = result["execution_id"]
        self.assertEqual(self.a.client.execution(execution_id)["result"]["stdout"], "x" * 200000)
        self.assertEqual(self.a.client.result(execution_id)["stdout"], "x" * 200000)
        self.assertEqual(self.a.client.must(200, "GET", f"{plane.API}/executions/{execution_id}/status").json["status"], "completed")
        events = self.a.client.events(execution_id)
        self.assertEqual("".join(d["text"] for _, n, d in events if n == "stdout"), "x" * 200000)

    def test_a_chunked_body_passes(self):
        session_id = self.session_at(self.b)
        connection = self.a.client.connection()
        connection.request("POST", f"{plane.API}/sessions/{session_id}/files/upload?path=chunked", body=iter([b"ab", b"c" * 100000]),
                           headers={"Content-Type": "application/octet-stream"}, encode_chunked=True)
        answer = connection.getresponse()
        self.assertEqual(answer.status, 200, answer.read())
        connection.close()
        self.assertEqual(self.b.client.download(session_id, "chunked"), b"ab" + b"c" * 100000)

    def peers(self):
        """Connections that b has on its port."""
        with open("/proc/net/tcp", encoding="ascii") as f:
            rows = [line.split() for line in f][1:]
        return sum(r[1].endswith(f":{self.b.port:04X}") and r[3] == "01" for r in rows)

    def test_a_client_that_goes_away_ends_what_was_passed_on(self):
        session_id = self.session_at(self.b)
        execution_id = self.b.client.submit(session_id, "echo x; sleep 300", "shell", timeout=600)
        connection = self.a.client.connection()
        connection.request("GET", f"{plane.API}/executions/{execution_id}/events")
        response = connection.getresponse()
        response.readline()
        self.until(lambda: self.peers() == 1, 10, "it is passed on")
        connection.sock.shutdown(socket.SHUT_RDWR)
        connection.close()
        response.close()
        self.until(lambda: self.peers() == 0, 10, "nothing is passed on any more")
        self.b.client.must(200, "POST", f"{plane.API}/executions/{execution_id}/cancel")

    def test_the_other_s_bound_of_an_upload_is_told(self):
        session_id = self.session_at(self.b)
        connection = self.a.client.connection()
        connection.putrequest("POST", f"{plane.API}/sessions/{session_id}/files/upload?path=much")
        connection.putheader("Content-Type", "application/octet-stream")
        connection.putheader("Content-Length", str(200 * MIB))
        connection.endheaders()
        answer = connection.getresponse()
        self.assertEqual(answer.status, 413, answer.read())
        connection.close()

    def test_a_forged_proof_opens_nothing(self):
        session_id = self.session_at(self.b)
        path = f"{plane.API}/sessions/{session_id}/files"
        for proof in ("v1.0." + "0" * 64, "v1.99999999999999999." + "a" * 64, "nonsense"):
            connection = http.client.HTTPConnection("127.0.0.1", self.b.port, timeout=30)
            connection.request("GET", path, headers={"Sandboxd-Peer": proof, "Sandboxd-Actor": "root"})
            answer = connection.getresponse()
            self.assertEqual(answer.status, 401, answer.read())
            connection.close()


class Tokens(replicas.ReplicaCase):
    """Each has clients of its own."""

    @classmethod
    def setUpClass(cls):
        replicas.skip_if_not_possible()
        cls.cluster = replicas.Cluster()
        try:
            cls.database = cls.cluster.database()
            cls.a, cls.b = (cls.with_token(name) for name in ("anna", "bert"))
        except BaseException:
            cls.cluster.stop()
            raise

    @classmethod
    def with_token(cls, name):
        path = os.path.join(cls.cluster.server.folder, name)
        with open(path, "w", encoding="ascii") as f:
            f.write(f"{name}:hush-{name}\n")
        return cls.cluster.add(cls.database, "--api-token-file", path, headers={"Authorization": f"Bearer hush-{name}"})

    def test_the_caller_s_rights_are_judged_where_it_asks_and_its_name_is_known_there(self):
        session_id = self.session_at(self.b)
        self.a.client.upload(session_id, "f", b"for both")
        self.assertEqual(self.a.client.download(session_id, "f"), b"for both")
        url = self.a.client.file_url(session_id, "f")
        for header in ({}, {"Authorization": "Bearer hush-bert"}, {"Sandboxd-Actor": "bert"}):
            connection = self.a.client.connection()
            connection.request("GET", url, headers=header)
            answer = connection.getresponse()
            self.assertEqual(answer.status, 401, answer.read())
            connection.close()
        self.assertEqual(self.b.client.ask("GET", url, headers={"Authorization": "Bearer hush-anna"}).status, 401)
        there = [line for line in self.b.tail(200000).splitlines() if "files/{path...}" in line and '"status":200' in line]
        self.assertIn('"actor":"anna"', there[-1])
        for replica in (self.a, self.b):
            self.assertNotIn("hush", replica.tail(1000000))
            self.assertNotIn(self.database[1]["INTERNAL_API_TOKEN"], replica.tail(1000000))


class Alone(replicas.ReplicaCase):
    """Where one can't be reached, the other says so."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.quiet = cls.cluster.add(cls.database, *cls.options, advertised=False)

    def test_without_an_address_503_names_node_and_option(self):
        session_id = self.session_at(self.quiet)
        answer = self.a.client.ask("GET", f"{plane.API}/sessions/{session_id}/files")
        self.assertEqual((answer.status, answer.json["error_code"]), (503, "Sandbox.BackendUnavailable"), answer)
        self.assertIn(self.quiet.node, answer.json["error_detail"])
        self.assertIn("--advertise", answer.json["solution"])
        self.assertIn("Retry-After", answer.headers)
        self.assertIn("--advertise", self.quiet.tail(100000), "it was said at the start")

    def test_large_output_of_one_that_can_t_be_reached_is_never_cut(self):
        session_id = self.session_at(self.quiet)
        execution_id = self.quiet.client.submit(session_id, "head -c 200000 /dev/zero | tr '\\0' x", "shell")
        self.quiet.client.result(execution_id)
        answer = self.a.client.ask("GET", f"{plane.API}/executions/{execution_id}/result")
        self.assertEqual(answer.status, 503, answer)
        self.assertIn(self.quiet.node, answer.json["error_detail"])
        self.assertIn("--storage", answer.json["solution"])
        listed = self.a.client.must(200, "GET", f"{plane.API}/sessions/{session_id}/executions").json["executions"]
        self.assertEqual([e["status"] for e in listed], ["completed"])

    def test_one_that_has_ended_is_503_with_its_address(self):
        session_id = self.session_at(self.b)
        self.b.client.upload(session_id, "f", b"x")
        self.assertEqual(self.b.stop(), 0)
        try:
            answer = self.a.client.ask("GET", self.a.client.file_url(session_id, "f"))
            self.assertEqual((answer.status, answer.json["error_code"]), (503, "Sandbox.BackendUnavailable"), answer)
            self.assertIn(self.b.url, answer.json["error_detail"])
        finally:
            self.b.start()
        self.assertEqual(self.a.client.download(session_id, "f"), b"x")

    def test_one_that_drains_ends_the_streams_that_it_passes_on(self):
        session_id = self.session_at(self.b)
        execution_id = self.b.client.submit(session_id, "echo x; sleep 300", "shell", timeout=600)
        connection = self.a.client.connection()
        connection.request("GET", f"{plane.API}/executions/{execution_id}/events")
        response = connection.getresponse()
        response.readline()
        begun = time.monotonic()
        self.a.process.terminate()
        response.read()  # to its proper end
        self.assertEqual(self.a.process.wait(30), 0)
        self.assertLess(time.monotonic() - begun, 10)
        connection.close()
        self.a.start()
        self.a.client.must(200, "POST", f"{plane.API}/executions/{execution_id}/cancel")

    def test_one_that_dies_in_the_middle_cuts_the_answer(self):
        session_id = self.session_at(self.b)
        execution_id = self.b.client.submit(session_id, "echo x; sleep 300", "shell", timeout=600)
        connection = self.a.client.connection()
        connection.request("GET", f"{plane.API}/executions/{execution_id}/events")
        response = connection.getresponse()
        response.readline()
        self.b.kill()
        try:
            with self.assertRaises((http.client.IncompleteRead, ConnectionError)):
                response.read()
        finally:
            connection.close()
            self.b.start()
        self.b.client.must(200, "POST", f"{plane.API}/executions/{execution_id}/cancel")
