"""Each setting that is wrong is named, with what to do, by --check and by a start that fails; and no secret is."""
import http.server
import os
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import unittest
from unittest import mock

import plane

sys.path.insert(0, os.path.join(plane.ROOT, "tests", "services"))
import mariadb  # noqa: E402

SERVICES = os.path.join(plane.ROOT, "tests", "services")
KEYS = {"AWS_ACCESS_KEY_ID": "test:tester", "AWS_SECRET_ACCESS_KEY": "hush-testing"}
NOBODY = 65534
SPACE = "--innodb-data-file-path=ibdata1:12M:autoextend:max:%s"


class Settings(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="scp-settings-", dir="/var/tmp")
        self.addCleanup(subprocess.run, ["rm", "-rf", "--one-file-system", self.folder], check=False)

    def sandboxd(self, *options, environment=None, user=None):
        """Its exit code and all that it says."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "SANDBOXD_"))}
        become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user else []
        done = subprocess.run(
            [*become, plane.SANDBOXD, "--state-dir", self.folder + "/state", "--log-format", "text", "--listen", f"unix:{self.folder}/s", *options],
            env={**clean, **(environment or {})}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=100, check=False)
        self.assertNotIn("hush", done.stdout)
        return done.returncode, done.stdout

    def refused(self, words, *options, modes=("--check", None), **more):
        """--check says all of `words`, and so does a start; both fail."""
        for mode in modes:
            code, out = self.sandboxd(*([mode] if mode else []), *options, **more)
            with self.subTest(mode=mode or "start", options=options):
                self.assertIn(code, (1, 2), out)
                for word in words:
                    self.assertIn(word, out)
                self.assertNotIn("Look for the request_id", out)

    def small_disk(self, size="1m"):
        point = tempfile.mkdtemp(prefix="disk", dir=self.folder)
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "scp-test", point], check=False, capture_output=True, text=True)
        if made.returncode:
            self.skipTest(f"no file system can be mounted here: {made.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "-l", point], check=False)
        return point

    def fill(self, point):
        with open(os.path.join(point, "fill"), "wb", buffering=0) as f:
            try:
                while True:
                    f.write(bytes(4096))
            except OSError:
                pass

    def until_refused(self, client):
        """What was accepted before, and what was said then."""
        session, accepted = client.create("shell-basic"), []
        body = {"code": "#" + "x" * 100000, "language": "shell"}
        while len(accepted) < 2000:
            answer = client.ask("POST", f"{plane.API}/sessions/{session}/execute?wait=2", body)
            if answer.status != 200:
                break
            accepted.append(answer.json["execution_id"])
        self.assertEqual(answer.status, 503, answer)
        return accepted, answer


class MariaDB(Settings):
    @classmethod
    def setUpClass(cls):
        # A table space that can't grow is what a full disk is to a client, and the server lives on.
        cls.server = mariadb.Server("--innodb-file-per-table=0", SPACE % "20M")
        cls.addClassCleanup(cls.server.stop)
        cls.password = {"SANDBOXD_DATABASE_PASSWORD": cls.server.password}

    def test_a_wrong_password(self):
        self.server.sql("CREATE DATABASE scp_password")
        for environment in ({"SANDBOXD_DATABASE_PASSWORD": "hush"}, {}):
            self.refused(("Access denied", "--database-password-file", "SANDBOXD_DATABASE_PASSWORD"),
                         "--database", self.server.url("scp_password"), environment=environment)

    def test_a_host_that_nobody_knows_and_one_where_nobody_listens(self):
        self.refused(("no-such-host.invalid", "the host in --database"), "--database", "mariadb://scp@no-such-host.invalid/x", environment=self.password)
        port = mariadb.free_port()
        self.refused((f"Start MariaDB at 127.0.0.1:{port}", "--database"), "--database", f"mariadb://scp@127.0.0.1:{port}/x", environment=self.password)

    def test_a_database_that_is_not_there(self):
        self.refused(("Unknown database 'scp_missing'", "sandboxd --migrate", "CREATE DATABASE `scp_missing`"),
                     "--database", self.server.url("scp_missing"), environment=self.password)

    def test_users_who_may_not_do_what_is_needed(self):
        self.server.sql("CREATE DATABASE scp_rights; CREATE DATABASE scp_made; CREATE USER none@'%' IDENTIFIED BY 'none'; "
                        "CREATE USER looker@'%' IDENTIFIED BY 'looker'; GRANT SELECT ON `scp\\_%`.* TO looker@'%'; "
                        "CREATE USER adder@'%' IDENTIFIED BY 'adder'; GRANT SELECT, INSERT ON scp_made.* TO adder@'%'")
        code, out = self.sandboxd("--migrate", "--database", self.server.url("scp_made"), environment=self.password)
        self.assertEqual(code, 0, out)
        tables = self.server.sql("SHOW TABLES", "scp_rights")
        for user, name, modes in (("none", "scp_rights", ("--check", None)), ("looker", "scp_rights", ("--check", None)),
                                  ("looker", "scp_made", ("--check", None)), ("adder", "scp_made", ("--check",))):
            url = self.server.url(name).replace("//scp@", f"//{user}@")
            self.refused(("denied", f"GRANT ALL ON `{name}`.* TO '{user}'"), "--database", url, modes=modes,
                         environment={"SANDBOXD_DATABASE_PASSWORD": user})
        self.assertEqual(self.server.sql("SHOW TABLES", "scp_rights"), tables, "a check makes nothing")

    def test_a_server_that_is_read_only(self):
        self.server.sql("CREATE DATABASE scp_only; SET GLOBAL read_only = ON")
        self.addCleanup(self.server.sql, "SET GLOBAL read_only = OFF")
        self.refused(("read-only", "SET GLOBAL read_only = OFF", "--database"), "--database", self.server.url("scp_only"), environment=self.password)

    def test_z_a_server_whose_disk_is_full(self):
        """The last: it fills it."""
        self.server.sql("CREATE DATABASE scp_full; CREATE DATABASE scp_full_too")
        with mock.patch.dict(os.environ, self.password):
            daemon = plane.Daemon("--database", self.server.url("scp_full"), "--storage", f"file:{self.folder}/st", "--runtime", "oci:")
        try:
            accepted, refusal = self.until_refused(daemon.client)
            self.assertIn("is full", refusal.json["error_detail"])
            self.assertIn("server's disk", refusal.json["solution"])
            self.assertIn("Retry-After", refusal.headers)
            code, out = self.sandboxd("--migrate", "--database", self.server.url("scp_full_too"), environment=self.password)
            self.assertNotEqual(code, 0)
            self.assertIn("the space on its disk", out)
            self.server.kill()
            self.server.options = ("--innodb-file-per-table=0", SPACE % "400M")
            self.server.start()
            for execution in accepted:
                self.assertEqual(daemon.client.result(execution)["status"], "success")
        finally:
            daemon.close()


class SQLite(Settings):
    def test_a_disk_that_is_full(self):
        disk = self.small_disk()
        self.fill(disk)
        self.refused(("full", f"Free space on the disk that holds {disk}/a.db"), "--database", f"sqlite:{disk}/a.db")

    def test_a_folder_that_may_not_be_written(self):
        disk = self.small_disk()
        code, out = self.sandboxd("--migrate", "--database", f"sqlite:{disk}/old.db")
        self.assertEqual(code, 0, out)
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        for name in ("old.db", "new.db"):
            self.refused(("the right to write", f"{disk}/{name}"), "--database", f"sqlite:{disk}/{name}")
        self.refused((f"make {disk}/storage: Read-only file system", "--storage file:/path"), "--storage", f"file:{disk}/storage")
        self.refused((f"state_dir {disk}/state can't be made: Read-only file system", "--state-dir"), "--state-dir", f"{disk}/state")

    def test_a_folder_that_is_not_there_and_a_file_that_is_something_else(self):
        self.refused((f"Make the folder of {self.folder}/none/a.db",), "--database", f"sqlite:{self.folder}/none/a.db")
        with open(f"{self.folder}/text", "w", encoding="ascii") as f:
            f.write("no database at all, only text\n" * 100)
        self.refused((f"{self.folder}/text isn't an SQLite database",), "--database", f"sqlite:{self.folder}/text")

    def test_a_disk_that_fills_while_it_runs(self):
        disk = self.small_disk("3m")
        daemon = plane.Daemon("--database", f"sqlite:{disk}/a.db", "--storage", f"file:{self.folder}/st", "--runtime", "oci:")
        try:
            accepted, refusal = self.until_refused(daemon.client)
            self.assertIn("full", refusal.json["error_detail"])
            self.assertIn(f"Free space on the disk that holds {disk}/a.db", refusal.json["solution"])
            subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
            for execution in accepted:
                self.assertEqual(daemon.client.result(execution)["status"], "success")
        finally:
            daemon.close()


class S3(Settings):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.mkdtemp(prefix="scp-settings-")
        cls.addClassCleanup(subprocess.run, ["rm", "-rf", cls.scratch], check=False)
        cls.addClassCleanup(subprocess.run, [f"{SERVICES}/swift.sh", "stop", cls.scratch + "/swift"], check=False)
        started = subprocess.run([f"{SERVICES}/swift.sh", "start", cls.scratch + "/swift"], stdout=subprocess.PIPE, text=True, check=True)
        cls.endpoint = started.stdout.strip()
        # What a well-kept server doesn't say, such as that this machine's clock is wrong.
        cls.fake = subprocess.Popen([sys.executable, f"{SERVICES}/s3_fake.py", cls.scratch + "/journal"], stdout=subprocess.PIPE, text=True)
        cls.addClassCleanup(cls.fake.wait)
        cls.addClassCleanup(cls.fake.kill)
        cls.addClassCleanup(cls.fake.stdout.close)
        cls.fake_endpoint = cls.fake.stdout.readline().strip()

    def wrong(self, words, bucket="wrong", endpoint=None, region="us-east-1", **keys):
        self.refused(words, "--storage", f"s3://{bucket}?endpoint={endpoint or self.endpoint}&region={region}",
                     environment={**KEYS, "AWS_SECRET_ACCESS_KEY": "testing", **keys}, modes=("--check",))

    def test_keys(self):
        self.wrong(("SignatureDoesNotMatch", "AWS_SECRET_ACCESS_KEY"), AWS_SECRET_ACCESS_KEY="hush")
        self.wrong(("AWS_ACCESS_KEY_ID",), AWS_ACCESS_KEY_ID="test:nobody")
        self.wrong(("not for you", "AWS_ACCESS_KEY_ID", "get, put and delete"), "denied", self.fake_endpoint)

    def test_a_bucket_that_is_not_there(self):
        self.wrong(("NoSuchBucket", "Make the bucket not-there", "--storage"), "not-there")

    def test_another_region(self):
        self.wrong(("region=eu-west-7 in --storage",), "elsewhere", self.fake_endpoint)

    def test_a_clock_that_is_wrong(self):
        self.wrong(("RequestTimeTooSkewed", "Set this machine's clock"), "skewed", self.fake_endpoint)

    def test_an_endpoint_that_is_not_there_or_is_something_else(self):
        port = mariadb.free_port()
        self.wrong((f"127.0.0.1:{port}", "endpoint=", "--storage"), endpoint=f"http://127.0.0.1:{port}")
        self.wrong(("no-such-host.invalid", "endpoint=", "--storage"), endpoint="http://no-such-host.invalid")
        self.wrong(("502", "look at the S3 server"), "html", self.fake_endpoint)


class Page(http.server.BaseHTTPRequestHandler):
    """What a web server says, which is no Docker engine."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"<html")

    def address_string(self):
        return "-"

    def log_message(self, *args):
        pass


class Docker(Settings):
    def wrong(self, words, path, **more):
        self.refused((path, "--runtime", *words), "--runtime", f"docker:unix://{path}", **more)

    def listening(self, name):
        sock = socket.socket(socket.AF_UNIX)
        self.addCleanup(sock.close)
        sock.bind(os.path.join(self.folder, name))
        sock.listen()
        return os.path.join(self.folder, name)

    def test_a_socket_that_is_not_there_or_that_nobody_serves(self):
        self.wrong(("No such file or directory", "Start the engine"), f"{self.folder}/none")
        path = os.path.join(self.folder, "dead")
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(path)
        sock.close()
        self.wrong(("Connection refused", "Start the engine"), path)

    def test_a_socket_that_this_user_may_not_use(self):
        if os.geteuid():
            self.skipTest("another user is needed, which only root can become")
        path = self.listening("closed")
        os.chmod(path, 0o600)
        os.chmod(self.folder, 0o777)
        # The build folder may be nobody's to enter.
        shown = subprocess.run(["setpriv", f"--reuid={NOBODY}", "--clear-groups", "test", "-x", plane.SANDBOXD], check=False)
        if shown.returncode:
            self.skipTest("the build folder is hidden from other users")
        self.wrong(("Permission denied", "let this process reach it"), path, user=NOBODY)

    def test_what_is_no_docker(self):
        path = os.path.join(self.folder, "page")
        with socketserver.UnixStreamServer(path, Page) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                self.wrong(("is no Docker engine",), path)
            finally:
                server.shutdown()
                thread.join()


if __name__ == "__main__":
    unittest.main()
