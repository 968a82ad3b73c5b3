"""Whatever the backends, a client sees the same, byte for byte, but for ids, times and what is a backend's own name."""
import difflib
import os
import signal
import unittest
from unittest import mock

import leftovers
import plane
import transcript
from plane import API

MIB = 1 << 20
JSON = {"Content-Type": "application/json"}
RAW = {"Content-Type": "application/octet-stream"}

# (what it is about, language, code, further fields)
RUNS = (
    ("a value", "python", "def handler(event):\n    print('in')\n    return {'sum': sum(event['n']), 'ü': None}", {"event": {"n": [1, 2, 3]}}),
    ("async javascript", "javascript", "exports.handler = async (e) => { console.error('err'); return [e.a, 1.5, 'ß']; }", {"event": {"a": "\U0001f600"}}),
    ("shell", "shell", "printf 'b\\na\\n' | sort; echo oops >&2; exit 3", {}),
    ("stdin and env", "shell", 'tr a-z A-Z; printf "%s %s" "$A" "$B"', {"stdin": "text\n", "env_vars": {"A": "1", "B": "x y"}}),
    ("unicode", "python", "print('grüße 日本語 \U0001f600')\nopen('größe été.txt', 'w').write('日本語')", {}),
    ("bytes", "python", "import sys; sys.stdout.buffer.write(bytes(range(256)))", {}),
    ("too much", "python", "import sys\nsys.stdout.write('0123456789abcde\\n' * 131072)\nsys.stderr.write('e' * 1000)", {}),
    ("syntax error", "python", "print('never')\ndef broken(:\n", {}),
    ("exception", "python", "def handler(event):\n    return event['missing']", {}),
    ("javascript throws", "javascript", "async function handler() { throw new Error('kaputt'); }", {}),
    ("no json", "python", "def handler(event): return {1, 2}", {}),
    ("nan", "python", "def handler(event): return float('nan')", {}),
    ("too deep", "python", "def handler(event):\n    v = []\n    for i in range(80): v = [v]\n    return v", {}),
    ("too large", "python", "def handler(event): return 'x' * (2 << 20)", {}),
    ("exit code", "javascript", "process.exit(7)", {}),
    ("signal", "python", "import os\nprint('before', flush=True)\nos.kill(os.getpid(), 11)", {}),
    ("not found", "shell", "no-such-program", {}),
    ("timeout", "shell", "echo partial; setsid -f sleep 99; sleep 60", {"timeout": 1}),
    ("memory", "python", "print('before', flush=True)\nx = bytearray(600 << 20)\nprint('after')", {}),
    ("artifacts", "shell", "mkdir -p out/deep; echo a,b >out/deep/t.csv; echo l >b.log; echo '{}' >c.json; ln -s /etc/passwd link; mkfifo pipe", {}),
    ("changed alone", "shell", "echo more >>b.log; rm c.json; cat out/deep/t.csv", {}),
    ("who am I", "shell", "id -u; id -g; pwd; echo $HOME; hostname; umask; ulimit -c; ulimit -n; grep -E '^(Cap|NoNew|Seccomp:)' /proc/self/status", {}),
    ("read-only", "shell", "for d in / /usr /etc /sys /proc/sys/kernel; do (echo x >$d/x) 2>/dev/null && echo $d; done; ls -A /sys; tail -n +3 /proc/net/dev | cut -d: -f1", {}),
    ("environment", "shell", "env | sort", {}),
    ("processes", "shell", "tr '\\0' '\\n' </proc/1/cmdline | head -n 1; kill -9 1; echo $?", {}),
)

BAD_SESSIONS = (
    {}, {"template_id": "none-such"}, {"template_id": "shell-basic", "mode": "odd"}, {"template_id": "shell-basic", "timeout": 5},
    {"template_id": "shell-basic", "resources": {"memory": "1Mi"}}, {"template_id": "shell-basic", "extra": 1},
    {"template_id": "shell-basic", "env_vars": {"1": "x"}},
)
BAD_RUNS = (
    {}, {"code": "x"}, {"code": "x", "language": "perl"}, {"code": "", "language": "shell"}, {"code": "x", "language": "shell", "timeout": 0},
    {"code": "x" * 102401, "language": "shell"}, {"code": "x", "language": "shell", "max_retries": 4}, {"code": "x", "language": "shell", "more": 1},
)
BAD_PATHS = ("../x", "/etc/passwd", "a//b", "a/./b", "a%00b", "x" * 256, "a%0Ab", "")


def files(t, session):
    """Upload, download, list, delete, and what is refused."""
    upload, one = f"{API}/sessions/{session}/files/upload?path=", f"{API}/sessions/{session}/files/"
    for path, data in (("in/a.txt", b"one\ntwo\n"), ("in/empty", b""), ("b%20%C3%BC%23.bin", bytes(range(256)) * 512), ("big", b"\1" * (9 * MIB))):
        t.ask("POST", upload + path, data, RAW)
        t.ask("GET", one + path)
    t.ask("POST", upload + "in/a.txt", b"other", RAW)
    t.ask("POST", upload + "bigger", b"\2" * (12 * MIB), RAW)
    t.ask("GET", one + "bigger?redirect=false")
    parts = b'--x\r\nContent-Disposition: form-data; name="path"\r\n\r\nparts.txt\r\n' \
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nline\r\n--x--\r\n'
    t.ask("POST", upload.split("?")[0], parts, {"Content-Type": "multipart/form-data; boundary=x"})
    for value in ("bytes=1-2", "bytes=-2", "bytes=3-", "bytes=9-", "bytes=1-0", "lines=1-2"):
        t.ask("GET", one + "in/a.txt", headers={"Range": value})
    tag = t.client.ask("GET", one + "in/a.txt").headers["ETag"]
    t.ask("GET", one + "in/a.txt", headers={"If-None-Match": tag})
    t.ask("HEAD", one + "in/a.txt")
    run(t, session, "what code sees", "shell", "find . -type f | LC_ALL=C sort; sha256sum big; cat in/a.txt; stat -c '%a %u %g %F' in in/a.txt; echo made >made.txt", {})
    for query in ("", "?recursive=true", "?path=in", "?limit=2&offset=1", "?path=none", "?path=big", "?limit=0"):
        t.ask("GET", one[:-1] + query)
    for path in BAD_PATHS:
        t.ask("POST", upload + path, b"x", RAW)
    for path in ("in/a.txt/below", "in"):
        t.ask("POST", upload + path, b"x", RAW)
    t.ask("POST", upload + "x", b"{}", {"Content-Type": "text/odd"})
    for path in ("none", "in", "link", "pipe"):
        t.ask("GET", one + path)
    for path in ("in", "in/a.txt", "in/a.txt", "in/empty", "in", "made.txt"):
        t.ask("DELETE", one + path)
    t.ask("GET", one[:-1] + "?recursive=true")


def run(t, session, what, language, code, more):
    t.note(f"--- {what}")
    body = {"code": code, "language": language, **more}
    answer = t.ask("POST", f"{API}/sessions/{session}/execute?wait=120", body)
    if answer.status == 200:
        execution = answer.json["execution_id"]
        t.ask("GET", f"{API}/executions/{execution}")
        t.ask("GET", f"{API}/executions/{execution}/status")
        t.events(execution)


def begun(t, execution):
    leftovers.until(lambda: t.client.execution(execution)["status"] == "running", 30, "it runs")
    t.client.events(execution, limit=2)


def ends_of_executions(t, daemon, session):
    """Cancelled, its session ended under it, its sandbox killed."""
    loop = {"code": "trap '' TERM; echo up; while :; do sleep 1; done", "language": "shell", "timeout": 60, "max_retries": 0}
    execution = t.ask("POST", f"{API}/sessions/{session}/execute", loop, {"Idempotency-Key": "once"}).json["execution_id"]
    begun(t, execution)
    t.ask("POST", f"{API}/sessions/{session}/execute", {**loop, "timeout": 61}, {"Idempotency-Key": "once"})
    t.ask("GET", f"{API}/executions/{execution}/result")
    t.client.ask("POST", f"{API}/executions/{execution}/cancel")
    t.client.result(execution)
    t.ask("GET", f"{API}/executions/{execution}/result")
    t.ask("POST", f"{API}/executions/{execution}/cancel")
    execution = t.ask("POST", f"{API}/sessions/{session}/execute", loop).json["execution_id"]
    begun(t, execution)
    for pid in daemon.executors():
        os.kill(pid, signal.SIGKILL)
    t.client.result(execution)
    t.ask("GET", f"{API}/executions/{execution}/result")
    run(t, session, "in a fresh sandbox", "shell", "echo again; test -e /tmp/x || echo new", {})


def errors(t, session):
    for body in BAD_SESSIONS:
        t.ask("POST", f"{API}/sessions", body)
    for body in BAD_RUNS:
        t.ask("POST", f"{API}/sessions/{session}/execute", body)
    for body, headers in ((b"{", JSON), (b'{"a":1,"a":2}', JSON), (b"[]", JSON), (b"\xff", JSON), (b"{}", {"Content-Type": "text/plain"})):
        t.ask("POST", f"{API}/sessions/{session}/execute", body, headers)
    none = "sess_" + "0" * 16
    for method, path in (("GET", f"sessions/{none}"), ("DELETE", f"sessions/{none}"), ("GET", f"sessions/{none}/files"), ("GET", "sessions/odd"),
                         ("GET", "executions/exec_20200101_00000000"), ("GET", "executions/exec_20200101_00000000/result"),
                         ("POST", "executions/exec_20200101_00000000/cancel"), ("GET", "templates/none"), ("DELETE", "templates/none"), ("DELETE", "templates/all"),
                         ("GET", "nowhere"), ("PATCH", "sessions"), ("GET", "containers/none"),
                         ("GET", "sessions?limit=0"), ("GET", "sessions?status=odd"), ("POST", "nodes/none/drain")):
        t.ask(method, f"{API}/{path}")


def tell(daemon):
    """The whole list: what one client says to one daemon, and hears."""
    t = transcript.Transcript(daemon.client)
    made = t.ask("POST", f"{API}/sessions?wait=60", {"template_id": "python-basic", "resources": {"memory": "256Mi", "disk": "1Gi"},
                                                      "env_vars": {"API_KEY": "hush", "PLAIN": "seen"}, "agent_id": "agent"})
    session = made.json["session_id"]
    t.ask("GET", f"{API}/sessions/{session}")
    t.ask("POST", f"{API}/sessions/{session}/keepalive", {"extend_s": 600})
    # One template for all three languages, whatever a backend's seeds are.
    t.client.must(201, "POST", f"{API}/templates", {"id": "all", "name": "all", "image": t.client.must(
        200, "GET", f"{API}/templates/python-basic").json["image"], "languages": ["python", "javascript", "shell"]})
    shared = t.client.create("all", resources={"memory": "256Mi"})
    for what, language, code, more in RUNS:
        run(t, shared, what, language, code, more)
    files(t, shared)
    errors(t, shared)
    ends_of_executions(t, daemon, shared)
    once = t.ask("POST", f"{API}/sessions", {"template_id": "shell-basic", "mode": "ephemeral"}).json["session_id"]
    run(t, once, "ephemeral", "shell", "echo once; echo kept >f", {})
    leftovers.until(lambda: t.client.session(once)["status"] == "completed", 30, "it completes")
    run(t, once, "a second time", "shell", "echo twice", {})
    for ended in (once, session):
        t.ask("DELETE", f"{API}/sessions/{ended}")
        t.ask("DELETE", f"{API}/sessions/{ended}")
        t.ask("GET", f"{API}/sessions/{ended}")
        t.ask("GET", f"{API}/sessions/{ended}/files")
        t.ask("POST", f"{API}/sessions/{ended}/files/upload?path=late", b"x", RAW)
    t.ask("GET", f"{API}/sessions/{once}/files/f")
    for query in ("", "?limit=1", "?status=completed", "?template_id=all", "?agent_id=agent"):
        t.ask("GET", f"{API}/sessions{query}")
    t.ask("GET", f"{API}/sessions/{shared}/executions?limit=3")
    return t.lines


def on(database, storage, runtime):
    """The transcript of a daemon of its own on these backends."""
    chosen = {"SCP_TEST_DATABASE": database, "SCP_TEST_STORAGE": storage, "SCP_TEST_RUNTIME": runtime}
    with mock.patch.dict(os.environ, chosen):
        daemon = plane.Daemon()
        try:
            return tell(daemon)
        finally:
            daemon.close()


class SameResults(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.wanted = on("sqlite", "localfs", "oci")

    def same(self, *backends):
        self.assertGreater(len(self.wanted), 400, "it saw much")
        lines = on(*backends)
        if lines != self.wanted:
            self.fail("\n" + "\n".join(difflib.unified_diff(self.wanted, lines, "sqlite+localfs+oci", "+".join(backends), lineterm="", n=2)))

    def test_sqlite_localfs_oci_again(self):
        """What is different each time is known as such."""
        self.same("sqlite", "localfs", "oci")

    def test_sqlite_s3_oci(self):
        self.same("sqlite", "s3", "oci")

    def test_mariadb_s3_docker(self):
        self.same("mariadb", "s3", "docker")

    def test_mariadb_localfs_docker(self):
        self.same("mariadb", "localfs", "docker")

    def test_mariadb_localfs_oci(self):
        self.same("mariadb", "localfs", "oci")

    def test_sqlite_localfs_docker(self):
        self.same("sqlite", "localfs", "docker")


if __name__ == "__main__":
    unittest.main()
