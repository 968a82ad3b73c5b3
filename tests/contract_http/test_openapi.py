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


UNREACHED = ("Connection", "SSLError", "ReadTimeout", "ProxyError", "Temporary failure", "Name or service not known")
API_TOKEN = "contract-secret"


def installed(folder):
    """`st` out of PyPI in a venv of its own, or $SCP_SCHEMATHESIS; skips where PyPI isn't reached, and only there."""
    given = os.environ.get("SCP_SCHEMATHESIS")
    if given:
        return given
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip = subprocess.run([os.path.join(folder, "bin", "pip"), "install", "-q", "--disable-pip-version-check", "--retries", "1", VERSION],
                         capture_output=True, text=True, timeout=400, check=False)
    if pip.returncode and any(word in pip.stderr for word in UNREACHED):
        raise unittest.SkipTest(f"PyPI isn't reached for {VERSION}: {pip.stderr.strip().splitlines()[0]}")
    if pip.returncode:
        raise AssertionError(f"{VERSION}: {pip.stderr[-2000:]}")
    return os.path.join(folder, "bin", "st")


class Tool(case.PlaneCase):
    """With tokens, so that what wants one is seen to; executors' routes are served beside the others."""

    options = ("--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0")

    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory(prefix="st", dir=os.environ.get("SCP_TEST_SCRATCH"))
        cls.addClassCleanup(cls.scratch.cleanup)
        cls.tool = installed(os.path.join(cls.scratch.name, "venv"))
        os.environ["SANDBOXD_API_TOKEN"] = API_TOKEN
        cls.addClassCleanup(os.environ.pop, "SANDBOXD_API_TOKEN", None)
        super().setUpClass()
        cls.client.headers = {"Authorization": f"Bearer {API_TOKEN}"}
        cls.url = "http://" + re.search(r"listening: (127\.0\.0\.1:\d+)", cls.daemon.tail())[1]
        cls.document = cls.client.must(200, "GET", "/openapi.json").json
        with open(os.path.join(cls.daemon.state, "internal-token"), encoding="ascii") as f:
            cls.tokens = {"SCP_API_TOKEN": API_TOKEN, "SCP_INTERNAL_TOKEN": f.read().strip()}

    def schemathesis(self, document, *options, settings=""):
        path = os.path.join(self.scratch.name, "openapi.json")
        with open(path, "w", encoding="utf-8") as f:
            json.dump(document, f)
        config = os.path.join(self.scratch.name, "schemathesis.toml")
        with open(os.path.join(HERE, "schemathesis.toml"), encoding="utf-8") as ours, open(config, "w", encoding="utf-8") as f:
            f.write(ours.read() + settings)
        return subprocess.run(
            [self.tool, "--config-file", config, "run", path, "--url", self.url, "--no-color", "--request-timeout", "60", "--seed", "1", "--generation-database", ":memory:", *options],
            cwd=self.scratch.name, capture_output=True, text=True, timeout=500, check=False, env={**os.environ, **self.tokens})


class Contract(Tool):
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


class ThereAlready(Tool):
    def test_what_there_is_does_what_its_document_says(self):
        """What the tool makes up itself hardly ever leads it to a file, a running execution or a container."""
        session = self.session("shell-basic")
        self.client.upload(session, "a.txt", b"0123456789" * 10)
        execution = self.client.run(session, "echo here", "shell")["execution_id"]
        settings = f"""
[[operations]]
include-operation-id-regex = "^(getFile|headFile)$"
parameters = {{ session_id = "{session}", path = "a.txt" }}
[[operations]]
include-operation-id-regex = "^(getSession|keepSession|execute|listExecutions|listFiles|uploadFile|report(Ready|Exited))$"
parameters = {{ session_id = "{session}" }}
[[operations]]
include-operation-id-regex = "^(getExecution|getExecutionStatus|getResult|cancelExecution|watchExecution|report(Result|Status|Heartbeat|Artifacts))$"
parameters = {{ execution_id = "{execution}" }}
[[operations]]
include-operation-id-regex = "^getContainer"
parameters = {{ container_id = "{self.client.session(session)["container_id"]}" }}
"""
        run = self.schemathesis(self.document, "--phases", "examples,coverage,fuzzing", "-n", "10", "--max-time", "60", "--continue-on-failure",
                                "--include-operation-id-regex", "^(get|head|keep|execut|list|upload|cancel|watch|report).*(File|Session|Execution|ute|Result|Container|Status|Heartbeat|Artifacts|Ready|Exited)",
                                settings=settings)
        self.assertEqual(run.returncode, 0, run.stdout[-12000:] + run.stderr[-2000:])


if __name__ == "__main__":
    unittest.main()
