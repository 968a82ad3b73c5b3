"""examples/backends/: a plane on a database and a storage of a user's own. Their conformance tests are tests/contract's."""
import os
import shutil
import subprocess
import tempfile
import unittest

import leftovers
import plane

PROGRAM = os.path.join(plane.BUILD, "examples", "backends", "own-plane")


class Backends(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="scp-memory-", dir="/var/tmp")
        self.addCleanup(self.sweep)

    def sweep(self):
        """A workspace's disk is kept for its retention: the next process would take it up."""
        for point in reversed(leftovers.mounts(self.folder)):
            subprocess.run(["umount", "-l", point], check=False, stderr=subprocess.DEVNULL)
        leftovers.until(lambda: not leftovers.loops(self.folder), 20, "its loop devices are gone")
        shutil.rmtree(self.folder, ignore_errors=True)

    def test_rows_and_files_are_where_the_program_keeps_them(self):
        done = subprocess.run([PROGRAM, os.path.join(self.folder, "state")], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=120, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        self.assertEqual(done.stdout.splitlines(), ["success: written", "the storage has in.txt, 11 bytes", "the storage has out.txt, 11 bytes"])
        self.assertTrue(os.path.exists(os.path.join(self.folder, "state", "plain.db")))
        self.assertFalse(os.path.exists(os.path.join(self.folder, "state", "state.db")))
        leftovers.until(lambda: not leftovers.processes(self.folder), 20, "its sandbox is gone")


if __name__ == "__main__":
    unittest.main()
