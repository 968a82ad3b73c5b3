"""sandboxd with a storage in S3: what --check and --migrate say, against a real server (OpenStack Swift)."""
import os
import subprocess
import tempfile
import unittest

import plane

SWIFT = os.path.join(plane.ROOT, "tests", "services", "swift.sh")
KEYS = {"AWS_ACCESS_KEY_ID": "test:tester", "AWS_SECRET_ACCESS_KEY": "testing"}


class Storage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="scp-s3-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.addClassCleanup(subprocess.run, [SWIFT, "stop", cls.folder.name + "/swift"], check=False)
        started = subprocess.run([SWIFT, "start", cls.folder.name + "/swift"], stdout=subprocess.PIPE, text=True, check=True)
        cls.endpoint = started.stdout.strip()

    def sandboxd(self, *arguments, bucket="workspaces", keys=KEYS):
        url = f"s3://{bucket}?endpoint={self.endpoint}&region=us-east-1"
        environment = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        done = subprocess.run(
            [plane.SANDBOXD, "--state-dir", self.folder.name + "/state", "--storage", url, *arguments],
            env={**environment, **keys}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=300)
        self.assertNotIn("testing", done.stdout)
        return done

    def assert_refused(self, done, *texts):
        self.assertNotEqual(done.returncode, 0, done.stdout)
        for text in texts:
            self.assertIn(text, done.stdout)

    def test_migrate_makes_the_bucket_and_may_be_repeated(self):
        self.assert_refused(self.sandboxd("--check", bucket="made-later"), "NoSuchBucket", "Make the bucket made-later")
        for _ in range(2):
            done = self.sandboxd("--migrate", bucket="made-later")
            self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("s3://made-later at ", self.sandboxd("--check", bucket="made-later").stdout)

    def test_check_names_the_setting_that_is_wrong(self):
        wrong = {**KEYS, "AWS_SECRET_ACCESS_KEY": "wrong"}
        self.assert_refused(self.sandboxd("--check", keys=wrong), "SignatureDoesNotMatch", "AWS_SECRET_ACCESS_KEY")
        self.assert_refused(self.sandboxd("--check", keys={}), "AWS_ACCESS_KEY_ID", "--storage-credentials-file")
        self.assert_refused(self.sandboxd("--check", "--storage-credentials-file", "/nowhere"), "/nowhere")

    def test_keys_may_stand_in_a_file(self):
        path = os.path.join(self.folder.name, "keys")
        with open(path, "w", encoding="utf-8") as file:
            file.write("".join(f"{name}={value}\n" for name, value in KEYS.items()))
        self.sandboxd("--migrate")
        done = self.sandboxd("--check", "--storage-credentials-file", path, keys={})
        self.assertIn("keys from --storage-credentials-file", done.stdout)


if __name__ == "__main__":
    unittest.main()
