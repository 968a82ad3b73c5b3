#!/usr/bin/env python3
"""bench.py BUILD [SCALE]: speed figures through the library and through HTTP, against the design's budget.

Nothing fails for being slow: figures are printed. Through HTTP they are wrk's, on one keep-alive connection unless a
line says otherwise. BENCH_MANY=N adds N idle sessions and what they weigh.
"""
import concurrent.futures
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

API = "/api/v1"
UPLOAD_BYTES = 100 << 20
POST_LUA = """
wrk.method = "POST"
wrk.body = '%s'
wrk.headers["Content-Type"] = "application/json"
local bad = 0
function response(status) if status >= 300 then bad = bad + 1; if bad < 4 then print("status " .. status) end end end
"""


def line(name, value, unit="", bound=""):
    print(f"{name:<58} {value:>9} {'':>9} {unit:<4} {bound}", flush=True)


class Daemon:
    def __init__(self, build, *options):
        self.folder = tempfile.mkdtemp(prefix="scp-bench-", dir="/var/tmp")
        read, write = os.pipe()
        with open(os.path.join(self.folder, "log"), "wb") as log:
            self.process = subprocess.Popen(
                [os.path.join(build, "daemon", "sandboxd"), "--listen", "127.0.0.1:0", "--state-dir",
                 os.path.join(self.folder, "state"), "--ready-fd", str(write), *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=(write,))
        os.close(write)
        with os.fdopen(read) as ready:
            self.address = ready.readline().strip()
        if not self.address:
            with open(os.path.join(self.folder, "log"), encoding="utf-8", errors="replace") as log:
                sys.exit(f"sandboxd didn't start: {log.read()[-2000:]}")

    def connection(self):
        return http.client.HTTPConnection(self.address, timeout=300)

    def ask(self, method, path, body=None):
        connection = self.connection()
        data = json.dumps(body).encode() if body is not None else None
        connection.request(method, API + path, data, {"Content-Type": "application/json"} if data else {})
        response = connection.getresponse()
        text = response.read()
        connection.close()
        if response.status >= 300:
            sys.exit(f"{method} {path}: {response.status} {text[:300]!r}")
        return json.loads(text)

    def create(self, template="shell-basic"):
        session = self.ask("POST", "/sessions?wait=60", {"template_id": template})
        if session["status"] != "running":
            sys.exit(f"no session: {session}")
        return session["session_id"]

    def end_all(self):
        while True:
            live = [s["session_id"] for status in ("creating", "running")
                    for s in self.ask("GET", f"/sessions?status={status}&limit=200")["sessions"]]
            if not live:
                break
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                list(pool.map(lambda s: self.ask("DELETE", f"/sessions/{s}"), live))
        ended = time.monotonic()
        while any(s["container_id"] for s in self.ask("GET", "/sessions?status=terminated&limit=200")["sessions"]):
            if time.monotonic() - ended > 120:
                break
            time.sleep(0.1)

    def status(self, field):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as f:
            return int(re.search(rf"{field}:\s+(\d+)", f.read()).group(1))

    def close(self):
        self.end_all()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        shutil.rmtree(self.folder, ignore_errors=True)


def to_ms(text):
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def wrk(daemon, name, path, body=None, connections=1, seconds=4, bound="", rate_bound=""):
    command = ["wrk", "--latency", "-t1", f"-c{connections}", f"-d{seconds}", f"http://{daemon.address}{API}{path}"]
    if body is not None:
        script = os.path.join(daemon.folder, "post.lua")
        with open(script, "w", encoding="ascii") as f:
            f.write(POST_LUA % json.dumps(body))
        command[1:1] = ["-s", script]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    p50, p99 = (to_ms(re.search(rf"^\s+{q}%\s+(\S+)", out, re.M).group(1)) for q in ("50", "99"))
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))
    wrong = re.findall(r"status \d+|Non-2xx.*", out)
    print(f"{name:<58} {p50:>9.3f} {p99:>9.3f} ms   {bound}", flush=True)
    line("  a second", f"{rate:.0f}", "/s", rate_bound)
    if wrong:
        line("  ANSWERS THAT ARE ERRORS", " ".join(wrong))


class Peak(threading.Thread):
    """The daemon's greatest resident size while something goes on."""

    def __init__(self, daemon):
        super().__init__()
        self.daemon_process, self.before, self.peak = daemon, daemon.status("VmRSS"), 0
        self.over = threading.Event()

    def run(self):
        while not self.over.wait(0.01):
            self.peak = max(self.peak, self.daemon_process.status("VmRSS"))

    def grown_mib(self):
        self.over.set()
        self.join()
        return max(0, self.peak - self.before) / 1024


def upload(daemon, session, path):
    block = b"x" * (1 << 20)
    connection = daemon.connection()
    connection.putrequest("POST", f"{API}/sessions/{session}/files/upload?path={path}")
    connection.putheader("Content-Type", "application/octet-stream")
    connection.putheader("Content-Length", str(UPLOAD_BYTES))
    connection.endheaders()
    for _ in range(UPLOAD_BYTES >> 20):
        connection.send(block)
    response = connection.getresponse()
    text = response.read()
    connection.close()
    if response.status != 200:
        sys.exit(f"upload: {response.status} {text[:300]!r}")


def download(daemon, session, path):
    connection = daemon.connection()
    connection.request("GET", f"{API}/sessions/{session}/files/{path}")
    response = connection.getresponse()
    got = 0
    while chunk := response.read(1 << 20):
        got += len(chunk)
    connection.close()
    if got != UPLOAD_BYTES:
        sys.exit(f"download: {response.status}, {got} bytes")


def transfer(daemon, name, work, session, count):
    peak = Peak(daemon)
    peak.start()
    begun = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        list(pool.map(lambda i: work(daemon, session, f"f{i}"), range(count)))
    took = time.monotonic() - begun
    grown = peak.grown_mib()
    line(name, f"{count * (UPLOAD_BYTES >> 20) / took:.0f}", "MiB/s")
    line("  sandboxd grew by", f"{grown:.1f}", "MiB", "<= 8")


def measure_requests(daemon):
    session = daemon.create()
    wrk(daemon, "GET /health/live (the server alone)", "/health/live")
    wrk(daemon, "GET /sessions/{id}", f"/sessions/{session}")
    wrk(daemon, "GET /sessions/{id}, 32 connections", f"/sessions/{session}", connections=32, rate_bound=">= 20,000")
    run = {"code": "/bin/true", "language": "shell"}
    wrk(daemon, "POST .../execute?wait=60, /bin/true", f"/sessions/{session}/execute?wait=60", run, bound="<= 1.5 ms p50")
    wrk(daemon, "POST .../execute?wait=60, /bin/true, 8 connections", f"/sessions/{session}/execute?wait=60", run, 8)
    daemon.end_all()


def measure_transfers(daemon):
    session = daemon.create()
    transfer(daemon, "upload of 100 MiB", upload, session, 1)
    transfer(daemon, "download of 100 MiB", download, session, 1)
    transfer(daemon, "8 uploads at once", upload, session, 8)
    transfer(daemon, "8 downloads at once", download, session, 8)
    daemon.end_all()


def executors():
    """Processes of sandboxes and their proportional size, in KiB."""
    count = kib = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                if not f.read().startswith(b"/.sandbox/executor\0"):
                    continue
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
                kib += int(re.search(r"Pss:\s+(\d+)", f.read()).group(1))
            count += 1
        except OSError:
            pass
    return count, kib


def available_kib():
    with open("/proc/meminfo", encoding="ascii") as f:
        return int(re.search(r"MemAvailable:\s+(\d+)", f.read()).group(1))


def measure_many(daemon, many):
    processes, kib = executors()
    free, rss = available_kib(), daemon.status("VmRSS")
    begun = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: daemon.create(), range(many)))
    line(f"{many} sessions, all running after", f"{time.monotonic() - begun:.1f}", "s")
    time.sleep(2)
    now_processes, now_kib = executors()
    line("  sandboxd, resident", f"{daemon.status('VmRSS') / 1024:.1f}", "MiB", "<= 64 with 1,000")
    line("  of that a session", f"{(daemon.status('VmRSS') - rss) / many:.1f}", "KiB")
    line("  threads of sandboxd", daemon.status("Threads"))
    line("  an idle sandbox's processes (PSS)", f"{(now_kib - kib) / 1024 / many:.2f}", "MiB", "<= 3")
    line("  an idle sandbox on the whole machine (MemAvailable)", f"{(free - available_kib()) / 1024 / many:.2f}", "MiB")
    line("  processes an idle sandbox", f"{(now_processes - processes) / many:.1f}")
    begun = time.process_time(), daemon_cpu(daemon), time.monotonic()
    time.sleep(5)
    line("  sandboxd's idle load", f"{(daemon_cpu(daemon) - begun[1]) / (time.monotonic() - begun[2]) * 100:.1f}", "% of a CPU")
    daemon.end_all()


def daemon_cpu(daemon):
    with open(f"/proc/{daemon.process.pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    build = os.path.realpath(sys.argv[1])
    scale = sys.argv[2] if len(sys.argv) > 2 else "1"
    many = int(os.environ.get("BENCH_MANY", "0"))
    only = os.environ.get("BENCH_HTTP_ONLY", "requests,transfers,many").split(",")
    os.environ.setdefault("SANDBOXCP_EXECUTOR", os.path.join(build, "daemon", "sandbox-executor"))
    if "BENCH_HTTP_ONLY" not in os.environ:
        subprocess.run([os.path.join(build, "tests", "bench", "bench_library"), scale], check=True)
    print("\nthrough HTTP" + " " * 53 + "p50       p99", flush=True)
    daemon = Daemon(build, "--log-level", "warn", "--max-sessions", str(max(many, 1000)))
    try:
        if "requests" in only:
            measure_requests(daemon)
        if "transfers" in only:
            measure_transfers(daemon)
        if many:
            measure_many(daemon, many)
    finally:
        daemon.close()


if __name__ == "__main__":
    main()
