"""Any image: what it is made of, and what it says of how it wants to be run, changes nothing of the wall; and the code runs."""
import os
import subprocess
import tempfile
import unittest
import urllib.parse

import images
import plane
from plane import API

SERVICE = os.path.join(plane.ROOT, "tests", "services", "docker.sh")
CORE_PATTERN = "/proc/sys/kernel/core_pattern"
STATUS = ("while read -r name value; do case $name in Cap*|NoNewPrivs:|Seccomp:) echo $name $value;; esac; done </proc/self/status")
WALL = "".join(f"{cap}: 0000000000000000\n" for cap in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")) + "NoNewPrivs: 1\nSeccomp: 2\n"


class Images:
    """The cases, whatever the runtime."""

    @classmethod
    def start(cls, *options):
        cls.roots = images.Roots()
        cls.addClassCleanup(cls.roots.close)
        with open(CORE_PATTERN, encoding="ascii") as file:
            cls.core_pattern = file.read()
        cls.daemon = plane.Daemon(*options)
        cls.addClassCleanup(cls.daemon.close)
        cls.client = cls.daemon.client

    def reference(self, name):
        raise NotImplementedError

    def session(self, name):
        template = f"image-{name}"
        answer = self.client.ask("POST", f"{API}/templates", {"id": template, "name": template, "image": self.reference(name),
                                                              "languages": ["shell", "python", "javascript"]})
        self.assertIn(answer.status, (201, 409), answer)
        session = self.client.must(201, "POST", f"{API}/sessions?wait=60", {"template_id": template}).json
        self.addCleanup(self.client.delete, session["session_id"])
        return session

    def shell(self, session, code):
        return self.client.run(session["session_id"], code, "shell")

    def runs(self, name):
        session = self.session(name)
        self.assertEqual(session["status"], "running", session)
        seen = self.shell(session, STATUS + "; echo $(id -u) $(id -g) $(pwd) $HOME; echo \"$LD_PRELOAD$LD_LIBRARY_PATH$ENV$BASH_ENV\"; "
                          "for d in / /bin /etc /proc /sys /elsewhere; do touch $d/x 2>/dev/null && echo may write $d; done; ls -A /workspace; "
                          "touch /tmp/x /workspace/x && echo both")
        self.assertEqual((seen["stdout"], seen["status"]), (WALL + "1000 1000 /workspace /workspace\n\nboth\n", "success"), seen)
        with open(CORE_PATTERN, encoding="ascii") as file:
            self.assertEqual(file.read(), self.core_pattern)
        return session

    def test_busybox_alone(self):
        session = self.runs("busybox")
        result = self.client.run(session["session_id"], "print(1)", "python")
        self.assertEqual(result["status"], "failed", result)
        self.assertIn("python", result["error"])

    def test_musl(self):
        self.assertEqual(self.shell(self.runs("musl"), "/bin/hello")["stdout"], "hello from uid 1000\n")

    def test_debian(self):
        session = self.runs("debian")
        self.assertEqual(self.shell(session, "set -o pipefail; [[ $BASH_VERSION ]] && grep -c '^ID=debian$' /etc/os-release")["stdout"], "1\n")

    def test_one_whose_user_is_root(self):
        self.runs("root")

    def test_a_root_that_nobody_may_write(self):
        self.runs("read-only")

    def test_traps_of_all_kinds(self):
        self.runs("traps")

    def test_one_without_a_shell_runs_and_says_what_is_missing(self):
        session = self.session("distroless")
        self.assertEqual(session["status"], "running", session)
        for language, wanted in (("shell", "sh"), ("python", "python"), ("javascript", "node")):
            result = self.client.run(session["session_id"], "echo a; echo b", language)
            self.assertEqual(result["status"], "failed", result)
            self.assertIn(wanted, result["error"])
        self.client.upload(session["session_id"], "a", b"1")
        self.assertEqual(self.client.download(session["session_id"], "a"), b"1")

    def test_links_where_something_will_be_mounted(self):
        for name in ("links", "proc-link", "dev-link"):
            with self.subTest(name):
                before = self.roots.listing(name)
                session = self.runs(name)
                self.assertEqual(self.shell(session, "echo x >/dev/null; test -c /dev/null && test -d /proc/self && cat /proc/1/comm")["stdout"],
                                 "executor\n", name)
                self.assertEqual(self.roots.listing(name), before)


class OnDocker(Images, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.engine = tempfile.mkdtemp(prefix="scp-docker-", dir="/var/tmp")
        cls.addClassCleanup(subprocess.run, ["rm", "-rf", "--one-file-system", cls.engine], check=False)
        cls.addClassCleanup(subprocess.run, [SERVICE, "stop", cls.engine], check=False)
        url = subprocess.run([SERVICE, "start", cls.engine], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
        cls.start("--runtime", url)
        for name, (_, changes) in images.ALL.items():
            query = "".join("&changes=" + urllib.parse.quote(change) for change in changes)
            done = subprocess.run(["curl", "-sS", "-X", "POST", "--unix-socket", f"{cls.engine}/docker.sock", "-T", cls.roots.tar(name), "-H", "Content-Type: application/x-tar",
                                   f"http://localhost/v1.40/images/create?fromSrc=-&repo=any/{name}&tag=1{query}"], capture_output=True, check=True)
            assert b"sha256:" in done.stdout, (name, done)

    def reference(self, name):
        return f"any/{name}:1"


class OnOciFolders(Images, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.start()

    def reference(self, name):
        return f"dir:{self.roots.path(name)}"


class OnOciArchives(Images, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.start()
        for name in images.ALL:
            cls.roots.tar(name)

    def reference(self, name):
        return f"tar:{self.roots.path(name)}.tar"


if __name__ == "__main__":
    unittest.main()
