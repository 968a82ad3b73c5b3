"""What is over is known for its time, then it is forgotten with everything that hangs on it."""
import os
import time
import unittest

import case
import leftovers
from plane import API

DAY = 86400
MIB = 1 << 20
TIMES = {"session": ("created_us", "started_us", "updated_us", "last_activity_us", "expires_us", "terminated_us"),
         "execution": ("created_us", "started_us", "completed_us", "last_heartbeat_us"),
         "container": ("created_us", "started_us", "exited_us"), "workspace": ("created_us", "ended_us", "removed_us"),
         "artifact": ("created_us",), "idempotency": ("created_us", "expires_us")}


class History(case.PlaneCase):
    def later(self, days):
        """The daemon comes back after so many days; workspaces whose time was over then are gone, but for that of a session that lives."""
        self.daemon.stop()
        over = "(SELECT id FROM (SELECT id FROM session WHERE terminated_us > 0) AS ended)"
        where = {"session": f"id IN {over}", "execution": f"session_id IN {over}", "container": f"session_id IN {over}",
                 "workspace": f"session_id IN {over}", "artifact": f"execution_id IN (SELECT id FROM execution WHERE session_id IN {over})",
                 "idempotency": "1"}
        self.daemon.sql("UPDATE workspace SET removed_us = ended_us + 1 WHERE ended_us > 0 AND removed_us = 0")
        for table, columns in TIMES.items():
            for column in columns:
                self.daemon.sql(f"UPDATE {table} SET {column} = {column} - {days * DAY * 1000000} WHERE {column} > 0 AND {where[table]}")
        self.daemon.start()

    def rows(self, table, where="1"):
        return int(self.daemon.sql(f"SELECT count(*) FROM {table} WHERE {where}")[0][0])

    def blob(self, execution):
        return self.daemon.stored(f"executions/{execution}/")

    def ended(self):
        """A session that is over, and its execution, whose output is too long for its row."""
        session = self.client.create("shell-basic")
        body = {"language": "shell", "code": "echo x >made; head -c 300000 /dev/zero | tr '\\0' y"}
        result = self.client.must(200, "POST", f"{API}/sessions/{session}/execute?wait=60", body, {"Idempotency-Key": f"k-{session}"}).json
        self.assertEqual((result["stdout_bytes"], len(result["artifacts"])), (300000, 1))
        self.assertTrue(self.blob(result["execution_id"]))
        self.client.delete(session)
        leftovers.until(lambda: self.rows("container", f"session_id = '{session}' AND status != 5") == 0, 30, "its container is gone")
        return session, result["execution_id"]

    def rounds(self):
        """Wait until upkeep has been there."""
        def ran():
            lines = self.client.must(200, "GET", "/metrics").body.decode().splitlines()
            return any('chore="forget"' in line for line in lines)
        leftovers.until(ran, 30, "upkeep looks for what is over")
        time.sleep(6)  # and once more

    def statuses(self, session, execution):
        return [self.client.ask("GET", f"{API}/{path}").status for path in (f"sessions/{session}", f"executions/{execution}", f"executions/{execution}/result")]


class ThirtyDays(History):
    def test_after_it_nothing_is_left_and_before_it_everything_is(self):
        lives = self.session("shell-basic")
        ran = self.client.run(lives, "echo here", "shell")["execution_id"]
        session, execution = self.ended()
        self.later(29)
        self.rounds()
        self.assertEqual(self.statuses(session, execution), [200, 200, 200])
        self.assertEqual(self.client.result(execution)["stdout_bytes"], 300000)
        for path in ("files", "files/made"):
            answer = self.client.ask("GET", f"{API}/sessions/{session}/{path}")
            self.assertEqual((answer.status, answer.json["error_code"]), (404, "Sandbox.FileNotFound"), answer)
            self.assertRegex(answer.json["error_detail"], r"\d{4}-\d\d-\d\d", "it says when they went")
        self.later(2)
        leftovers.until(lambda: self.statuses(session, execution) == [404, 404, 404], 30, "it is forgotten")
        self.assertEqual(self.client.ask("GET", f"{API}/sessions/{session}").json["error_code"], "Sandbox.SessionNotFound")
        self.assertEqual(self.client.ask("GET", f"{API}/executions/{execution}").json["error_code"], "Sandbox.ExecutionNotFound")
        self.assertFalse(self.blob(execution))
        for table, where in (("session", f"id = '{session}'"), ("container", f"session_id = '{session}'"), ("workspace", f"session_id = '{session}'"),
                             ("execution", f"session_id = '{session}'"), ("output", f"execution_id = '{execution}'"), ("artifact", f"execution_id = '{execution}'"),
                             ("execution_input", f"execution_id = '{execution}'")):
            self.assertEqual(self.rows(table, where), 0, table)
        self.assertEqual(self.client.execution(ran)["status"], "completed")
        self.assertEqual(self.client.run(lives, "cat missing || echo lives", "shell")["stdout"], "lives\n")


class ForEver(History):
    options = ("--history", "0")

    def test_nothing_is_forgotten(self):
        session, execution = self.ended()
        self.later(4000)
        self.rounds()
        self.assertEqual(self.statuses(session, execution), [200, 200, 200])


class WithRetention(History):
    options = ("--history", "1d", "--retention", "40d")

    def test_a_session_is_known_as_long_as_its_files(self):
        session, execution = self.ended()
        self.later(39)
        self.rounds()
        self.assertEqual(self.statuses(session, execution), [200, 200, 200])
        self.later(2)
        leftovers.until(lambda: self.statuses(session, execution) == [404, 404, 404], 30, "it is forgotten")


if __name__ == "__main__":
    unittest.main()
