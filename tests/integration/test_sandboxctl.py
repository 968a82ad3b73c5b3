"""The command line, over a daemon and embedded."""
import json
import os
import pty
import re
import select
import signal
import subprocess
import tempfile
import unittest

import case
import leftovers
import plane


ALLOWED = [] if os.geteuid() == 0 else ["--allow-unenforced", "disk"]


class Common:
    """Each case once for each way to reach a plane."""

    def ctl(self, *words, stdin=None, expect=0, text=True):
        done = subprocess.run([plane.SANDBOXCTL, *words, *self.where()], input=stdin if stdin is not None else "" if text else b"", capture_output=True, text=text, timeout=120,
                              env={**os.environ, **self.environment()}, check=False)
        if expect is not None:
            self.assertEqual(done.returncode, expect, done)
        return done

    def environment(self):
        return {}

    def file(self, name, content):
        path = os.path.join(self.folder.name, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(content)
        return path

    def live(self):
        return json.loads(self.ctl("ps", "--json").stdout)["sessions"]

    def test_run_streams_and_ends_as_the_code_does(self):
        done = self.ctl("run", self.file("x.py", "import sys\nprint('out')\nprint('err', file=sys.stderr)\nsys.exit(3)"), expect=3)
        self.assertEqual((done.stdout, done.stderr), ("out\n", "err\n"))
        self.assertEqual(self.live(), [])

    def test_run_takes_a_handlers_event_and_prints_its_value(self):
        done = self.ctl("run", self.file("h.py", "def handler(e):\n    print('log')\n    return {'sum': sum(e)}"), "--event", "[1, 2]")
        self.assertEqual(done.stdout, 'log\n{"sum":3}\n')

    def test_a_value_of_64_levels_and_a_long_integer_are_printed_as_they_are(self):
        deep = "[" * 64 + "1" + "]" * 64
        code = self.file("deep.py", f"def handler(e):\n    return e or {deep}")
        self.assertEqual(self.ctl("run", code).stdout, deep + "\n")
        self.assertEqual(json.loads(self.ctl("run", code, "--json").stdout)["return_value"], json.loads(deep))
        self.assertEqual(self.ctl("run", code, "--event", "[9007199254740993]").stdout, "[9007199254740993]\n")

    def test_run_reads_code_from_stdin_by_its_first_line(self):
        self.assertEqual(self.ctl("run", "-", stdin="#!/bin/sh\necho $((6*7))").stdout, "42\n")
        self.assertEqual(self.ctl("run", "-", "-l", "javascript", stdin="console.log(6*7)").stdout, "42\n")
        self.assertEqual(self.ctl("run", "-c", "echo $A", "-l", "shell", "-E", "A=b c").stdout, "b c\n")

    def test_run_gives_its_stdin_to_the_code(self):
        self.assertEqual(self.ctl("run", "-c", "tr a-z A-Z", "-l", "shell", "-i", "-", stdin="hello").stdout, "HELLO")

    def test_signals_and_timeouts_have_their_codes(self):
        self.assertIn("timeout", self.ctl("run", "-c", "echo p; sleep 60", "-l", "shell", "-T", "1", expect=124).stderr)
        self.ctl("run", "-c", "kill -9 $$", "-l", "shell", expect=137)

    def test_json_prints_the_result_alone(self):
        r = json.loads(self.ctl("run", "-c", "print('x'); raise SystemExit(2)", "-l", "python", "--json", expect=2).stdout)
        self.assertEqual((r["status"], r["stdout"], r["exit_code"]), ("failed", "x\n", 2))

    def test_a_session_and_all_that_can_be_done_with_it(self):
        s = self.ctl("session", "create", "-t", "shell-basic", "--wait", "60").stdout.strip()
        self.assertRegex(s, r"^sess_[a-z0-9]{16}$")
        local = self.file("data.txt", "some data\n")
        self.ctl("cp", local, f"{s}:in/")
        self.assertEqual(self.ctl("exec", s, "-c", "cat in/data.txt; echo made >out.txt", "-l", "shell").stdout, "some data\n")
        self.assertEqual(self.ctl("cp", f"{s}:out.txt", "-").stdout, "made\n")
        self.ctl("cp", f"{s}:out.txt", self.folder.name)
        with open(os.path.join(self.folder.name, "out.txt"), encoding="utf-8") as f:
            self.assertEqual(f.read(), "made\n")
        self.ctl("cp", "-", f"{s}:piped", stdin="through a pipe")
        self.assertEqual(self.ctl("cp", f"{s}:piped", "-").stdout, "through a pipe")
        e = self.ctl("exec", s, "-c", "echo later; echo err >&2", "-l", "shell", "--detach").stdout.strip()
        logs = self.ctl("logs", e)
        self.assertEqual((logs.stdout, logs.stderr), ("later\n", "err\n"))
        self.assertIn(s, self.ctl("ps").stdout)
        self.assertIn(e, self.ctl("ps", "--all").stdout)
        self.assertIn("running", self.ctl("session", "get", s).stdout)
        self.assertEqual(json.loads(self.ctl("session", "get", s, "--json").stdout)["session_id"], s)
        self.assertIn(s, self.ctl("session", "list", "--status", "running").stdout)
        self.ctl("session", "keepalive", s, "--extend", "600")
        self.assertEqual(self.ctl("session", "delete", s).stdout, f"{s} terminated\n")
        self.assertEqual(self.live(), [])

    def test_errors_say_what_to_do(self):
        done = self.ctl("session", "get", "sess_0000000000000000", expect=1)
        self.assertIn("sess_0000000000000000", done.stderr)
        self.assertIn("hint:", done.stderr)
        done = self.ctl("cp", "/nowhere/at/all", "sess_0000000000000000:x", expect=1)
        self.assertIn("/nowhere/at/all", done.stderr)

    def test_a_binary_file_travels_unchanged(self):
        s = self.ctl("session", "create", "-t", "shell-basic").stdout.strip()
        data = os.urandom(3 << 20)
        self.ctl("cp", "-", f"{s}:b", stdin=data, text=False)
        self.assertEqual(self.ctl("cp", f"{s}:b", "-", text=False).stdout, data)
        self.ctl("session", "delete", s)

    def test_output_with_nul_bytes_does_not_hide_the_end(self):
        self.ctl("run", "-c", "import os; os.write(1, bytes(range(256))); os._exit(9)", "-l", "python", expect=9, text=False)

    def test_an_interrupt_ends_the_session_and_the_command(self):
        p = subprocess.Popen([plane.SANDBOXCTL, "run", "-c", "echo begun; sleep 100", "-l", "shell", *self.where()], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(p.stdout.readline(), b"begun\n")
        p.send_signal(signal.SIGINT)
        p.communicate(timeout=60)
        self.assertEqual(p.returncode, 130)
        self.assertEqual(self.live(), [])


class Remote(Common, case.PlaneCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(dir=os.environ.get("SCP_TEST_SCRATCH"))
        self.addCleanup(self.folder.cleanup)

    def where(self):
        return ["--server", f"unix:{self.daemon.socket}"]

    def test_output_comes_as_it_is_made(self):
        p = subprocess.Popen([plane.SANDBOXCTL, "run", "-c", "echo first; while [ ! -e go ]; do sleep 0.05; done; echo second", "-l", "shell", *self.where()],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(p.stdout.readline(), b"first\n")
        self.client.upload(self.daemon.sessions("running")[0]["session_id"], "go", b"")
        self.assertEqual(p.communicate(timeout=60), (b"second\n", b""))

    def test_keep_leaves_the_session(self):
        done = self.ctl("run", "-c", "echo x >file", "-l", "shell", "--keep")
        session = re.search(r"sess_\w+", done.stderr)[0]
        self.assertEqual(self.client.download(session, "file"), b"x\n")
        self.client.delete(session)

    def test_a_spinner_turns_on_a_terminal(self):
        main, sub = pty.openpty()
        p = subprocess.Popen([plane.SANDBOXCTL, "run", "-c", "sleep 1; echo done", "-l", "shell", *self.where()], stdout=subprocess.PIPE, stderr=sub)
        os.close(sub)
        seen = b""
        while select.select([main], [], [], 60)[0]:
            try:
                more = os.read(main, 4096)
            except OSError:
                break
            if not more:
                break
            seen += more
        self.assertEqual(p.communicate(timeout=60)[0], b"done\n")
        os.close(main)
        self.assertIn("⠋".encode(), seen)
        self.assertTrue(seen.endswith(b"\r\x1b[K"), seen[-40:])

    def test_it_goes_on_when_the_daemon_restarts(self):
        p = subprocess.Popen([plane.SANDBOXCTL, "run", "-c", "for i in 1 2 3 4 5; do echo $i; sleep 0.5; done", "-l", "shell", *self.where()],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        first = p.stdout.readline()
        self.daemon.kill()
        self.daemon.start()
        out, err = p.communicate(timeout=60)
        self.assertEqual((first + out, p.returncode), (b"1\n2\n3\n4\n5\n", 0), err)

    def test_without_a_daemon_it_says_how_to_have_one(self):
        done = subprocess.run([plane.SANDBOXCTL, "ps", "--server", "unix:/nowhere.sock"], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("hint:", done.stderr)
        self.assertIn("--embedded", done.stderr)

    def test_usage_errors_are_2(self):
        for words in ([], ["nonsense"], ["run"], ["ps", "extra"], ["run", "x.rb"], ["cp", "a", "b"], ["exec"], ["run", "--nonsense"], ["ps", "--event", "{}"],
                      ["session"], ["run", "-c", "x", "-l", "ruby"], ["run", "-c", "x", "-l", "shell", "--event", "{"], ["run", "-c", "1", "-l", "shell", "-E", "A"]):
            with self.subTest(words=words):
                done = subprocess.run([plane.SANDBOXCTL, *words], capture_output=True, text=True, timeout=60, check=False)
                if words == ["run", "x.rb"]:
                    self.assertEqual(done.returncode, 1)  # there is no such file
                else:
                    self.assertEqual(done.returncode, 2, done)
                self.assertIn("hint:", done.stderr)
                self.assertEqual(done.stdout, "")

    def test_every_command_has_help(self):
        top = subprocess.run([plane.SANDBOXCTL, "--help"], capture_output=True, text=True, timeout=60, check=True).stdout
        names = re.findall(r"^  ([a-z]+(?: [a-z]+)?)  ", top, re.M)
        self.assertGreaterEqual(len(names), 11)
        for name in names:
            with self.subTest(command=name):
                out = subprocess.run([plane.SANDBOXCTL, *name.split(), "--help"], capture_output=True, text=True, timeout=60, check=True).stdout
                self.assertIn(f"usage: sandboxctl {name}", out)

    def test_doctor_finds_this_machine_fit(self):
        done = subprocess.run([plane.SANDBOXCTL, "doctor", "--json", "--state-dir", self.folder.name, *ALLOWED], capture_output=True, text=True, timeout=120, check=False)
        report = json.loads(done.stdout)
        self.assertTrue(report["ok"], report)
        self.assertEqual(done.returncode, 0)
        names = {c["name"] for c in report["checks"]}
        self.assertTrue({"kernel", "cgroups", "user namespaces", "seccomp", "loop devices", "state folder", "port", "runtime program"} <= names, names)

    def test_an_ordinary_user_is_told_what_is_missing_and_how_to_mend_it(self):
        """nobody has no login, and no range of ids."""
        home = tempfile.TemporaryDirectory(dir="/var/tmp")
        self.addCleanup(home.cleanup)
        os.chmod(home.name, 0o777)
        if os.geteuid():
            self.skipTest("only root can be somebody else")
        nobody = {"user": 65534, "group": 65534, "extra_groups": (), "env": {"HOME": home.name, "PATH": os.environ["PATH"]},
                  "capture_output": True, "text": True, "timeout": 120, "check": False}
        try:
            done = subprocess.run([plane.SANDBOXCTL, "doctor", "--json"], **nobody)
        except PermissionError as error:
            self.skipTest(f"another user can't see the build: {error}")
        bad = {c["name"]: c for c in json.loads(done.stdout)["checks"] if c["status"] == "fail"}
        self.assertEqual(done.returncode, 1)
        self.assertTrue({"login", "host ids", "runtime", "disk"} <= set(bad), bad)
        self.assertTrue(all(c["fix"] for c in bad.values()), bad)
        self.assertIn("--allow-unenforced disk", bad["disk"]["fix"])
        done = subprocess.run([plane.SANDBOXD, "--listen", f"unix:{home.name}/socket", "--allow-unenforced", "disk"], **nobody)
        self.assertEqual(done.returncode, 1, done)
        # In a chroot, and where it is forbidden, there is no way to a user namespace: then that is what is missing first.
        self.assertIn("may make no user namespace" if "user namespaces" in bad else "loginctl enable-linger", done.stderr)
        self.assertLessEqual(len(done.stderr.splitlines()), 2, done)

    def test_doctor_says_how_to_mend(self):
        done = subprocess.run([plane.SANDBOXCTL, "doctor", "--json", "--state-dir", "/proc/nowhere"], capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual(done.returncode, 1)
        bad = [c for c in json.loads(done.stdout)["checks"] if c["status"] == "fail"]
        self.assertTrue(bad and all(c["fix"] for c in bad), bad)


class Embedded(Common, unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(dir=os.environ.get("SCP_TEST_SCRATCH"))
        self.state = os.path.join(self.folder.name, "state")
        self.addCleanup(self.folder.cleanup)
        self.addCleanup(self.nothing_left)

    def nothing_left(self):
        def left():
            return [leftovers.processes(self.state), leftovers.mounts(self.state), leftovers.loops(self.state)]

        # The kernel lets go of a loop device a moment after its last mount.
        leftovers.until(lambda: not any(left()), 20, lambda: f"nothing is left: {left()}")

    def where(self):
        return ["--embedded", "--state-dir", self.state, *ALLOWED]


if __name__ == "__main__":
    unittest.main()
