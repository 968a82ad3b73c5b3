"""sandboxd with a Docker engine: a session from beginning to end, on a real engine with images made on the spot."""
import concurrent.futures
import os
import subprocess
import sys
import tempfile
import time
import unittest

import leftovers
import plane
from plane import API

SERVICE = os.path.join(plane.ROOT, "tests", "services", "docker.sh")


class Docker(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="scp-docker-", dir="/var/tmp")
        cls.addClassCleanup(subprocess.run, ["rm", "-rf", "--one-file-system", cls.folder], check=False)
        cls.addClassCleanup(subprocess.run, [SERVICE, "stop", cls.folder], check=False)
        started = subprocess.run([SERVICE, "start", cls.folder], stdout=subprocess.PIPE, text=True, check=True)
        cls.url = started.stdout.strip()
        cls.daemon = plane.Daemon("--runtime", cls.url, "--seed-image", "shell-basic=scp-test/box")
        cls.addClassCleanup(cls.daemon.close)
        cls.client = cls.daemon.client

    def engine(self, method, path):
        return plane.Client(os.path.join(self.folder, "docker.sock")).ask(method, f"/v1.40{path}")

    def containers(self):
        return self.engine("GET", "/containers/json?all=1").json

    def session(self, template="shell-basic", **fields):
        session_id = self.client.create(template, **fields)
        self.addCleanup(self.client.delete, session_id)
        return session_id

    def shell(self, session_id, code, **fields):
        return self.client.run(session_id, code, "shell", **fields)

    def template(self, name, image):
        return self.client.must(201, "POST", f"{API}/templates",
                                {"id": name, "name": name, "image": image, "languages": ["shell"]})

    def test_a_session_runs_code_takes_files_and_gives_them_back(self):
        session_id = self.session()
        self.assertEqual(self.client.session(session_id)["runtime_type"], "docker")
        self.client.upload(session_id, "in/a.txt", b"one\ntwo\n")
        result = self.shell(session_id, "wc -l <in/a.txt; echo made >out.txt; id -u; pwd; echo oops >&2; exit 3")
        self.assertEqual((result["status"], result["exit_code"]), ("failed", 3), result)
        self.assertEqual(result["stdout"], "2\n1000\n/workspace\n")
        self.assertEqual(result["stderr"], "oops\n")
        self.assertEqual([a["path"] for a in result["artifacts"]], ["out.txt"])
        self.assertEqual(self.client.download(session_id, "out.txt"), b"made\n")
        self.client.must(204, "DELETE", self.client.file_url(session_id, "out.txt"))
        self.assertEqual(self.shell(session_id, "ls")["stdout"], "in\n")

    def test_code_is_behind_the_wall(self):
        session_id = self.session(resources={"memory": "256Mi", "disk": "1Gi", "max_processes": 40})
        self.assertEqual(self.shell(session_id, "grep -E '^(Cap|NoNew|Seccomp:)' /proc/self/status | cut -f2 | sort -u")["stdout"],
                         "0000000000000000\n1\n2\n")
        self.assertEqual(self.shell(session_id, "grep -c ' /workspace ext4 rw,nosuid,nodev' /proc/mounts")["stdout"], "1\n")
        self.assertEqual(self.shell(session_id, "cut -d: -f1 /proc/net/dev | tail -n +3 | tr -d ' '")["stdout"], "lo\n")
        self.assertEqual(self.shell(session_id, "for d in / /bin /etc /sys /.sandbox; do touch $d/x 2>&-; done; ls /sys; ls /.sandbox/run")["stdout"], "")
        bomb = self.shell(session_id, "i=0; while [ $i -lt 100 ]; do sleep 9 & i=$((i+1)); done", timeout=5)
        self.assertNotEqual(bomb["status"], "success", bomb)
        eater = self.shell(session_id, "dd if=/dev/zero of=/dev/null bs=600M count=1", timeout=20)
        self.assertNotEqual(eater["status"], "success", eater)
        self.assertEqual(self.shell(session_id, "echo alive")["stdout"], "alive\n")

    def test_an_execution_whose_container_is_killed_is_run_again(self):
        session_id = self.session()
        before = self.client.session(session_id)["container_id"]
        execution = self.client.submit(session_id, "echo x >>tries; test $(wc -l <tries) -gt 1 || sleep 60; echo over", "shell")
        leftovers.until(lambda: self.client.ask("GET", self.client.file_url(session_id, "tries")).status == 200, 30, "it runs")
        self.assertEqual(self.engine("POST", f"/containers/{before}/kill").status, 204)
        result = self.client.result(execution)
        self.assertEqual((result["status"], result["stdout"]), ("success", "over\n"), result)
        self.assertNotEqual(self.client.session(session_id)["container_id"], before)

    def test_a_killed_daemon_finds_its_containers_and_their_results_again(self):
        session_id = self.session()
        before = self.client.session(session_id)["container_id"]
        execution = self.client.submit(session_id, "echo x >>began; sleep 2; cat began", "shell")
        leftovers.until(lambda: self.client.ask("GET", self.client.file_url(session_id, "began")).status == 200, 30, "it runs")
        self.daemon.kill()
        self.daemon.start()
        self.assertEqual(self.client.result(execution)["stdout"], "x\n")
        self.assertEqual(self.client.session(session_id)["container_id"], before)

    def test_twenty_sessions_at_once(self):
        def one(_):
            session_id = self.client.create("shell-basic", resources={"memory": "256Mi"})
            out = self.shell(session_id, "echo $((6 * 7))")["stdout"]
            self.client.delete(session_id)
            return out
        begin = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            self.assertEqual(list(pool.map(one, range(20))), ["42\n"] * 20)
        print(f"20 sessions at once, made, run and ended: {time.monotonic() - begin:.1f} s", file=sys.stderr, flush=True)

    def test_a_hostile_image_changes_nothing(self):
        self.template("hostile", "scp-test/hostile")
        session_id = self.session("hostile")
        self.assertEqual(self.shell(session_id, "id -u; pwd; touch /data/x /tmp/x; hostname; echo $LD_PRELOAD")["stdout"],
                         "1000\n/workspace\nsandbox\n\n")

    def test_an_image_that_can_t_be_had_is_named(self):
        self.template("nowhere", "127.0.0.1:1/none/such:1")
        answer = self.client.must(201, "POST", f"{API}/sessions?wait=60", {"template_id": "nowhere"}).json
        self.assertEqual(answer["status"], "failed", answer)
        self.assertIn("127.0.0.1:1/none/such:1", str(answer["error"]))

    def test_the_host_is_no_image_here(self):
        answer = self.client.must(201, "POST", f"{API}/sessions?wait=60", {"template_id": "python-basic"}).json
        self.assertEqual(answer["status"], "failed", answer)
        self.assertIn("docker runtime runs images of its engine", str(answer["error"]))

    def test_a_session_s_end_leaves_nothing_in_the_engine(self):
        session_id = self.client.create("shell-basic")
        name = self.client.session(session_id)["container_id"]
        self.assertIn(f"/{name}", [n for c in self.containers() for n in c["Names"]])
        self.client.delete(session_id)
        leftovers.until(lambda: f"/{name}" not in [n for c in self.containers() for n in c["Names"]], 30, "it is gone")

    def test_check_says_which_engine_or_that_there_is_none(self):
        def check(url):
            return subprocess.run([plane.SANDBOXD, "--check", "--state-dir", self.folder + "/other", "--runtime", url],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=120)
        done = check(self.url)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertRegex(done.stdout, r"Docker Engine \S+ by API 1\.4\d")
        done = check("docker:unix:///nonexistent/docker.sock")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("the Docker engine at /nonexistent/docker.sock", done.stdout)
        self.assertIn("--runtime", done.stdout)
        done = check("docker:tcp://127.0.0.1:2376")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("cert_file", done.stdout)

    def test_speed_beside_docker_run(self):
        """Figures, not a bar: printed for whoever looks at the log."""
        ours, theirs = [], []
        for _ in range(5):
            begin = time.monotonic()
            session_id = self.client.create("shell-basic")
            self.client.run(session_id, "true", "shell")
            ours.append(time.monotonic() - begin)
            self.client.delete(session_id)
            begin = time.monotonic()
            made = plane.Client(os.path.join(self.folder, "docker.sock")).ask(
                "POST", "/v1.40/containers/create", {"Image": "scp-test/box", "Cmd": ["true"], "HostConfig": {"NetworkMode": "none"}}).json["Id"]
            self.engine("POST", f"/containers/{made}/start")
            self.engine("POST", f"/containers/{made}/wait")
            theirs.append(time.monotonic() - begin)
            self.engine("DELETE", f"/containers/{made}")
        print(f"cold session and `true`: {min(ours) * 1e3:.0f}-{max(ours) * 1e3:.0f} ms; the engine alone, create, start, wait: "
              f"{min(theirs) * 1e3:.0f}-{max(theirs) * 1e3:.0f} ms", file=sys.stderr, flush=True)

    def test_z_an_engine_that_is_killed_comes_back_and_so_do_sessions(self):
        session_id = self.session()
        self.client.upload(session_id, "kept", b"kept")
        execution = self.client.submit(session_id, "echo x >>tries; test $(wc -l <tries) -gt 1 || sleep 600; cat tries", "shell", timeout=900)
        leftovers.until(lambda: self.client.ask("GET", self.client.file_url(session_id, "tries")).status == 200, 30, "it runs")
        subprocess.run([SERVICE, "kill", self.folder], check=True)
        answer = self.client.must(201, "POST", f"{API}/sessions?wait=1", {"template_id": "shell-basic"})
        during = answer.json["session_id"]
        self.assertNotEqual(answer.json["status"], "running")
        subprocess.run([SERVICE, "revive", self.folder], check=True)
        result = self.client.result(execution)
        self.assertEqual((result["status"], result["stdout"]), ("success", "x\nx\n"), result)
        self.assertEqual(self.shell(session_id, "cat kept")["stdout"], "kept")
        for one in (session_id, during):
            self.client.delete(one)
        leftovers.until(lambda: not self.containers(), 60, lambda: f"no container: {self.containers()}")


if __name__ == "__main__":
    unittest.main()
