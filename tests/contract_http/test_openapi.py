"""The API against its own document, by schemathesis (PyPI): every check on but for what schemathesis.toml says, bounded; and that it can fail."""
import copy
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

import case
from plane import ROOT

HERE = os.path.join(ROOT, "tests", "contract_http")
VERSION = "schemathesis==4.32.5"


def installed(folder):
    """`st` out of PyPI in a venv of its own, or $SCP_SCHEMATHESIS; skips where PyPI isn't reached."""
    given = os.environ.get("SCP_SCHEMATHESIS")
    if given:
        return given
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip = subprocess.run([os.path.join(folder, "bin", "pip"), "install", "-q", "--disable-pip-version-check", "--retries", "1", VERSION],
                         capture_output=True, text=True, timeout=400, check=False)
    if pip.returncode:
        raise unittest.SkipTest(f"{VERSION} can't be had from PyPI: {pip.stderr.strip().splitlines()[-1:]}")
    return os.path.join(folder, "bin", "st")


class Contract(case.PlaneCase):
    options = ("--listen", "127.0.0.1:0")

    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory(prefix="st", dir=os.environ.get("SCP_TEST_SCRATCH"))
        cls.addClassCleanup(cls.scratch.cleanup)
        cls.tool = installed(os.path.join(cls.scratch.name, "venv"))
        super().setUpClass()
        cls.url = "http://" + re.search(r"listening: (127\.0\.0\.1:\d+)", cls.daemon.tail())[1]
        cls.document = cls.client.must(200, "GET", "/openapi.json").json

    def schemathesis(self, document, *options):
        path = os.path.join(self.scratch.name, "openapi.json")
        with open(path, "w", encoding="utf-8") as f:
            json.dump(document, f)
        return subprocess.run(
            [self.tool, "--config-file", os.path.join(HERE, "schemathesis.toml"), "run", path, "--url", self.url, "--no-color", "--request-timeout", "60", "--seed", "1", "--generation-database", ":memory:", *options],
            cwd=self.scratch.name, capture_output=True, text=True, timeout=500, check=False)

    def test_the_api_does_what_its_document_says(self):
        run = self.schemathesis(self.document, "--phases", "examples,coverage,fuzzing,stateful", "-n", "10", "--max-time", "180",
                                "--continue-on-failure")
        self.assertEqual(run.returncode, 0, run.stdout[-12000:] + run.stderr[-2000:])
        tested = re.search(r"Tested: (\d+)", run.stdout)
        self.assertEqual(int(tested[1]), sum(len(item) for item in self.document["paths"].values()), run.stdout[-2000:])

    def mutated(self, change, *only):
        document = copy.deepcopy(self.document)
        change(document)
        return self.schemathesis(document, "--phases", "examples,coverage", "-n", "3", *only)

    def test_a_document_that_lies_is_found_out(self):
        def another_type(d):
            d["components"]["schemas"]["SessionPage"]["properties"]["total"] = {"type": "string"}

        def wrong_status(d):
            answers = d["paths"]["/api/v1/templates/{template_id}"]["get"]["responses"]
            answers["202"] = answers.pop("200")

        def too_wide(d):
            d["components"]["schemas"]["Keepalive"]["properties"]["extend_s"]["maximum"] = 7200

        def wrong_type(d):
            d["components"]["responses"]["Error404"]["content"] = {"text/plain": {"schema": {"type": "string"}}}

        for change, operation in ((another_type, "listSessions"), (wrong_status, "getTemplate"), (too_wide, "keepSession"),
                                  (wrong_type, "getSession")):
            with self.subTest(change.__name__):
                run = self.mutated(change, "--include-operation-id", operation)
                self.assertEqual(run.returncode, 1, run.stdout[-4000:] + run.stderr[-1000:])
                self.assertIn("FAILURES", run.stdout)
