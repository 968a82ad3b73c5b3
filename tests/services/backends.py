"""The servers behind the end-to-end suites, as the environment says:

  SCP_TEST_DATABASE  sqlite (default) or mariadb
  SCP_TEST_STORAGE   localfs (default) or s3
  SCP_TEST_RUNTIME   oci (default) or docker

backends.py run PROGRAM [ARGUMENT]...: starts them once, runs the program, and stops them; ends as the program did. A suite
that is run without that starts its own, with its first daemon.
"""
import atexit
import json
import os
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import mariadb  # noqa: E402
import swift  # noqa: E402

KINDS = {"DATABASE": ("sqlite", "mariadb"), "STORAGE": ("localfs", "s3"), "RUNTIME": ("oci", "docker")}
TEMPLATES = ("python-basic", "python-datascience", "nodejs-basic", "shell-basic")
IMAGE = "scp-test/host"


def kind(port):
    """What SCP_TEST_… says of it."""
    names = KINDS[port]
    chosen = os.environ.get(f"SCP_TEST_{port}") or names[0]
    if chosen not in names:
        raise AssertionError(f"SCP_TEST_{port}: {chosen} is neither {' nor '.join(names)}")
    return chosen


def combination():
    return "+".join(kind(port) for port in KINDS)


class MariaDB(mariadb.Server):
    """Of this process, or the one that the environment names; that is nobody's to stop."""

    def __init__(self):
        self.shared = "SCP_TEST_MARIADB_SOCKET" in os.environ
        if not self.shared:
            super().__init__("--innodb-flush-log-at-trx-commit=2", folder=os.environ.get("SCP_TEST_SCRATCH"))
            return
        self.socket, self.password = os.environ["SCP_TEST_MARIADB_SOCKET"], os.environ["SCP_TEST_MARIADB_PASSWORD"]
        self.port = int(os.environ["SCP_TEST_MARIADB"].rsplit(":", 1)[1])

    def stop(self):
        if not self.shared:
            super().stop()


class Swift(swift.Server):
    """An S3 server of this process, or the one that the environment names; that is nobody's to stop."""

    def __init__(self):
        self.shared = "SCP_TEST_S3_ENDPOINT" in os.environ
        if self.shared:
            self.endpoint = os.environ["SCP_TEST_S3_ENDPOINT"]
        else:
            super().__init__(os.environ.get("SCP_TEST_SCRATCH"))

    def start(self):
        """After a kill."""
        self.revive()

    def stop(self):
        if not self.shared:
            super().stop()

    def environment(self):
        return {"SCP_TEST_S3_ENDPOINT": self.endpoint}


class Docker:
    """A Docker engine: docker.sh's. Its socket's path must be short."""

    PROGRAM = os.path.join(HERE, "docker.sh")

    def __init__(self):
        self.folder, self.shared = os.environ.get("SCP_TEST_DOCKER_DIR"), True
        if not self.folder:
            self.folder, self.shared = tempfile.mkdtemp(prefix="scp-docker-", dir="/var/tmp"), False
            try:
                self.call("start")
                self.make_image()
            except BaseException:
                self.stop()
                raise
        self.socket = os.path.join(self.folder, "docker.sock")
        self.runtime = f"docker:unix://{self.socket}"

    def call(self, what):
        return subprocess.run([self.PROGRAM, what, self.folder], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()

    def make_image(self):
        """One in which code finds what the image `host:` has."""
        made = subprocess.Popen([sys.executable, os.path.join(HERE, "image.py")], stdout=subprocess.PIPE)
        subprocess.run(["curl", "-sS", "-f", "-X", "POST", "--unix-socket", os.path.join(self.folder, "docker.sock"),
                        f"http://localhost/v1.40/images/create?fromSrc=-&repo={IMAGE}&tag=latest",
                        "-H", "Content-Type: application/x-tar", "-T", "-"],
                       stdin=made.stdout, stdout=subprocess.DEVNULL, check=True)
        if made.wait():
            raise RuntimeError(f"image.py ended with {made.returncode}")

    def kill(self):
        self.call("kill")

    def start(self):
        self.call("revive")

    def stop(self):
        if not self.shared:
            self.call("stop")
            subprocess.run(["rm", "-rf", "--one-file-system", self.folder], check=False)

    def ask(self, method, path):
        """What its API answers; nothing else than success is expected."""
        done = subprocess.run(["curl", "-sS", "-f", "-g", "-X", method, "--unix-socket", self.socket, f"http://localhost/v1.40{path}"],
                              capture_output=True, text=True, check=False, timeout=60)
        if done.returncode:
            raise OSError(f"the engine at {self.socket}: {done.stderr}")
        return json.loads(done.stdout or "null")

    def containers(self, node):
        """Ids of the containers of that node, whatever their state."""
        return [c["Id"] for c in self.ask("GET", f'/containers/json?all=1&filters={{"label":["sandboxcp.node={node}"]}}')]

    def remove(self, container):
        self.ask("DELETE", f"/containers/{container}?force=1&v=1")

    def environment(self):
        return {"SCP_TEST_DOCKER_DIR": self.folder}


class Backends:
    """The servers of a run, each started when it is first needed."""

    MAKERS = {"mariadb": MariaDB, "s3": Swift, "docker": Docker}

    def __init__(self):
        self.servers, self.count = {}, 0

    def get(self, name):
        if name not in self.servers:
            self.servers[name] = self.MAKERS[name]()
            atexit.register(self.servers[name].stop)
        return self.servers[name]

    @property
    def database(self):
        return self.get("mariadb")

    @property
    def storage(self):
        return self.get("s3")

    @property
    def engine(self):
        return self.get("docker")

    def options(self, options):
        """sandboxd's options and environment for a further daemon, where `options` doesn't say already: a database and a
        bucket of its own."""
        self.count += 1
        # More than one process may be on a server that is shared.
        name = f"scp-e2e-{os.getpid()}-{self.count}"
        flags, environment = [], {}
        if kind("DATABASE") == "mariadb" and "--database" not in options:
            database = name.replace("-", "_")
            self.database.sql(f"CREATE DATABASE {database}")
            flags += ["--database", self.database.url(database)]
            environment["SANDBOXD_DATABASE_PASSWORD"] = self.database.password
        if kind("STORAGE") == "s3" and "--storage" not in options:
            flags += ["--storage", self.storage.url(name)]
            environment.update(swift.KEYS)
        if kind("RUNTIME") == "docker" and "--runtime" not in options:
            flags += ["--runtime", self.engine.runtime]
            for template in TEMPLATES:
                flags += ["--seed-image", f"{template}={IMAGE}"]
        return flags, environment

    def start(self):
        """All that the environment asks for; what tells another process of them."""
        environment = {}
        for port, name in (("DATABASE", "mariadb"), ("STORAGE", "s3"), ("RUNTIME", "docker")):
            if kind(port) == name:
                environment.update(self.get(name).environment())
        return environment


def main():
    if len(sys.argv) < 3 or sys.argv[1] != "run":
        print(__doc__, file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # servers are stopped then too
    environment = Backends().start()
    return subprocess.run(sys.argv[2:], env={**os.environ, **environment}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
