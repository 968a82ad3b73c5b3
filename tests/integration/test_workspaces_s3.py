"""Workspaces in a real S3 server (OpenStack Swift): a disk has the files while a session lives, S3 follows."""
import hashlib
import os
import subprocess
import sys
import threading
import unittest
import urllib.request

import leftovers
import plane

sys.path.insert(0, os.path.join(plane.ROOT, "tests", "services"))
import swift  # noqa: E402

BUCKET = "workspaces"
TREE = """
import os
os.makedirs('d/empty')
open('a.txt', 'w').write('one')
open('d/b c+%41é', 'w').write('two')
open('run.sh', 'w').write('#!/bin/sh\\necho ran')
os.chmod('run.sh', 0o750)
os.chmod('d', 0o700)
os.symlink('d/b c+%41é', 'l')
os.symlink('/nowhere', 'dangling')
"""
LOOK = """
import os
for top, dirs, names in sorted(os.walk('.')):
    dirs.sort()
    for n in sorted(dirs + names):
        p = os.path.join(top, n)
        s = os.lstat(p)
        print(p, oct(s.st_mode), s.st_uid, s.st_size if os.path.isfile(p) else '',
              os.readlink(p) if os.path.islink(p) else '', s.st_mtime_ns // 1000 if os.path.isfile(p) else '')
"""


class Case(unittest.TestCase):
    options = ()

    @classmethod
    def setUpClass(cls):
        cls.server = swift.Server(os.environ.get("SCP_TEST_SCRATCH"))
        cls.addClassCleanup(cls.server.stop)
        os.environ.update(swift.KEYS)
        for name in swift.KEYS:
            cls.addClassCleanup(os.environ.pop, name)

    def setUp(self):
        self.bucket = "b" + hashlib.sha256(self.id().encode()).hexdigest()[:20]
        url = self.server.url(self.bucket)
        subprocess.run([plane.SANDBOXD, "--state-dir", os.path.join(self.server.folder, "m"), "--storage", url, "--migrate"],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.daemon = plane.Daemon("--storage", url, *self.options)
        self.addCleanup(self.daemon.close)
        self.client = self.daemon.client

    def objects(self):
        """What of all sessions' files is in the bucket, without its place."""
        return {key.split("/", 2)[2]: size for key, size in self.server.objects(self.bucket, "sessions/").items()}

    def files(self, session):
        page = self.client.must(200, "GET", f"{plane.API}/sessions/{session}/files?recursive=true&limit=200").json
        return {f["path"]: f["size"] for f in page["files"]}

    def metric(self, name):
        text = self.client.must(200, "GET", "/metrics").body.decode()
        return next(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name + " "))

    def disks(self):
        return [f for f in os.listdir(os.path.join(self.daemon.state, "disks")) if f.startswith("ws_")]


class Follows(Case):
    def test_what_an_execution_did_is_there_when_its_result_is_shown(self):
        s = self.client.create()
        r = self.client.run(s, TREE)
        self.assertEqual((r["status"], r["sync"]), ("success", "done"), r)
        self.assertEqual(self.objects(), {"a.txt": 3, "d/b c+%41é": 3, "run.sh": 18})
        self.client.run(s, "import os; os.remove('a.txt'); open('run.sh', 'a').write('!')")
        self.assertEqual(self.objects(), {"d/b c+%41é": 3, "run.sh": 19})

    def test_uploads_and_deletions_go_to_both(self):
        s = self.client.create()
        self.client.upload(s, "in/data.bin", b"x" * 1000)
        self.assertEqual(self.objects(), {"in/data.bin": 1000})
        self.assertEqual(self.client.run(s, "print(len(open('in/data.bin').read()))")["stdout"], "1000\n")
        self.client.must(204, "DELETE", self.client.file_url(s, "in/data.bin"))
        self.assertEqual(self.objects(), {})
        self.assertEqual(self.client.run(s, "import os; print(os.listdir('in'))")["stdout"], "[]\n")

    def test_after_its_end_s3_alone_has_a_sessions_files(self):
        s = self.client.create()
        self.client.run(s, TREE)
        self.client.delete(s)
        leftovers.until(lambda: not self.disks(), 30, "the disk is given back")
        self.assertEqual(self.files(s), {"a.txt": 3, "d/b c+%41é": 3, "run.sh": 18})
        self.assertEqual(self.client.download(s, "d/b c+%41é"), b"two")
        answer = self.client.ask("GET", self.client.file_url(s, "a.txt"), headers={"Range": "bytes=1-"})
        self.assertEqual((answer.status, answer.body), (206, b"ne"))
        self.assertEqual(self.client.ask("GET", self.client.file_url(s, "nothing")).status, 404)

    def test_an_ephemeral_sessions_files_last(self):
        s = self.client.create(mode="ephemeral")
        self.client.run(s, "open('out.txt', 'w').write('kept')")
        leftovers.until(lambda: not self.disks(), 30, "the disk is given back")
        self.assertEqual(self.client.download(s, "out.txt"), b"kept")

    def test_a_large_file_is_redirected_to_where_it_is(self):
        s = self.client.create()
        data = os.urandom(12 << 20)
        self.client.upload(s, "large.bin", data)
        self.client.run(s, "import time; time.sleep(0.1)")  # one sync later its time is beyond doubt
        answer = self.client.ask("GET", self.client.file_url(s, "large.bin"))
        self.assertEqual(answer.status, 307, answer)
        with urllib.request.urlopen(answer.headers["Location"], timeout=60) as got:
            self.assertEqual(got.read(), data)
        answer = self.client.ask("GET", self.client.file_url(s, "large.bin") + "?redirect=false")
        self.assertEqual((answer.status, answer.body == data), (200, True))

    def test_many_files_at_once(self):
        s = self.client.create()
        r = self.client.run(s, "import os\nfor d in range(10):\n os.mkdir(f'd{d}')\n for i in range(40): open(f'd{d}/{i}', 'w').write(str(i))",
                            timeout=60)
        self.assertEqual(r["status"], "success", r)
        leftovers.until(lambda: len(self.objects()) == 400, 60, "all are there")
        self.client.run(s, "import shutil\nfor d in range(9): shutil.rmtree(f'd{d}')")
        leftovers.until(lambda: len(self.objects()) == 40, 60, "the rest is gone")

    def test_the_code_that_runs_can_not_reach_another_sessions_files(self):
        s, other = self.client.create(), self.client.create()
        self.client.upload(other, "secret", b"secret")
        self.client.run(s, "import os; os.symlink('../..', 'up'); os.symlink('/workspace/../../etc/passwd', 'p')")
        for path in ("up/secret", "p", "../secret"):
            self.assertIn(self.client.ask("GET", self.client.file_url(s, path)).status, (400, 404, 409), path)
        self.assertEqual(self.objects(), {"secret": 6})


class LongRuns(Case):
    options = ("--sync-interval", "1s")

    def test_files_go_while_the_code_runs(self):
        s = self.client.create()
        run = self.client.submit(s, "import os, time\nopen('early', 'w').write('x')\nwhile not os.path.exists('go'): time.sleep(0.05)", timeout=120)
        leftovers.until(lambda: "early" in self.objects(), 60, "the file is in S3 while its execution runs")
        self.assertEqual(self.client.execution(run)["status"], "running")
        self.client.upload(s, "go", b"")
        self.assertEqual(self.client.result(run)["status"], "success")


class Retention(Case):
    options = ("--retention", "1s")

    def test_objects_go_with_the_retention(self):
        s = self.client.create()
        self.client.upload(s, "f", b"x")
        self.client.delete(s)
        leftovers.until(lambda: not self.objects(), 150, "the objects are gone")
        leftovers.until(lambda: self.client.ask("GET", self.client.file_url(s, "f")).status == 404, 30, "404")


class Away(Case):
    def test_results_are_shown_and_their_files_follow(self):
        s = self.client.create()
        self.client.run(s, "open('before', 'w').write('1')")
        self.server.kill()
        self.addCleanup(self.server.revive)
        r = self.client.run(s, "open('during', 'w').write('22'); print('shown')")
        self.assertEqual((r["status"], r["stdout"], r["sync"]), ("success", "shown\n", "pending"), r)
        answer = self.client.ask("POST", f"{plane.API}/sessions/{s}/files/upload?path=up", b"333", {"Content-Type": "application/octet-stream"})
        self.assertEqual((answer.status, answer.json["error_code"]), (503, "Sandbox.BackendUnavailable"), answer)
        self.assertTrue(answer.headers["Retry-After"])
        self.assertEqual(self.client.download(s, "during"), b"22")
        self.assertEqual(self.metric("sandboxcp_workspaces_unsynced"), 1)
        self.server.revive()
        leftovers.until(lambda: self.client.result(r["execution_id"])["sync"] == "done", 60, "the files are there")
        self.assertEqual(self.objects(), {"before": 1, "during": 2, "up": 3})
        self.assertEqual(self.metric("sandboxcp_workspaces_unsynced"), 0)
        self.assertGreaterEqual(self.metric('sandboxcp_workspace_sync_seconds_count{result="failed"}'), 1)
        self.assertGreaterEqual(self.metric("sandboxcp_workspace_synced_bytes_total"), 6)

    def test_a_session_that_ends_meanwhile_keeps_its_disk_until_s3_has_it(self):
        s = self.client.create()
        self.client.run(s, "open('early', 'w').write('1')")
        self.server.kill()
        self.addCleanup(self.server.revive)
        self.client.run(s, "open('late', 'w').write('22')")
        self.client.delete(s)
        self.assertEqual(self.client.download(s, "late"), b"22")
        self.server.revive()
        leftovers.until(lambda: not self.disks(), 60, "the disk is given back")
        self.assertEqual(self.client.download(s, "late"), b"22")
        self.assertEqual(self.objects(), {"early": 1, "late": 2})

    def test_what_was_pending_survives_a_kill(self):
        s = self.client.create()
        self.client.run(s, "open('early', 'w').write('1')")
        self.server.kill()
        self.addCleanup(self.server.revive)
        r = self.client.run(s, "open('late', 'w').write('22')")
        self.daemon.kill()
        self.server.revive()
        self.daemon.start()
        leftovers.until(lambda: self.client.result(r["execution_id"])["sync"] == "done", 60, "the files are there")
        self.assertEqual(self.objects(), {"early": 1, "late": 2})

    def test_no_descriptor_is_left_of_syncs_that_failed(self):
        s = self.client.create()
        self.client.run(s, "pass")
        self.server.kill()
        self.addCleanup(self.server.revive)
        for i in range(5):
            self.client.run(s, f"open('f{i}', 'w').write('x')")
        self.server.revive()
        leftovers.until(lambda: len(self.objects()) == 5, 60, "all are there")
        held = os.listdir(f"/proc/{self.daemon.process.pid}/fd")
        links = [os.readlink(f"/proc/{self.daemon.process.pid}/fd/{fd}") for fd in held if os.path.lexists(f"/proc/{self.daemon.process.pid}/fd/{fd}")]
        self.assertEqual([link for link in links if "/workspaces/" in link], [])


class DiskLost(Case):
    def test_a_session_goes_on_with_what_s3_has(self):
        s = self.client.create()
        self.client.run(s, TREE)
        before = self.client.run(s, LOOK)["stdout"]
        self.assertIn("run.sh", before)
        self.daemon.lose_disks()
        self.daemon.start()
        after = self.client.run(s, LOOK)
        self.assertEqual(after["stdout"], before)
        self.assertEqual(self.client.run(s, "./run.sh", "shell")["stdout"], "ran\n")
        self.assertEqual(self.client.download(s, "a.txt"), b"one")
        self.assertEqual(self.objects(), {"a.txt": 3, "d/b c+%41é": 3, "run.sh": 18})

    def test_a_restore_that_s3_does_not_answer_is_tried_until_it_does(self):
        s = self.client.create()
        self.client.run(s, "open('f', 'w').write('x')")
        self.daemon.lose_disks()
        self.server.kill()
        self.addCleanup(self.server.revive)
        self.daemon.start()
        got = []
        reader = threading.Thread(target=lambda: got.append(self.client.run(s, "print(open('f').read())")))
        reader.start()
        leftovers.until(lambda: "can't be started" in self.daemon.tail(), 60, "it was tried")
        self.server.revive()
        reader.join(120)
        self.assertEqual(got and got[0]["stdout"], "x\n", got)


if __name__ == "__main__":
    unittest.main()
