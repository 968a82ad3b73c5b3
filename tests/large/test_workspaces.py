"""A workspace of 10,000 files and one with a file of 1 GiB, to S3 and back, in bounded memory."""
import os
import subprocess
import sys
import time
import unittest

import leftovers
import plane

sys.path.insert(0, os.path.join(plane.ROOT, "tests", "services"))
import swift  # noqa: E402

BUCKET = "large"
MEMORY_MIB = 128  # eight parts of 8 MiB under way, what the allocator keeps, and the rest


class Large(unittest.TestCase):
    def setUp(self):
        self.server = swift.Server(os.environ.get("SCP_TEST_SCRATCH"))
        self.addCleanup(self.server.stop)
        url = self.server.url(BUCKET)
        os.environ.update(swift.KEYS)
        subprocess.run([plane.SANDBOXD, "--state-dir", os.path.join(self.server.folder, "m"), "--storage", url, "--migrate"],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.daemon = plane.Daemon("--storage", url)
        self.addCleanup(self.daemon.close)
        self.client = self.daemon.client

    def memory(self, name="VmRSS"):
        with open(f"/proc/{self.daemon.process.pid}/status", encoding="ascii") as f:
            return next(int(line.split()[1]) for line in f if line.startswith(name + ":")) / 1024

    def there_and_back(self, code, look, objects):
        session = self.client.create(resources={"disk": "4Gi"})
        before = self.memory()
        begun = time.monotonic()
        r = self.client.run(session, code, timeout=3000)
        self.assertEqual(r["status"], "success", r)
        leftovers.until(lambda: self.client.result(r["execution_id"])["sync"] == "done", 1500, "all is in S3")
        up = time.monotonic() - begun
        self.assertEqual(len(self.server.objects(BUCKET, "sessions/")), objects)
        self.assertLess(self.memory("VmHWM") - before, MEMORY_MIB)
        was = self.client.run(session, look, timeout=600)["stdout"]
        grown_up = self.memory("VmHWM") - before
        self.daemon.lose_disks()
        self.daemon.start()
        begun = time.monotonic()
        before = self.memory()
        is_now = self.client.run(session, look, timeout=3000)["stdout"]
        print(f"{self.id()}: up in {up:.1f} s with {grown_up:.0f} MiB more, back in {time.monotonic() - begun:.1f} s "
              f"with {self.memory('VmHWM') - before:.0f} MiB more", flush=True)
        self.assertEqual(is_now, was)
        self.assertLess(self.memory("VmHWM") - before, MEMORY_MIB)

    def test_10000_files(self):
        self.there_and_back(
            "import os\nfor d in range(100):\n os.mkdir(f'd{d}')\n for i in range(100): open(f'd{d}/{i}', 'w').write(f'{d} {i}' * 20)",
            "import os, hashlib\nh = hashlib.sha256()\nfor t, d, n in os.walk('.'):\n d.sort()\n for f in sorted(n): h.update((t + f).encode() + open(os.path.join(t, f), 'rb').read())\nprint(h.hexdigest())",
            10000)

    def test_a_file_of_1_gib(self):
        self.there_and_back(
            "import os\nb = os.urandom(1 << 20)\nwith open('big', 'wb') as f:\n for i in range(1024): f.write(b[i:] + b[:i])",
            "import hashlib\nh = hashlib.sha256()\nwith open('big', 'rb') as f:\n while True:\n  c = f.read(1 << 20)\n  if not c: break\n  h.update(c)\nprint(h.hexdigest())",
            1)


if __name__ == "__main__":
    unittest.main()
