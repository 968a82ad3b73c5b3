"""What the binding makes of the library's answers; against a stand-in (fake.c) that is compiled first."""

import ctypes
import gc
import io
import logging
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "bindings" / "python"))

import sandboxcp  # noqa: E402
from sandboxcp import _lib  # noqa: E402


def setUpModule():
    with tempfile.TemporaryDirectory() as folder:
        fake = os.path.join(folder, "libfake.so")
        source = pathlib.Path(__file__).with_name("fake.c")
        flags = ["-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE", "-fvisibility=hidden", "-shared", "-fPIC", "-pthread"]
        compiler = os.environ.get("CC", "cc").split()
        subprocess.run([*compiler, *flags, f"-I{ROOT / 'include'}", "-o", fake, str(source)], check=True)
        os.environ["SANDBOXCP_LIBRARY"] = fake
        _lib.library()


def counter(name):
    return ctypes.c_int.in_dll(_lib.library(), name)


def text():
    return (ctypes.c_char * 4096).in_dll(_lib.library(), "fake_text").value.decode()


class Case(unittest.TestCase):
    def setUp(self):
        self.plane = sandboxcp.open(state_dir="state", log=None)
        self.addCleanup(self.plane.close)

    def session(self):
        return self.plane.session("python-basic")

    def tearDown(self):
        gc.collect()
        self.assertEqual(counter("fake_snapshots").value, 0, "a snapshot wasn't freed")
        self.assertEqual(counter("fake_open_subscriptions").value, 0, "a subscription wasn't closed")


class Planes(Case):
    def test_a_closed_plane_says_so(self):
        self.plane.close()
        self.plane.close()
        with self.assertRaises(sandboxcp.ClosedError):
            self.plane.health()

    def test_open_raises_what_the_library_says(self):
        with self.assertRaises(sandboxcp.UnavailableError) as caught:
            sandboxcp.open(state_dir="/nowhere", log=None)
        e = caught.exception
        self.assertEqual((e.status, e.code, e.message, e.hint), (13, "BackendUnavailable", "no state", "a hint"))
        self.assertEqual(e.retry_after, 1.5)

    def test_options_reach_the_library(self):
        sandboxcp.open(runtime_urls="oci:crun", upkeep=False, disk_stock=2, log=None).close()
        self.assertEqual(text(), "oci:crun")

    def test_an_unknown_option_is_refused(self):
        with self.assertRaises(TypeError):
            sandboxcp.open(no_such_option=1)

    def test_a_string_with_a_nul_is_refused(self):
        with self.assertRaises(sandboxcp.InvalidError):
            self.plane.attach("sess_1\0x")

    def test_metrics_are_text(self):
        self.assertEqual(self.plane.metrics(), 'sandboxcp_build_info{version="0.1.0"} 1\n')

    def test_health_is_whole(self):
        health = self.plane.health()
        self.assertEqual((health.status, health.limits), ("degraded", {"memory": "enforced"}))
        self.assertEqual(health.probes[0].detail, "sqlite")

    def test_a_list_takes_every_page(self):
        self.assertEqual(len(self.plane.sessions()), 450)
        self.assertEqual(len(self.plane.sessions(limit=250)), 250)

    def test_a_templates_fields_reach_the_library(self):
        self.plane.create_template(
            "t",
            "T",
            "host:",
            languages=["shell", "python"],
            packages=["jq"],
            env={"A": "b"},
            timeout=90,
            resources={"cpu_millis": 2000},
            network=True,
            read_only_root=False,
            run_as_user=1000,
            warm_pool={"max": 3},
            deprecated=True,
        )
        self.assertEqual(text(), "create t T host: 90 2000 2 1 1000 3 1 l3 l1 p:jq A=b")
        self.plane.update_template("t", "U", "host:")
        self.assertEqual(text(), "update t U host: 0 0 0 0 0 0 0")
        self.plane.delete_template("t")
        self.assertEqual(text(), "delete t")
        with self.assertRaises(sandboxcp.InvalidError):
            self.plane.create_template("t", "T", "host:", languages=["cobol"])

    def test_containers_and_nodes(self):
        c = self.plane.container("scp-1")
        self.assertEqual((c.status, c.exit_code, c.usage.processes, c.uptime), ("running", None, 3, 1.5))
        found = self.plane.containers(status="exited", runtime_type="oci", session_id="sess_a")
        self.assertEqual(([c.id for c in found], text()), (["scp-1"], "containers 4 oci sess_a"))
        self.assertEqual(self.plane.container_logs("scp-1", tail=5, since=2.5), "a\nb\n")
        self.assertEqual(text(), "logs scp-1 5 2500000")
        with self.assertRaises(sandboxcp.InvalidError):
            self.plane.containers(status="dead")
        (node,) = self.plane.nodes()
        self.assertEqual((node.capacity.cpu_millis, node.cached_images), (2000, ["host:"]))
        self.assertEqual((self.plane.drain_node("n1").status, text()), ("draining", "drain n1 1"))
        self.plane.drain_node("n1", drain=False)
        self.assertEqual(text(), "drain n1 0")
        reach = self.plane.reach("sess_a")
        self.assertEqual((reach.here, reach.node, reach.node_status, reach.url), (False, "n2", "ready", "http://127.0.0.1:8001"))
        self.assertEqual(text(), "reach sess_a")

    def test_a_template_has_its_arrays(self):
        template = self.plane.template("python-basic")
        self.assertEqual((template.languages, template.packages), (["python", "shell"], ["python3"]))


class Logs(unittest.TestCase):
    def test_records_go_to_logging(self):
        with self.assertLogs("sandboxcp", "INFO") as seen:
            sandboxcp.open().close()
        self.assertEqual(seen.records[0].getMessage(), "opened")
        self.assertEqual((seen.records[0].levelname, seen.records[0].name), ("WARNING", "sandboxcp.core"))
        self.assertEqual(seen.records[0].sandboxcp["session_id"], "sess_1")

    def test_a_function_gets_records(self):
        seen = []
        sandboxcp.open(log=seen.append).close()
        self.assertEqual(seen[0].fields, {"A_TOKEN": "***"})

    def test_what_fails_in_it_goes_nowhere_but_is_reported(self):
        reported = []
        old, threading.excepthook = threading.excepthook, reported.append
        try:
            sandboxcp.open(log=lambda record: 1 / 0).close()
        finally:
            threading.excepthook = old
        self.assertIs(reported[0].exc_type, ZeroDivisionError)

    def test_a_silent_logger_costs_no_call(self):
        logger = logging.getLogger("silent")
        logger.setLevel(logging.CRITICAL)
        sandboxcp.open(log=logger).close()


class Sessions(Case):
    def test_leaving_a_session_terminates_it(self):
        with self.session() as s:
            self.assertEqual(s.status, "running")
        self.assertEqual(text(), "terminated sess_1")

    def test_a_session_that_fails_raises_why_and_is_terminated(self):
        with self.assertRaises(sandboxcp.NotSupportedError) as caught:
            self.plane.session("bad")
        self.assertEqual(caught.exception.message, "no such package")
        self.assertEqual(text(), "terminated sess_bad")

    def test_an_unknown_template_raises(self):
        with self.assertRaises(sandboxcp.NotFoundError) as caught:
            self.plane.session("none")
        self.assertEqual(caught.exception.code, "TemplateNotFound")

    def test_the_error_inside_survives_the_end(self):
        with self.assertRaises(KeyError), self.session():
            raise KeyError("mine")

    def test_a_snapshot_outlives_the_librarys(self):
        info = self.session().info()
        self.assertEqual(info.resources.cpu_millis, 1500)
        self.assertEqual(info.env, {"A_TOKEN": "***"})
        self.assertEqual(info.created_at.timestamp(), 1.5)

    def test_env_reaches_the_library(self):
        self.plane.session("python-basic", env={"X": "é"}, wait=0)
        self.assertEqual(text(), "é")


class Runs(Case):
    def test_a_result_is_whole(self):
        r = self.session().run("pass")
        self.assertTrue(r.ok)
        self.assertEqual(r.return_value, {"n": [1, None]})
        self.assertEqual((r.stdout_raw, r.stdout, r.stdout_bytes, r.stdout_truncated), (b"a\0\xff", "a\0\ufffd", 9, True))
        self.assertEqual((r.stderr, r.exit_code, r.signal), ("", None, 9))
        self.assertEqual((r.metrics.source, r.artifacts[0].path), ("cgroup", "out.csv"))

    def test_every_parameter_reaches_the_library(self):
        self.session().run("é", "shell", {"a": 1}, 2.5, {"A": "1", "B": "2"}, "in", 0)
        self.assertEqual(text(), 'é|2|3|3|{"a": 1}|2|in|-1')

    def test_defaults_are_the_librarys(self):
        self.session().run("x")
        self.assertEqual(text(), "x|1|1|0|-|0||0")

    def test_an_event_that_json_lacks_is_refused(self):
        for event in (float("nan"), object()):
            with self.assertRaises(sandboxcp.InvalidError):
                self.session().run("x", event=event)

    def test_an_unknown_language_is_refused(self):
        with self.assertRaises(sandboxcp.InvalidError):
            self.session().run("x", language="cobol")

    def test_a_wait_ends_with_its_time(self):
        with self.assertRaises(sandboxcp.TimedOutError):
            self.plane.wait("exec_forever", 0.02)


class Streams(Case):
    def test_events_come_in_order_and_the_result_last(self):
        events = list(self.session().stream("x"))
        self.assertEqual([(e.seq, e.kind) for e in events], [(1, "stdout"), (2, "stdout"), (3, "result")])
        self.assertEqual((events[0].data, events[0].raw), ("é", b"\xc3\xa9"))
        self.assertEqual(events[2].data.return_value, {"n": [1, None]})

    def test_a_slow_reader_holds_the_library_back(self):
        stream = self.session().events("exec_many")
        while not counter("fake_pauses").value:
            next(stream)
        before = counter("fake_sent").value
        for _ in range(5000):
            next(stream)
        self.assertLess(counter("fake_sent").value - before, 5000 + 1000)
        stream.close()
        self.assertRaises(StopIteration, next, stream)

    def test_a_dropped_stream_closes_its_subscription(self):
        for event in self.session().events("exec_many"):
            if event.seq == 3:
                break
        del event
        gc.collect()
        self.assertEqual(counter("fake_open_subscriptions").value, 0)

    def test_closing_the_plane_closes_its_streams(self):
        stream = self.session().events("exec_many")
        self.plane.close()
        self.assertEqual(counter("fake_open_subscriptions").value, 0)
        self.assertRaises(StopIteration, lambda: [next(stream) for _ in range(10000)])


class Files(Case):
    def test_bytes_text_and_paths_are_put(self):
        s = self.session()
        self.assertEqual((s.put("a", b"xy").size, text()), (2, "xy"))
        self.assertEqual((s.put("a", "é").size, text()), (2, "é"))
        self.assertEqual((s.put("a", pathlib.Path("/x/y")).size, text()), (4, "/x/y"))
        self.assertEqual(s.put("a", b"").size, 0)

    def test_an_open_file_is_put_in_pieces(self):
        self.assertEqual(self.session().put("a", io.BytesIO(b"x" * 1000)).size, 1000)
        self.assertEqual(text(), "x" * 1000)

    def test_bytes_with_nul_are_got(self):
        self.assertEqual(self.session().get("a"), b"a\0b" * 3)

    def test_a_file_is_got_into_an_open_one(self):
        to = io.BytesIO()
        self.assertIsNone(self.session().get("a", to))
        self.assertEqual(to.getvalue(), b"a\0b" * 3)

    def test_what_a_source_raises_comes_out(self):
        class Broken:
            def read(self, size):
                raise OSError("disk on fire")

        with self.assertRaisesRegex(OSError, "disk on fire"):
            self.session().put("a", Broken())

    def test_what_a_sink_raises_comes_out(self):
        class Full:
            def write(self, data):
                raise OSError("disk full")

        with self.assertRaisesRegex(OSError, "disk full"):
            self.session().get("a", Full())

    def test_a_missing_file_raises(self):
        with self.assertRaises(sandboxcp.NotFoundError):
            self.session().delete("gone")


class Doctests(unittest.TestCase):
    def test_the_examples_hold(self):
        import doctest
        import importlib

        for name in ("errors", "plane", "session", "values", "stream"):
            failed, _ = doctest.testmod(importlib.import_module(f"sandboxcp.{name}"))
            self.assertEqual(failed, 0, name)


if __name__ == "__main__":
    unittest.main()
