"""A MariaDB of the tests' own, from Debian's mariadb-server-core: a folder, a socket and a port that are nobody else's.

mariadb.py run PROGRAM [ARGUMENT]...: starts one, runs the program, and stops the server; ends as the program did.

The program finds in its environment
  SCP_TEST_MARIADB           mariadb://scp@127.0.0.1:PORT, a user that may do all with databases called scp_...
  SCP_TEST_MARIADB_PASSWORD  and its password
  SCP_TEST_MARIADB_ROOT      mariadb://root@, to be followed by /NAME?socket=...; without a password
  SCP_TEST_MARIADB_SOCKET    the socket's path
  SCP_TEST_MARIADB_CA        the certificate that its own is signed with
"""
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))


AS_ROOT = ["--user=root"] if os.geteuid() == 0 else []


def program(name):
    found = shutil.which(name, path=PATH)
    if not found:
        raise RuntimeError(f"{name} isn't installed: examples/install-deps.sh test")
    return found


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, *options, folder=None):
        # A socket's path ends at 107 bytes.
        self.folder = tempfile.mkdtemp(prefix="scp-mariadb-", dir=folder)
        self.data = os.path.join(self.folder, "data")
        self.socket = os.path.join(self.folder, "s")
        self.log = os.path.join(self.folder, "log")
        self.port = free_port()
        self.password = secrets.token_hex(16)
        self.options = options
        self.process = None
        try:
            self.install()
            self.certify()
            self.start()
            self.sql(f"CREATE USER scp@'%' IDENTIFIED BY '{self.password}'; GRANT ALL ON `scp\\_%`.* TO scp@'%'; "
                     "GRANT PROCESS ON *.* TO scp@'%'")
        except BaseException:
            self.stop()
            raise

    def install(self):
        done = subprocess.run(
            [program("mariadb-install-db"), "--no-defaults", f"--datadir={self.data}", "--skip-test-db",
             "--auth-root-authentication-method=normal", "--innodb-log-file-size=16M", *AS_ROOT],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300, check=False)
        if done.returncode:
            raise RuntimeError(f"mariadb-install-db: {done.stdout.decode(errors='replace')[-2000:]}")

    def certify(self):
        """A certificate for 127.0.0.1, and an authority that signed it."""
        os.mkdir(self.path("tls"), 0o700)
        with open(self.path("tls/names"), "w", encoding="ascii") as names:
            names.write("subjectAltName=IP:127.0.0.1\n")
        openssl = [program("openssl")]
        new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        for arguments in (
            ["req", "-x509", *new, "-keyout", self.path("tls/ca.key"), "-out", self.path("tls/ca.pem"), "-subj", "/CN=tests", "-days", "2"],
            ["req", *new, "-keyout", self.path("tls/key.pem"), "-out", self.path("tls/request"), "-subj", "/CN=127.0.0.1"],
            ["x509", "-req", "-in", self.path("tls/request"), "-CA", self.path("tls/ca.pem"), "-CAkey", self.path("tls/ca.key"),
             "-CAcreateserial", "-days", "2", "-extfile", self.path("tls/names"), "-out", self.path("tls/cert.pem")],
        ):
            subprocess.run(openssl + arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60, check=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self, *more):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [program("mariadbd"), "--no-defaults", f"--datadir={self.data}", f"--socket={self.socket}",
                 f"--port={self.port}", "--bind-address=127.0.0.1", *AS_ROOT, "--skip-log-bin", "--skip-name-resolve",
                 "--max-connections=400", "--innodb-buffer-pool-size=128M", "--innodb-log-file-size=16M",
                 f"--ssl-ca={self.path('tls/ca.pem')}", f"--ssl-cert={self.path('tls/cert.pem')}",
                 f"--ssl-key={self.path('tls/key.pem')}", f"--pid-file={self.path('pid')}", *self.options, *more],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until = time.monotonic() + 120
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"mariadbd didn't start:\n{self.tail()}")
            time.sleep(0.05)

    def answers(self):
        try:
            with socket.socket() as s:
                s.settimeout(5)
                s.connect(("127.0.0.1", self.port))
                return bool(s.recv(1))
        except OSError:
            return False

    def tail(self, size=3000):
        with open(self.log, "rb") as log:
            return log.read()[-size:].decode(errors="replace")

    def kill(self):
        """As a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def pause(self):
        """Until each of its threads has stopped: the signal is only on its way when it was sent."""
        self.process.send_signal(signal.SIGSTOP)
        end = time.monotonic() + 30
        while any(state != "T" for state in self.thread_states()):
            if time.monotonic() > end:
                raise RuntimeError("mariadbd doesn't stop")
            time.sleep(0.001)

    def thread_states(self):
        for task in os.listdir(f"/proc/{self.process.pid}/task"):
            try:
                with open(f"/proc/{self.process.pid}/task/{task}/stat", encoding="utf-8") as f:
                    yield f.read().rsplit(")", 1)[1].split()[0]
            except FileNotFoundError:
                pass

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def sql(self, text, database="mysql"):
        """As root; rows as lists of texts."""
        done = subprocess.run(
            [program("mariadb"), "--no-defaults", f"--socket={self.socket}", "--user=root", "--batch",
             "--skip-column-names", database],
            input=text, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise RuntimeError(f"{text[:200]}: {done.stderr}")
        return [line.split("\t") for line in done.stdout.splitlines()]

    def connections(self, user="scp"):
        return int(self.sql(f"SELECT count(*) FROM information_schema.processlist WHERE user = '{user}'")[0][0])

    def url(self, name, query=""):
        return f"mariadb://scp@127.0.0.1:{self.port}/{name}{query}"

    def environment(self):
        return {"SCP_TEST_MARIADB": f"mariadb://scp@127.0.0.1:{self.port}", "SCP_TEST_MARIADB_PASSWORD": self.password,
                "SCP_TEST_MARIADB_ROOT": "mariadb://root@", "SCP_TEST_MARIADB_SOCKET": self.socket,
                "SCP_TEST_MARIADB_CA": self.path("tls/ca.pem")}


def main():
    if len(sys.argv) < 3 or sys.argv[1] != "run":
        print(__doc__, file=sys.stderr)
        return 2
    # What is only there for the test need not survive a power cut.
    server = Server("--innodb-flush-log-at-trx-commit=2", "--sync-frm=0")
    try:
        return subprocess.run(sys.argv[2:], env={**os.environ, **server.environment()}, check=False).returncode
    finally:
        server.stop()


if __name__ == "__main__":
    sys.exit(main())
