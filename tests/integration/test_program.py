"""sandboxd as a program: what it says without serving, and what a service manager hands to it."""
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

import leftovers
import plane


class Program(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="g", dir=os.environ.get("SCP_TEST_SCRATCH"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.state = os.path.join(self.folder, "state")

    def say(self, code, *options, env=None):
        """What it writes to stdout, and to stderr, when it ends with `code`."""
        done = subprocess.run([plane.SANDBOXD, *options], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
                              check=False, env={**os.environ, **(env or {})})
        self.assertEqual(done.returncode, code, done)
        return done.stdout, done.stderr

    # ---- --check ----

    def test_check_says_what_would_be_used_and_which_limits_are_kept(self):
        out, err = self.say(0, "--check", "--state-dir", self.state)
        rows = [line.split() for line in out.splitlines()]
        for name in ("database", "storage", "runtime", "executor"):
            self.assertIn([name, "healthy"], [row[:2] for row in rows], out)
        for name in ("memory", "cpu", "processes", "network", "disk"):
            self.assertIn([name, "enforced"], [row[:2] for row in rows], out)
        self.assertTrue(out.endswith("sandboxd would work here.\n"), out)
        self.assertEqual(err, "")

    def test_what_start_would_refuse_check_finds(self):
        for option, value, name in (("executor", "/nowhere/at/all", "executor"), ("runtime", "oci:/nowhere/at/all", "runtime"),
                                    ("database", "sqlite:/proc/nowhere/state.db", "database"),
                                    ("storage", "file:/proc/nowhere", "storage")):
            with self.subTest(option):
                out, _ = self.say(1, "--check", "--state-dir", self.state, f"--{option}", value)
                self.assertIn([name, "unhealthy"], [line.split()[:2] for line in out.splitlines()], out)
                self.assertTrue(out.endswith("sandboxd would not work here.\n"), out)
                self.say(1, "--listen", f"unix:{self.folder}/sock", "--state-dir", self.state, f"--{option}", value)

    def test_check_of_an_impossible_folder_is_an_error_that_names_it(self):
        out, err = self.say(2, "--check", "--state-dir", "/proc/nowhere")
        self.assertEqual(out, "")
        self.assertIn("/proc/nowhere", err)

    # ---- what else it says ----

    def test_the_printed_config_can_be_read_back(self):
        out, _ = self.say(0, "--print-config", "--workers", "7", "--state-dir", self.state, "--cors-origin", "https://a.example")
        file = os.path.join(self.folder, "sandboxd.conf")
        with open(file, "w", encoding="utf-8") as f:
            f.write(out)
        os.chmod(file, 0o600)
        self.assertIn("\nworkers = 7\n", out)
        self.assertEqual(self.say(0, "--print-config", "--config", file)[0], out)

    def test_the_printed_document_is_openapi(self):
        document = json.loads(self.say(0, "--print-openapi")[0])
        self.assertTrue(document["openapi"].startswith("3."), document["openapi"])
        self.assertIn("/api/v1/sessions", document["paths"])

    def test_help_names_every_option_of_the_config(self):
        helped, _ = self.say(0, "--help")
        printed, _ = self.say(0, "--print-config")
        names = [line.lstrip("#").split(" =")[0] for line in printed.splitlines() if " = " in line and not line.startswith("# ")]
        self.assertGreater(len(names), 20)
        for name in names:
            self.assertIn(f"--{name}", helped)

    def test_migrate_makes_the_schema_and_may_be_repeated(self):
        os.mkdir(self.state, 0o700)
        for _ in range(2):
            self.assertEqual(self.say(0, "--migrate", "--state-dir", self.state), ("", ""))
        self.assertTrue(os.path.getsize(os.path.join(self.state, "state.db")))

    def test_wrong_options_are_2_and_named(self):
        for options in (("--nonsense",), ("--workers", "0"), ("--listen",), ("--check=yes",)):
            self.assertIn(options[0].split("=")[0].strip("-"), self.say(2, *options)[1])
        self.assertIn("--listen", self.say(1, "--state-dir", self.state, "--listen", "unix:relative")[1])

    # ---- what a service manager hands over ----

    def start(self, *options, fd=None, **env):
        """With `fd` as descriptor 3 and LISTEN_PID its own pid (unless it is given)."""
        script = ('[ -z "$HANDED" ] || eval "exec 3<&$HANDED"; : "${LISTEN_PID:=$$}"; export LISTEN_PID; '
                  'unset HANDED; exec "$@"')
        env = {**os.environ, **env, **({"HANDED": str(fd)} if fd else {})}
        process = subprocess.Popen(["bash", "-c", script, "bash", plane.SANDBOXD, "--state-dir", self.state, *options],
                                   env=env, pass_fds=(fd,) if fd else (), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True)
        self.addCleanup(lambda: (process.poll() is None and process.kill(), process.wait(), process.stderr.close()))
        return process

    def listener(self, path):
        made = socket.socket(socket.AF_UNIX)
        self.addCleanup(made.close)
        made.bind(path)
        made.listen(8)
        return made

    def answers(self, path):
        try:
            return plane.Client(path).ask("GET", f"{plane.API}/health/live", timeout=5).status == 200
        except OSError:
            return False

    def test_a_socket_that_is_handed_in_is_served_and_the_manager_told(self):
        path, told = os.path.join(self.folder, "handed"), os.path.join(self.folder, "told")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices:
            notices.bind(told)
            notices.settimeout(60)
            process = self.start(fd=self.listener(path).fileno(), LISTEN_FDS="1", NOTIFY_SOCKET=told)
            self.assertIn("READY=1", notices.recv(4096).decode())
            self.assertTrue(self.answers(path))
            process.send_signal(signal.SIGTERM)
            self.assertIn("STOPPING=1", notices.recv(4096).decode())
        self.assertEqual(process.wait(60), 0)
        self.assertTrue(os.path.exists(path), "the socket is its maker's, who keeps it")

    def test_what_is_no_listener_is_refused(self):
        with open("/dev/null", "rb") as null:
            process = self.start(fd=null.fileno(), LISTEN_FDS="1")
            self.assertIn("descriptor 3 is no listening stream socket", process.communicate(timeout=60)[1])
        self.assertEqual(process.returncode, 1)

    def test_sockets_of_another_process_are_left_alone(self):
        path, own = os.path.join(self.folder, "handed"), os.path.join(self.folder, "own")
        listener = self.listener(path)
        process = self.start("--listen", f"unix:{own}", fd=listener.fileno(), LISTEN_FDS="1", LISTEN_PID="1")
        leftovers.until(lambda: self.answers(own), 60, "it serves what it was told to")
        listener.settimeout(0)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
            listener.accept()[0].close()  # nobody else has taken it
        process.terminate()
        self.assertEqual(process.wait(60), 0)


if __name__ == "__main__":
    unittest.main()
