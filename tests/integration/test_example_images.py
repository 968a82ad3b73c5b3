"""examples/images/: each seeded template has a Dockerfile that builds, promises what the template does, and serves sessions."""
import io
import json
import os
import re
import subprocess
import tarfile
import tempfile
import unittest
import urllib.parse

import images
import plane
from plane import API

SERVICE = os.path.join(plane.ROOT, "tests", "services", "docker.sh")
FOLDER = os.path.join(plane.ROOT, "examples", "images")
NAMES = sorted(n for n in os.listdir(FOLDER) if os.path.isdir(os.path.join(FOLDER, n)))


def dockerfile(name):
    with open(os.path.join(FOLDER, name, "Dockerfile"), encoding="utf-8") as file:
        return file.read()


class Examples(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="scp-docker-", dir="/var/tmp")
        cls.addClassCleanup(subprocess.run, ["rm", "-rf", "--one-file-system", cls.folder], check=False)
        cls.addClassCleanup(subprocess.run, [SERVICE, "stop", cls.folder], check=False)
        url = subprocess.run([SERVICE, "start", cls.folder], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
        cls.engine = plane.Client(f"{cls.folder}/docker.sock")
        cls.import_base()
        cls.output = {name: cls.build(name) for name in NAMES}
        seeds = [word for name in NAMES for word in ("--seed-image", f"{name}=example/{name}:1")]
        cls.daemon = plane.Daemon("--runtime", url, *seeds)
        cls.addClassCleanup(cls.daemon.close)
        cls.client = cls.daemon.client

    @classmethod
    def import_base(cls):
        """Debian's shell and tools, from this machine's packages."""
        root = os.path.join(cls.folder, "base")
        os.mkdir(root)
        images.debian(root)
        with tempfile.TemporaryFile() as tar:
            subprocess.run(["tar", "--owner=0", "--group=0", "-C", root, "-c", "."], stdout=tar, check=True)
            tar.seek(0)
            answer = cls.engine.ask("POST", "/v1.40/images/create?fromSrc=-&repo=example/base&tag=1", tar.read(), {"Content-Type": "application/x-tar"})
        assert answer.status == 200 and b"sha256:" in answer.body, answer

    @classmethod
    def build(cls, name):
        """Without its packages, which would have to be fetched."""
        context = io.BytesIO()
        with tarfile.open(fileobj=context, mode="w") as tar:
            tar.add(os.path.join(FOLDER, name, "Dockerfile"), "Dockerfile")
        args = urllib.parse.quote(json.dumps({"BASE": "example/base:1", "PACKAGES": ""}))
        answer = cls.engine.ask("POST", f"/v1.40/build?t=example/{name}:1&networkmode=none&buildargs={args}", context.getvalue(), {"Content-Type": "application/x-tar"})
        return answer.body.decode()

    def test_there_is_one_for_each_seeded_template(self):
        seeded = self.client.must(200, "GET", f"{API}/templates").json["templates"]
        self.assertEqual(sorted(t["id"] for t in seeded), NAMES)

    def test_each_builds(self):
        for name in NAMES:
            with self.subTest(name):
                self.assertIn("Successfully tagged example/" + name, self.output[name])
                self.assertNotIn("errorDetail", self.output[name])

    def test_each_has_the_packages_that_its_template_names(self):
        for name in NAMES:
            with self.subTest(name):
                template = self.client.must(200, "GET", f"{API}/templates/{name}").json
                packages = re.search(r'^ARG PACKAGES="(.*)"$', dockerfile(name), re.M).group(1).split()
                self.assertEqual(set(template["pre_installed_packages"]) - set(packages), set())

    def test_a_session_of_each_runs(self):
        for name in NAMES:
            with self.subTest(name):
                session_id = self.client.create(name)
                self.addCleanup(self.client.delete, session_id)
                self.assertEqual(self.client.run(session_id, "id -u; grep -c '^ID=debian$' /etc/os-release", "shell")["stdout"], "1000\n1\n")

    def test_the_readme_names_each(self):
        with open(os.path.join(FOLDER, "README.md"), encoding="utf-8") as readme:
            text = readme.read()
        for name in NAMES:
            self.assertIn(f"--seed-image {name}=", text)


if __name__ == "__main__":
    unittest.main()
