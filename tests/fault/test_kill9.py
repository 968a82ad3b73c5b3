"""kill -9 of sandboxd: nothing that was acknowledged is lost, and nothing happens twice."""
import os
import signal
import threading
import time
import unittest

import case
import leftovers

CODE = """import os, sys, time
with open(f'log-{os.environ["N"]}', 'a') as f: f.write('began\\n')
print('out', os.environ['N'], flush=True)
time.sleep(float(os.environ['FOR']))
with open(f'log-{os.environ["N"]}', 'a') as f: f.write('ended\\n')
print('over', os.environ['N'])
sys.exit(int(os.environ['N']) % 3)
"""


class Kill9(case.PlaneCase):
    def start_20(self, seconds):
        """20 executions in 5 sessions, all running."""
        sessions = [self.session() for _ in range(5)]
        runs = {}
        for n in range(20):
            s = sessions[n % 5]
            runs[n] = (s, self.client.submit(s, CODE, env_vars={"N": str(n), "FOR": str(seconds(n))}, timeout=120))
        leftovers.until(lambda: all(self.client.ask("GET", self.client.file_url(s, f"log-{n}")).status == 200 for n, (s, _) in runs.items()),
                        60, "all 20 run")
        return runs

    def check_20(self, runs):
        for n, (session, execution) in runs.items():
            r = self.client.result(execution)
            with self.subTest(n=n):
                self.assertEqual(r["exit_code"], n % 3, r)
                self.assertEqual(r["status"], "failed" if n % 3 else "success")
                self.assertEqual(r["stdout"], f"out {n}\nover {n}\n")
                self.assertEqual(self.client.execution(execution)["retry_count"], 0)
                self.assertEqual(self.client.download(session, f"log-{n}"), b"began\nended\n")

    def test_20_executions_end_once_with_their_true_results(self):
        runs = self.start_20(lambda n: 3 + n % 4)
        self.daemon.kill()
        self.daemon.start()
        self.check_20(runs)

    def test_those_that_ended_while_nobody_was_there_are_not_lost(self):
        runs = self.start_20(lambda n: 2)
        self.daemon.kill()
        time.sleep(5)  # the time that the daemon is away is what this is about
        self.daemon.start()
        self.check_20(runs)

    def test_killed_again_and_again_it_still_ends_right(self):
        runs = self.start_20(lambda n: 6)
        for _ in range(4):
            self.daemon.kill()
            self.daemon.start()
        self.check_20(runs)

    def test_what_was_accepted_while_being_killed_is_run(self):
        s = self.session("shell-basic")
        accepted, stop = [], threading.Event()

        def submit():
            while not stop.is_set():
                try:
                    accepted.append(self.client.submit(s, "echo here", "shell", timeout=60))
                except (AssertionError, OSError):
                    time.sleep(0.01)

        thread = threading.Thread(target=submit)
        thread.start()
        try:
            leftovers.until(lambda: len(accepted) >= 10, 30, "some are accepted")
            self.daemon.kill()
        finally:
            stop.set()
            thread.join()
        self.daemon.start()
        for e in accepted:
            self.assertEqual(self.client.result(e)["stdout"], "here\n")

    def test_sandbox_and_daemon_killed_together_still_end_it(self):
        before = self.daemon.executors()
        s = self.session()
        mine = self.daemon.executors() - before
        e = self.client.submit(s, "import os, time\nagain = os.path.exists('mark')\nopen('mark', 'w').close()\nif not again: time.sleep(100)\nprint('again')", timeout=120)
        leftovers.until(lambda: self.client.ask("GET", self.client.file_url(s, "mark")).status == 200, 30, "it runs")
        self.daemon.kill()
        for pid in mine:
            os.kill(pid, signal.SIGKILL)
        self.daemon.start()
        r = self.client.result(e)
        self.assertEqual((r["status"], r["stdout"]), ("success", "again\n"), r)
        self.assertEqual(self.client.execution(e)["retry_count"], 1)

    def test_a_session_being_made_is_not_forgotten(self):
        made = [self.client.create("shell-basic", wait=0) for _ in range(10)]
        self.daemon.kill()
        self.daemon.start()
        for s in made:
            self.assertEqual(self.client.run(s, "echo up", "shell", timeout=60)["stdout"], "up\n")
            self.client.delete(s)
        leftovers.until(self.daemon.gone, 60, lambda: f"no container was left: {self.daemon.remains()}")


if __name__ == "__main__":
    unittest.main()
