#!/usr/bin/env python3
"""bench_backends.py BUILD [DATABASE+STORAGE+docker]...: sessions in a Docker engine's containers beside the engine's own client.

For each combination, in one run and by turns: a cold session beside `docker run`, an empty handler's result beside
`docker exec` of the same interpreter in the same image; and submissions by 50 clients. Nothing fails for being slow.
"""
import os
import re
import statistics
import subprocess
import sys
import time

if len(sys.argv) < 2:
    sys.exit(__doc__)
HERE = os.path.dirname(os.path.abspath(__file__))
os.environ["SCP_BUILD_DIR"] = os.path.realpath(sys.argv[1])
sys.path[:0] = [os.path.join(HERE, "..", "e2e"), os.path.join(HERE, "..", "services")]
import backends  # noqa: E402
import bench  # noqa: E402
import mariadb  # noqa: E402
import plane  # noqa: E402

ROUNDS = 40
CLIENTS = 50
HANDLER = {"language": "python", "code": "def handler(event):\n    pass"}
LUA = """
local paths = { %s }
local n = 0
wrk.method = "POST"
wrk.body = '{"code": "true", "language": "shell"}'
wrk.headers["Content-Type"] = "application/json"
function delay() return math.random(0, %d) end
function request() n = n %% #paths + 1 return wrk.format(nil, paths[n]) end
local bad = 0
function response(status) if status >= 300 then bad = bad + 1; if bad < 4 then print("status " .. status) end end end
"""


def timed(fn):
    begun = time.monotonic()
    fn()
    return (time.monotonic() - begun) * 1e3


def show(name, times, beside=None):
    """Median and p99, and how many times what it stands beside that is."""
    times, ratio = sorted(times), ""
    if beside:
        ratio = f"{statistics.median(times) / statistics.median(beside):6.2f} x"
    print(f"{name:<58} {statistics.median(times):>9.2f} {times[min(len(times) - 1, int(len(times) * 0.99))]:>9.2f} ms   {ratio}", flush=True)


class Bench:
    def __init__(self, combination):
        os.environ.update(zip(("SCP_TEST_DATABASE", "SCP_TEST_STORAGE", "SCP_TEST_RUNTIME"), combination.split("+")))
        self.address = f"127.0.0.1:{mariadb.free_port()}"
        self.daemon = plane.Daemon("--log-level", "warn", "--max-pending-per-session", "1000", "--listen", self.address)
        self.client = self.daemon.client
        self.engine, self.image = plane.backends.engine, backends.IMAGE

    def docker(self, *arguments):
        return subprocess.run(["docker", "-H", f"unix://{self.engine.socket}", *arguments], check=True, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL).stdout.strip()

    def cold(self):
        """Until code could run in it."""
        ours, theirs = [], []
        for _ in range(ROUNDS // 2):
            made = []
            theirs.append(timed(lambda: made.append(self.docker("run", "-d", "--network", "none", self.image, "sleep", "600"))))
            self.docker("rm", "-f", made[0])
            ours.append(timed(lambda: made.append(self.client.create("shell-basic"))))
            self.client.delete(made[1])
        show("docker run -d", theirs)
        show("cold session, running", ours, theirs)

    def empty_handler(self):
        ours, theirs, bare = [], [], []
        session = self.client.create("python-basic")
        container = self.docker("run", "-d", "--network", "none", self.image, "sleep", "600")
        for _ in range(ROUNDS):
            bare.append(timed(lambda: self.docker("exec", container, "true")))
            theirs.append(timed(lambda: self.docker("exec", container, "python3", "-I", "-c", "import json")))
            ours.append(timed(lambda: self.client.run(session, **HANDLER)))
        self.docker("rm", "-f", container)
        self.client.delete(session)
        show("docker exec true", bare)
        show("docker exec python3 -I -c 'import json'", theirs)
        show("an empty handler's result", ours, theirs)

    def submissions(self):
        """By as many clients, each with a session of its own: first with time between two, then as fast as it goes."""
        sessions = [self.client.create("shell-basic", resources={"memory": "256Mi", "cpu": "0.5"}) for _ in range(CLIENTS)]
        for pause_ms in (1000, 0):
            self.submit(sessions, pause_ms)
        self.daemon.end_sessions()

    def submit(self, sessions, pause_ms):
        script = os.path.join(self.daemon.folder, "submit.lua")
        with open(script, "w", encoding="ascii") as f:
            f.write(LUA % (", ".join(f'"{plane.API}/sessions/{s}/execute"' for s in sessions), pause_ms))
        out = subprocess.run(["wrk", "--latency", "-t1", f"-c{CLIENTS}", "-d10s", "-s", script, f"http://{self.address}"],
                             check=True, capture_output=True, text=True).stdout
        p50, p99 = (bench.to_ms(re.search(rf"^\s+{q}%\s+(\S+)", out, re.M).group(1)) for q in ("50", "99"))
        rate = re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)
        print(f"{f'a submission, {CLIENTS} clients, {rate} a second':<58} {p50:>9.2f} {p99:>9.2f} ms   the usual bar is 100 ms p99", flush=True)
        wrong = re.findall(r"status \d+|Non-2xx.*", out)
        if wrong:
            print("  ANSWERS THAT ARE ERRORS", *wrong)


def main():
    combinations = sys.argv[2:] or ["mariadb+s3+docker", "mariadb+localfs+docker"]
    for combination in combinations:
        bench_run = Bench(combination)
        print(f"\n{f'on {combination}':<58} {'p50':>9} {'p99':>9}", flush=True)
        try:
            bench_run.cold()
            bench_run.empty_handler()
            bench_run.submissions()
        finally:
            bench_run.daemon.close()


if __name__ == "__main__":
    main()
