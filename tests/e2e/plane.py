"""A sandboxd of the test's own, and a small client of its REST API.

SCP_TEST_DATABASE, SCP_TEST_STORAGE and SCP_TEST_RUNTIME say on which backends (tests/services/backends.py).
"""
import http.client
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import urllib.parse

import leftovers

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("SCP_BUILD_DIR", os.path.join(ROOT, "build"))
SANDBOXD = os.path.join(BUILD, "daemon", "sandboxd")
SANDBOXCTL = os.path.join(BUILD, "daemon", "sandboxctl")
API = "/api/v1"


sys.path.insert(0, os.path.join(ROOT, "tests", "services"))
import backends as backends_of  # noqa: E402


backends = backends_of.Backends()


def runtime():
    """Which kind daemons are on: oci or docker."""
    return backends_of.kind("RUNTIME")


def image():
    """One that this kind of runtime has, with a shell, Python and Node."""
    return backends_of.IMAGE if runtime() == "docker" else "host:"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.unix_path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.unix_path)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:400]!r}"


class Refused(AssertionError):
    def __init__(self, answer, what):
        super().__init__(f"{what}: {answer}")
        self.answer = answer


class Client:
    """Any thread; a connection each."""

    def __init__(self, socket_path):
        self.socket_path = socket_path
        self.headers = {}  # of every request

    def connection(self, timeout=400):
        return UnixConnection(self.socket_path, timeout)

    def ask(self, method, path, body=None, headers=None, timeout=400):
        """One request; any status. A dict or list as body is sent as JSON."""
        headers = {**self.headers, **(headers or {})}
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        connection = self.connection(timeout)
        try:
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def must(self, status, method, path, body=None, headers=None, timeout=400):
        answer = self.ask(method, path, body, headers, timeout)
        if answer.status != status:
            raise Refused(answer, f"{method} {path}: wanted {status}")
        return answer

    def create(self, template="python-basic", wait=60, **fields):
        session = self.must(201, "POST", f"{API}/sessions?wait={wait}", {"template_id": template, **fields}).json
        if wait and session["status"] != "running":
            raise AssertionError(f"session is not running: {session}")
        return session["session_id"]

    def session(self, session_id):
        return self.must(200, "GET", f"{API}/sessions/{session_id}").json

    def delete(self, session_id):
        return self.must(200, "DELETE", f"{API}/sessions/{session_id}").json

    def submit(self, session_id, code, language="python", **fields):
        body = {"code": code, "language": language, **fields}
        return self.must(200, "POST", f"{API}/sessions/{session_id}/execute", body).json["execution_id"]

    def run(self, session_id, code, language="python", **fields):
        """Submit and wait: the Result."""
        body = {"code": code, "language": language, **fields}
        result = self.must(200, "POST", f"{API}/sessions/{session_id}/execute?wait=300", body).json
        if "exit_code" not in result:
            raise AssertionError(f"not over after 300 s: {result}")
        return result

    def result(self, execution_id, wait=300):
        return self.must(200, "GET", f"{API}/executions/{execution_id}/result?wait={wait}").json

    def execution(self, execution_id):
        return self.must(200, "GET", f"{API}/executions/{execution_id}").json

    def upload(self, session_id, path, data):
        query = urllib.parse.quote(path, safe="")
        return self.must(200, "POST", f"{API}/sessions/{session_id}/files/upload?path={query}", data,
                         {"Content-Type": "application/octet-stream"}).json

    def file_url(self, session_id, path):
        return f"{API}/sessions/{session_id}/files/{urllib.parse.quote(path)}"

    def download(self, session_id, path):
        return self.must(200, "GET", self.file_url(session_id, path)).body

    def events(self, execution_id, after=None, limit=None):
        """(id, name, data) of the event stream until its end, or the first `limit` of them."""
        connection = self.connection()
        seen = []
        try:
            connection.request("GET", f"{API}/executions/{execution_id}/events",
                               headers={**self.headers, **({"Last-Event-ID": after} if after else {})})
            response = connection.getresponse()
            assert response.status == 200, response.read()
            assert response.headers["Content-Type"].startswith("text/event-stream"), response.headers
            fields = {}
            for raw in response:
                line = raw.decode().rstrip("\r\n")
                if line and not line.startswith(":"):
                    name, _, value = line.partition(":")
                    fields[name] = value[1:] if value.startswith(" ") else value
                elif not line and fields:
                    seen.append((fields.get("id"), fields.get("event"), json.loads(fields["data"])))
                    fields = {}
                    if limit and len(seen) >= limit:
                        break
            return seen
        finally:
            connection.close()


class Daemon:
    """sandboxd on a unix socket with a state folder of its own."""

    def __init__(self, *options, database=None, program=()):
        """`database`: options and environment of one that others have too. `program`: what sandboxd is started by."""
        self.program = program
        self.folder = tempfile.mkdtemp(prefix="p", dir=os.environ.get("SCP_TEST_SCRATCH"))
        self.socket = os.path.join(self.folder, "api.sock")
        self.state = os.path.join(self.folder, "state")
        self.log = os.path.join(self.folder, "log")
        own, self.environment = database or backends.options(options)
        self.options = [*own, *options]
        self.database = own[own.index("--database") + 1] if "--database" in own else ""
        self.bucket = own[own.index("--storage") + 1].split("/")[2].split("?")[0] if "--storage" in own else ""
        # An ordinary user can't keep the disk's limit, and says so.
        if os.geteuid() and "--allow-unenforced" not in options:
            self.options += ["--allow-unenforced", "disk"]
        self.node = None
        self.client = Client(self.socket)
        self.process = None
        if "--storage" in own:
            self.migrate()
        self.start()

    def migrate(self):
        """Makes the bucket."""
        done = subprocess.run([SANDBOXD, "--migrate", "--state-dir", self.state, *self.options], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, env={**os.environ, **self.environment}, timeout=120, check=False)
        if done.returncode:
            raise AssertionError(f"sandboxd --migrate: {done.stdout}{done.stderr}")

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*self.program, SANDBOXD, "--listen", f"unix:{self.socket}", "--state-dir", self.state, *self.options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **self.environment})
        try:
            leftovers.until(self.ready, 60, "sandboxd is ready")
        except BaseException:
            print(self.tail(), flush=True)
            raise

    def ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"sandboxd ended with {self.process.returncode}:\n{self.tail()}")
        try:
            return self.client.ask("GET", f"{API}/health/live", timeout=5).status == 200
        except OSError:
            return False

    def tail(self, size=12000):
        with open(self.log, "rb") as log:
            return log.read()[-size:].decode(errors="replace")

    def kill(self):
        """As a power cut would: nothing is said to it. That it had ended before is a failure."""
        self.process.kill()
        code = self.process.wait()
        if code != -signal.SIGKILL:
            raise AssertionError(f"sandboxd had ended by itself with {code}:\n{self.tail()}")

    def lose_disks(self):
        """As a host that comes back without its disks: killed, no container runs, and nothing of the files is here."""
        for pid in self.executors():
            kill(pid)
        self.kill()
        for point in reversed(leftovers.mounts(self.state)):
            subprocess.run(["umount", "-l", point], check=False)
        leftovers.until(lambda: not leftovers.loops(self.folder), 20, "the loop devices are gone")
        for name in ("disks", "workspaces"):
            shutil.rmtree(os.path.join(self.state, name))
        os.unlink(os.path.join(self.state, "home"))

    def stop(self, seconds=30):
        """SIGTERM; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"sandboxd didn't end within {seconds} s of SIGTERM:\n{self.tail()}") from None

    def sql(self, text):
        """Said to its database behind its back; rows as lists of texts."""
        if "mariadb" in self.database:
            return backends.database.sql(text, self.database.rsplit("/", 1)[1])
        database = sqlite3.connect(os.path.join(self.state, "state.db"), timeout=30)
        try:
            with database:
                return [[str(value) for value in row] for row in database.execute(text)]
        finally:
            database.close()

    def stored(self, prefix):
        """What its storage has below that, behind its back."""
        if self.bucket:
            return backends.storage.objects(self.bucket, prefix)
        return [os.path.join(at, name) for at, _, names in os.walk(os.path.join(self.state, "storage", prefix)) for name in names]

    def sessions(self, status):
        return self.client.must(200, "GET", f"{API}/sessions?status={status}&limit=200").json["sessions"]

    def end_sessions(self):
        threads = [threading.Thread(target=self.client.delete, args=(s["session_id"],))
                   for status in ("creating", "running") for s in self.sessions(status)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()

    def own_node(self):
        """The node that this plane's sandboxes are on, once there was a session."""
        if not self.node and self.process.poll() is None:
            for session in self.client.must(200, "GET", f"{API}/sessions?limit=200").json["sessions"]:
                self.node = self.node or session["runtime_node"]
        return self.node or ""

    def group(self):
        """The cgroup that holds the sandboxes of an oci node is named after it."""
        return f"sandboxcp-{self.node[4:]}" if (self.node or "").startswith("oci-") else None

    def containers(self):
        """Ids of what the engine has of a docker node."""
        return backends.engine.containers(self.node) if self.own_node().startswith("docker-") else []

    def members(self):
        """(host pid, pid inside, command) of the processes in sandboxes."""
        self.own_node()
        if self.group():
            return leftovers.members(self.group())
        ids = self.containers()
        return leftovers.in_cgroups(ids) if ids else []

    def executor_of(self, session_id):
        """The host pid of the first process of that session's sandbox."""
        name = self.client.session(session_id)["container_id"]
        if not self.containers():
            return next(pid for pid, inner, _ in self.members()
                        if inner == 1 and name in open(f"/proc/{pid}/cgroup", encoding="utf-8").read())
        return backends.engine.ask("GET", f"/containers/{name}/json")["State"]["Pid"]

    def executors(self):
        """Host pids of the sandboxes' first processes."""
        return {pid for pid, inner, _ in self.members() if inner == 1}

    def remains(self):
        """What of its sandboxes is still on the machine; the plane's own cgroup stays as long as the plane."""
        sandboxes = self.members()
        return {
            "processes": [p for p in leftovers.processes(self.folder) if p[0] != self.process.pid],
            "sandboxes": sandboxes,
            "containers": self.containers(),
            "mounts": [m for m in leftovers.mounts(self.state) if "/storage/" in m or "/workspaces/" in m],
            "cgroups": [g for g in leftovers.cgroups(self.group()) if os.path.basename(g) != self.group()] if self.group() else [],
            "workspaces": [d for d in leftovers.loops(self.folder) if "/ws_" in d],
        }

    def gone(self):
        return not any(self.remains().values())

    def left(self):
        """What of it is still on the machine once its process has ended."""
        return {"mounts": leftovers.mounts(self.folder), "loop devices": leftovers.loops(self.folder),
                "processes": leftovers.processes(self.folder), "containers": self.containers(),
                "cgroups": leftovers.cgroups(self.group()) if self.group() else []}

    def close(self):
        """End every session, then the daemon; what is left afterwards is a failure."""
        problems = []
        try:
            if self.process.poll() is None:
                try:
                    self.end_sessions()
                    leftovers.until(self.gone, 60, "sandboxes are gone")
                except OSError as error:
                    problems.append(f"sandboxd doesn't answer: {error}")
                except AssertionError:
                    problems.append(f"left after every session's end: {self.remains()}")
                code = self.stop()
                if code:
                    problems.append(f"sandboxd ended with {code}")
            else:
                problems.append(f"sandboxd had ended by itself with {self.process.returncode}")
            try:
                # The kernel lets go of a loop device a moment after its last mount.
                leftovers.until(lambda: not any(self.left().values()), 20, "nothing is left")
            except AssertionError:
                problems.append(f"left after its end: {self.left()}")
            if problems:
                raise AssertionError("; ".join(problems) + "\n" + self.tail())
        finally:
            self.sweep()

    def sweep(self):
        """Whatever went wrong, the machine is left as it was."""
        self.process.kill()
        self.process.wait()
        for pid, _, _ in leftovers.members(self.group()) if self.group() else []:
            kill(pid)
        for container in self.containers():
            backends.engine.remove(container)
        for pid, _ in leftovers.processes(self.folder):
            kill(pid)
        for point in reversed(leftovers.mounts(self.folder)):
            subprocess.run(["umount", "-l", point], check=False, stderr=subprocess.DEVNULL)
        for name in leftovers.loops(self.folder):
            for line in subprocess.run(["losetup", "-j", name], check=False, capture_output=True, text=True).stdout.splitlines():
                subprocess.run(["losetup", "-d", line.split(":")[0]], check=False)
        for group in sorted(leftovers.cgroups(self.group()) if self.group() else [], key=len, reverse=True):
            try:
                os.rmdir(group)
            except OSError:
                pass
        shutil.rmtree(self.folder, ignore_errors=True)


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
