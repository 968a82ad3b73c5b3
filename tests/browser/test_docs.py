"""/docs in a real browser: POST /sessions is tried there, without a token and with one given in the page."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import case
from plane import ROOT

HERE = os.path.join(ROOT, "tests", "browser")
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
TOKEN = "browser-secret"


UNREACHED = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH", "EHOSTUNREACH", "SELF_SIGNED_CERT_IN_CHAIN",
             "UNABLE_TO_GET_ISSUER_CERT_LOCALLY")


def driver(folder):
    """playwright-core from npm beside docs.mjs, in a folder of the test's; skips where npm's registry isn't reached, and only there."""
    for name in ("docs.mjs", "package.json"):
        shutil.copy(os.path.join(HERE, name), folder)
    npm = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=1"], cwd=folder,
                         capture_output=True, text=True, timeout=300, check=False)
    if npm.returncode and any(word in npm.stderr for word in UNREACHED):
        raise unittest.SkipTest(f"npm's registry isn't reached for playwright-core: {npm.stderr.strip().splitlines()[0]}")
    if npm.returncode:
        raise AssertionError(f"npm install: {npm.stderr[-2000:]}")


class Docs(case.PlaneCase):
    options = ("--listen", "127.0.0.1:0")
    token = None

    @classmethod
    def setUpClass(cls):
        for program in (CHROMIUM, "npm"):
            if not shutil.which(program):
                raise AssertionError(f"{program} isn't there: examples/install-deps.sh browser installs it")
        folder = tempfile.TemporaryDirectory(prefix="browser", dir=os.environ.get("SCP_TEST_SCRATCH"))
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        driver(cls.folder)
        super().setUpClass()
        cls.url = "http://" + re.search(r"listening: (127\.0\.0\.1:\d+)", cls.daemon.tail())[1]

    def browse(self, *token):
        run = subprocess.run(["node", "docs.mjs", self.url, self.folder, *token], cwd=self.folder, capture_output=True, text=True,
                             timeout=300, check=False)
        self.assertEqual(run.returncode, 0, run.stderr[-4000:])
        seen = json.loads(run.stdout)
        for name in ("page", "answer"):
            path = os.path.join(self.folder, f"{name}.png")
            self.assertGreater(os.path.getsize(path), 10000)
            if os.environ.get("SCP_SCREENSHOTS"):
                shutil.copy(path, os.path.join(os.environ["SCP_SCREENSHOTS"], f"{self.id()}.{name}.png"))
        return seen

    def assert_created(self, seen):
        self.assertEqual(seen["status"], 201, seen)
        self.assertRegex(seen["body"], r'"session_id": "sess_[a-z0-9]{16}"')
        self.assertEqual(seen["complaints"], [], "the page's policy or a script")
        self.assertEqual(seen["elsewhere"], [], "something was fetched from another place")


class Open(Docs):
    def test_a_session_is_made_from_the_page(self):
        self.assert_created(self.browse())


class WithToken(Docs):
    @classmethod
    def setUpClass(cls):
        os.environ["SANDBOXD_API_TOKEN"] = TOKEN
        cls.addClassCleanup(os.environ.pop, "SANDBOXD_API_TOKEN", None)
        super().setUpClass()
        cls.client.headers = {"Authorization": f"Bearer {TOKEN}"}

    def test_without_the_token_the_page_shows_401(self):
        seen = self.browse()
        self.assertEqual(seen["status"], 401, seen)
        self.assertIn("Sandbox.Unauthorized", seen["body"])

    def test_the_token_given_in_the_page_is_used(self):
        self.assert_created(self.browse(TOKEN))
