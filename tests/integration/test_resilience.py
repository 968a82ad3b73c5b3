"""Sandboxes that die, many at once, and a daemon that comes and goes."""
import os
import signal
import threading
import unittest

import case
import leftovers
import plane

MARK = "import os, time\nfirst = not os.path.exists('mark')\nopen('mark', 'a').write('x')\nprint('try', flush=True)\nif first: time.sleep(60)\nprint('second')"


class Death(case.PlaneCase):
    def run_and_kill(self, **fields):
        before = self.daemon.executors()
        s = self.session()
        mine = self.daemon.executors() - before
        self.assertEqual(len(mine), 1, "one sandbox, one executor")
        e = self.client.submit(s, MARK, timeout=120, **fields)
        leftovers.until(lambda: self.client.ask("GET", self.client.file_url(s, "mark")).status == 200, 30, "the code runs")
        os.kill(mine.pop(), signal.SIGKILL)
        return s, e, self.client.result(e)

    def test_a_killed_sandbox_is_made_anew_and_the_execution_retried(self):
        s, e, r = self.run_and_kill()
        self.assertEqual(r["status"], "success", r)
        self.assertTrue(r["stdout"].endswith("second\n"), r)
        self.assertEqual(self.client.execution(e)["retry_count"], 1)
        self.assertEqual(self.client.download(s, "mark"), b"xx")
        self.assertEqual(self.client.session(s)["status"], "running")

    def test_without_retries_it_is_crashed(self):
        s, e, r = self.run_and_kill(max_retries=0)
        self.assertEqual(r["status"], "crashed", r)
        self.assertEqual(self.client.execution(e)["retry_count"], 0)
        self.assertTrue(r["error"])
        self.assertEqual(self.client.run(s, "print('new container')")["stdout"], "new container\n")
        self.assertEqual(self.client.download(s, "mark"), b"x")

    def test_a_sandbox_that_dies_idle_is_made_anew_when_needed(self):
        before = self.daemon.executors()
        s = self.session("shell-basic")
        self.client.run(s, "echo kept >file", "shell")
        os.kill((self.daemon.executors() - before).pop(), signal.SIGKILL)
        self.assertEqual(self.client.run(s, "cat file", "shell", timeout=60)["stdout"], "kept\n")


class Disks(case.PlaneCase):
    """A workspace's disk that somebody on this machine holds when its session ends."""

    def end_while_held(self):
        self.need_limit("disk")
        before = self.daemon.remains()["mounts"]
        s = self.client.create("shell-basic")
        self.client.run(s, "echo x >file", "shell")
        folder, = set(self.daemon.remains()["mounts"]) - set(before)
        held = os.open(os.path.join(folder, "file"), os.O_RDONLY)
        self.client.delete(s)
        leftovers.until(lambda: not self.daemon.remains()["sandboxes"], 30, "its sandbox is gone")
        if not self.daemon.bucket:  # where S3 has the files, a disk is let go whoever holds it
            self.assertTrue(leftovers.mounts(folder))
        return folder, held

    def test_it_goes_when_it_is_let_go(self):
        folder, held = self.end_while_held()
        os.close(held)
        leftovers.until(lambda: not leftovers.mounts(folder), 30, "it is unmounted")
        leftovers.until(lambda: not self.daemon.remains()["workspaces"], 30, "its disk is nowhere")

    def test_the_next_process_finds_it(self):
        folder, held = self.end_while_held()
        self.daemon.kill()
        os.close(held)
        self.daemon.start()
        leftovers.until(lambda: not leftovers.mounts(folder), 30, "it is unmounted")


class Many(case.PlaneCase):
    COUNT = 100

    def test_100_sessions_at_once_run_and_are_gone(self):
        made, problems = [], []

        def create():
            try:
                made.append(self.client.create("shell-basic", wait=0))
            except AssertionError as e:
                problems.append(e)

        self.each(create, range(self.COUNT), lambda _: ())
        self.assertEqual(problems, [])
        self.assertEqual(len(set(made)), self.COUNT)
        leftovers.until(lambda: len(self.daemon.sessions("running")) == self.COUNT, 120, "all are running")
        results = {}

        def run(session):
            results[session] = self.client.run(session, "echo $((6*7))", "shell", timeout=120)["stdout"]

        self.each(run, made, lambda s: (s,))
        self.assertEqual(set(results.values()), {"42\n"})
        self.assertEqual(len(results), self.COUNT)
        self.each(self.client.delete, made, lambda s: (s,))
        leftovers.until(self.daemon.gone, 120, f"all are gone, not {self.daemon.remains()}")

    def each(self, fn, items, arguments):
        threads = [threading.Thread(target=fn, args=arguments(i)) for i in items]
        for t in threads:
            t.start()
        for t in threads:
            t.join()


class Restart(case.PlaneCase):
    def test_sessions_and_files_live_on_when_the_daemon_is_stopped(self):
        s = self.session("shell-basic")
        self.client.run(s, "echo kept >file; echo x >/tmp/in-container", "shell")
        e = self.client.submit(s, "echo begun; sleep 2; echo ended", "shell", timeout=60)
        leftovers.until(lambda: self.client.execution(e)["status"] == "running", 20, "running")
        self.assertEqual(self.daemon.stop(), 0)
        self.daemon.start()
        self.assertEqual(self.client.result(e)["stdout"], "begun\nended\n")
        self.assertEqual(self.client.run(s, "cat file /tmp/in-container", "shell")["stdout"], "kept\nx\n")

    def test_a_second_daemon_on_the_same_state_is_refused(self):
        import subprocess
        second = subprocess.run([plane.SANDBOXD, "--listen", f"unix:{self.daemon.socket}2", "--state-dir", self.daemon.state],
                                capture_output=True, text=True, timeout=60, check=False)
        self.assertNotEqual(second.returncode, 0)
        self.assertIn(self.daemon.state, second.stderr + second.stdout)


if __name__ == "__main__":
    unittest.main()
