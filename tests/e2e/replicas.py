"""Several sandboxds on one MariaDB, each with a state folder, and so a node, of its own."""
import secrets
import unittest

import leftovers
import mariadb
import plane


def skip_if_not_possible():
    try:
        mariadb.program("mariadbd")
    except RuntimeError as missing:
        raise unittest.SkipTest(str(missing)) from None


class Replica(plane.Daemon):
    """On a unix socket for the test and, with `advertised`, on a port of the loopback for its peers."""

    def __init__(self, database, *options, advertised=True, program=(), headers=None):
        self.url = None
        self.every = headers or {}
        if advertised:
            self.port = mariadb.free_port()
            self.url = f"http://127.0.0.1:{self.port}"
            options = ("--listen", f"127.0.0.1:{self.port}", "--advertise", self.url, *options)
        super().__init__(*options, database=database, program=program)
        self.client.headers.update(self.every)
        # By its address, which no other has; of those without one there may be one.
        nodes = self.client.must(200, "GET", f"{plane.API}/nodes").json["nodes"]
        self.node = next(n["node_id"] for n in nodes if n["advertise_url"] == self.url)


class Cluster:
    """One database; replicas are added, and all of them closed at the end."""

    def __init__(self):
        self.server = mariadb.Server()
        self.count = 0
        self.replicas = []

    def database(self):
        """A new one: options and environment that each of its replicas gets."""
        self.count += 1
        name = f"scp_replicas_{self.count}"
        self.server.sql(f"CREATE DATABASE {name}")
        self.name = name
        return (["--database", self.server.url(name)],
                {"SANDBOXD_DATABASE_PASSWORD": self.server.password, "INTERNAL_API_TOKEN": secrets.token_hex(16)})

    def add(self, database, *options, **more):
        replica = Replica(database, *options, **more)
        self.replicas.append(replica)
        return replica

    def stop(self):
        problems = []
        for replica in self.replicas:
            try:
                replica.close()
            except AssertionError as error:
                problems.append(str(error))
        self.server.stop()
        if problems:
            raise AssertionError("\n".join(problems))


class ReplicaCase(unittest.TestCase):
    """Two of them, `a` and `b`."""
    options = ("--session-idle", "10m")
    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        skip_if_not_possible()
        cls.cluster = Cluster()
        try:
            cls.database = cls.cluster.database()
            cls.a = cls.cluster.add(cls.database, *cls.options)
            cls.b = cls.cluster.add(cls.database, *cls.options)
        except BaseException:
            cls.cluster.stop()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.cluster.stop()

    def session_at(self, replica, template="shell-basic", **fields):
        """A running session whose node is that replica's; whoever is faster makes it, so another may be thrown away."""
        for _ in range(20):
            session_id = replica.client.create(template, **fields)
            if replica.client.session(session_id)["runtime_node"] == replica.node:
                self.addCleanup(replica.client.delete, session_id)
                return session_id
            replica.client.delete(session_id)
        raise AssertionError(f"no session was made on {replica.node}")

    def until(self, look, seconds, what):
        leftovers.until(look, seconds, what)
