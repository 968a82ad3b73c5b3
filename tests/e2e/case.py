"""Base of the suites: one sandboxd a class, sessions that end with their test."""
import unittest

import plane


class PlaneCase(unittest.TestCase):
    options = ()
    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        cls.daemon = plane.Daemon(*cls.options)
        cls.client = cls.daemon.client

    @classmethod
    def tearDownClass(cls):
        cls.daemon.close()

    def need_limit(self, name):
        """Skip where this machine, or this user, can't keep it, and the daemon says so."""
        limits = self.client.must(200, "GET", f"{plane.API}/health").json["limits"]
        if limits[name] == "not enforced":
            self.skipTest(f"the {name} limit is not enforced here, as /health says: {limits}")

    def session(self, template="python-basic", **fields):
        """A running session that this test ends."""
        session_id = self.client.create(template, **fields)
        self.addCleanup(self.client.delete, session_id)
        return session_id


class SharedSession(PlaneCase):
    """Cases that can't disturb each other share a session of each template."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.shared = {}

    def run_code(self, code, language="python", **fields):
        template = {"python": "python-basic", "javascript": "nodejs-basic", "shell": "shell-basic"}[language]
        if template not in self.shared:
            self.shared[template] = self.client.create(template)
        return self.client.run(self.shared[template], code, language, **fields)

    def assert_success(self, result):
        self.assertEqual(result["status"], "success", result)
        self.assertEqual(result["exit_code"], 0, result)
        self.assertIsNone(result["signal"], result)
        self.assertIsNone(result["error"], result)
