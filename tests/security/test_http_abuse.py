"""Clients that don't mean well: each is answered or cut, costs little, and the others are served meanwhile."""
import hashlib
import os
import resource
import select
import socket
import threading
import time
import unittest

import case
import leftovers
import plane

MIB = 1 << 20
HOST = b"Host: a\r\n"
IDLE = 10000
SANITIZED = any(word in plane.BUILD for word in ("asan", "tsan"))


def get(path="/health/live", more=b""):
    return b"GET " + plane.API.encode() + path.encode() + b" HTTP/1.1\r\n" + HOST + more + b"\r\n"


def post(more, body=b"", path="/sessions"):
    return b"POST " + plane.API.encode() + path.encode() + b" HTTP/1.1\r\n" + HOST + more + b"\r\n" + body


JSON = b"Content-Type: application/json\r\n"
CHUNKED = JSON + b"Transfer-Encoding: chunked\r\n"

# What a proxy before us might read as two requests, or as another one: each is refused, and what follows isn't served.
SMUGGLED = {
    "length and chunked": post(JSON + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    "chunked and length": post(CHUNKED + b"Content-Length: 5\r\n", b"0\r\n\r\n"),
    "two lengths that differ": post(JSON + b"Content-Length: 2\r\nContent-Length: 5\r\n", b"{}"),
    "two lengths alike": post(JSON + b"Content-Length: 2\r\nContent-Length: 2\r\n", b"{}"),
    "a list of lengths": post(JSON + b"Content-Length: 2, 2\r\n", b"{}"),
    "a signed length": post(JSON + b"Content-Length: +2\r\n", b"{}"),
    "a hexadecimal length": post(JSON + b"Content-Length: 0x2\r\n", b"{}"),
    "a negative length": post(JSON + b"Content-Length: -1\r\n", b"{}"),
    "an overflowing length": post(JSON + b"Content-Length: 18446744073709551618\r\n", b"{}"),
    "a blank before the colon": post(JSON + b"Content-Length : 2\r\n", b"{}"),
    "a folded line": get(more=b"A: b\r\n c: d\r\n"),
    "a folded transfer-encoding": post(JSON + b"Transfer-Encoding:\r\n chunked\r\n", b"0\r\n\r\n"),
    "another coding": post(JSON + b"Transfer-Encoding: chunked, identity\r\n", b"0\r\n\r\n"),
    "a coding twice": post(CHUNKED + b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    "a coding that hides": post(JSON + b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n"),
    "a coding in 1.0": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bare LF": b"GET / HTTP/1.1\nHost: a\n\n",
    "bare LF in a line": b"GET / HTTP/1.1\r\nHost: a\nB: c\r\n\r\n",
    "bare CR in a value": get(more=b"A: b\rContent-Length: 9\r\n"),
    "NUL in a value": get(more=b"A: b\0c\r\n"),
    "two hosts": get(more=b"Host: b\r\n"),
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "another version": b"GET / HTTP/1.9\r\nHost: a\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "a line without a colon": get(more=b"nonsense\r\n"),
    "a control character in the target": b"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
    "a broken escape": b"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n",
    "an escaped NUL": b"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n",
    "a chunk's size with a blank": post(CHUNKED, b" 2\r\n{}\r\n0\r\n\r\n"),
    "a chunk's size with 0x": post(CHUNKED, b"0x2\r\n{}\r\n0\r\n\r\n"),
    "a chunk's size that overflows": post(CHUNKED, b"10000000000000002\r\n{}\r\n0\r\n\r\n"),
    "a chunk without a size": post(CHUNKED, b"\r\n{}\r\n0\r\n\r\n"),
    "a chunk longer than it says": post(CHUNKED, b"1\r\n{}\r\n0\r\n\r\n"),
    "a chunk that ends in LF": post(CHUNKED, b"2\r\n{}\n0\r\n\r\n"),
    "a chunk's size that ends in LF": post(CHUNKED, b"2\n{}\r\n0\r\n\r\n"),
}

FLOODS = {
    "a header of 1 MiB": (get(more=b"A: " + b"b" * MIB + b"\r\n"), {431}),
    "10,000 headers": (get(more=b"".join(b"A%d: b\r\n" % i for i in range(10000))), {431}),
    "101 headers": (get(more=b"A: b\r\n" * 101), {431}),
    "a target of 1 MiB": (get("/" + "a" * MIB), {414, 431}),
    "a query of 1 MiB": (get("/health/live?a=" + "b" * MIB), {414, 431}),
    "a line that never ends": (b"G" * MIB, {400, 414, 431}),
    "empty lines without end": (b"\r\n" * 100000, {400, None}),
    "a chunk extension of 1 MiB": (post(CHUNKED, b"2;" + b"a" * MIB + b"\r\n{}\r\n0\r\n\r\n"), {400, 413}),
    "a trailer of 1 MiB": (post(CHUNKED, b"0\r\nA: " + b"b" * MIB + b"\r\n\r\n"), {400, 413}),
    "a body of 2 GiB": (post(JSON + b"Content-Length: 2147483648\r\n", b"{" * MIB), {413}),
    "chunks of 4 MiB where 256 KiB are taken": (post(CHUNKED, (b"10000\r\n" + b"[" * 65536 + b"\r\n") * 64), {413}),
}


def statuses(text):
    """Of the answers in what came; each begins behind the one before by its own Content-Length."""
    found = []
    while text.startswith(b"HTTP/1.1 "):
        head, _, text = text.partition(b"\r\n\r\n")
        found.append(int(head[9:12]))
        length = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        text = text[int(length[0]) if length else 0:]
    return found


class Abuse(case.PlaneCase):
    @classmethod
    def setUpClass(cls):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        cls.limit = soft
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        super().setUpClass()
        cls.client.ask("GET", f"{plane.API}/health")
        cls.before = 1  # it listens
        leftovers.until(lambda: cls.descriptors() == 1, 60, "nobody is connected")

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        resource.setrlimit(resource.RLIMIT_NOFILE, (cls.limit, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))

    @classmethod
    def descriptors(cls):
        """The listening socket and those of clients; what sandboxes and backends hold is not ours to count."""
        with open("/proc/net/unix", encoding="ascii", errors="replace") as f:
            ours = {f"socket:[{line.split()[6]}]" for line in f if line.rstrip().endswith(f" {cls.daemon.socket}")}
        path = f"/proc/{cls.daemon.process.pid}/fd"
        count = 0
        for fd in os.listdir(path):
            try:
                count += os.readlink(f"{path}/{fd}") in ours
            except FileNotFoundError:
                pass
        return count

    def rss(self):
        with open(f"/proc/{self.daemon.process.pid}/status", encoding="ascii") as f:
            return next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmRSS:"))

    def setUp(self):
        # the first to be said is the last to be done: sessions are over then
        self.addCleanup(lambda: leftovers.until(
            lambda: self.descriptors() <= self.before, 60, f"sockets are closed: {self.before} before"))

    def connect(self):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.settimeout(120)
        s.connect(self.daemon.socket)
        return s

    def served(self):
        """Others are, while something is going on."""
        self.assertEqual(self.client.ask("GET", f"{plane.API}/sessions", timeout=60).status, 200)

    def say(self, data):
        """Send all of it, then read until the daemon closes."""
        got = b""
        with self.connect() as s:
            s.setblocking(False)
            poll = select.poll()
            poll.register(s, select.POLLIN | select.POLLOUT)
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                for _, events in poll.poll(1000):
                    try:
                        if events & select.POLLOUT and data:
                            data = data[s.send(data[:65536]):]
                        if not data:
                            poll.modify(s, select.POLLIN)
                        if events & (select.POLLIN | select.POLLHUP | select.POLLERR):
                            more = s.recv(65536)
                            got += more
                            if not more:
                                return got
                    except BlockingIOError:
                        pass
                    except (ConnectionResetError, BrokenPipeError):
                        return got
        raise AssertionError(f"not closed within 60 s: {got[:200]!r}")

    def test_what_two_could_read_differently_is_refused_and_ends_the_connection(self):
        for name, data in SMUGGLED.items():
            with self.subTest(name):
                # whatever hides behind it must not be served: one answer, no second
                got = statuses(self.say(data + get()))
                self.assertEqual(len(got), 1, got)
                self.assertIn(got[0], (400, 501, 505))

    def test_floods_are_cut_short(self):
        before = self.rss()
        for name, (data, wanted) in FLOODS.items():
            with self.subTest(name):
                if None in wanted:
                    with self.connect() as s:
                        s.sendall(data)
                    continue
                got = statuses(self.say(data))
                self.assertEqual(len(got), 1, got)
                self.assertIn(got[0], wanted)
        self.served()
        if not SANITIZED:
            self.assertLess(self.rss() - before, 8 * MIB)

    def test_slow_heads_and_bodies_end_by_time_and_others_are_served(self):
        heads, bodies = [self.connect() for _ in range(200)], [self.connect() for _ in range(200)]
        for s in heads:
            s.sendall(b"GET / HT")
        for s in bodies:
            s.sendall(post(JSON + b"Content-Length: 100\r\n", b"{"))
        self.served()
        poll, waiting = select.poll(), {s.fileno(): s for s in heads + bodies}
        for fd in waiting:
            poll.register(fd, select.POLLIN)
        # a byte now and then doesn't make a head take for ever
        dripping, answered, deadline = True, {}, time.monotonic() + 90
        while waiting and time.monotonic() < deadline:
            for fd, _ in poll.poll(1000):
                answered[fd] = answered.get(fd, b"") + (more := self.take(waiting[fd]))
                if not more:
                    poll.unregister(fd)
                    waiting.pop(fd).close()
            if dripping:
                for s in heads:
                    try:
                        if s.fileno() >= 0:
                            s.send(b"T")
                    except OSError:
                        dripping = False
            self.served()
        self.assertEqual(len(waiting), 0, "still open")
        self.assertEqual({statuses(text)[0] for text in answered.values() if text}, {408})
        self.assertGreaterEqual(sum(bool(text) for text in answered.values()), 390)

    def take(self, s):
        try:
            return s.recv(65536)
        except ConnectionResetError:
            return b""

    def test_who_only_stopped_sending_is_answered_and_who_stopped_in_the_middle_is_not_waited_for(self):
        with self.connect() as s:
            s.sendall(get())
            s.shutdown(socket.SHUT_WR)
            self.assertEqual(statuses(s.recv(65536)), [200])
            self.assertEqual(s.recv(1), b"")
        for half in (b"GET / HT", post(JSON + b"Content-Length: 100\r\n", b"{"), post(CHUNKED, b"5\r\n{")):
            with self.connect() as s:
                s.sendall(half)
                s.shutdown(socket.SHUT_WR)
                self.assertNotIn(200, statuses(self.take(s)))

    def test_pipelined_requests_are_answered_in_their_order(self):
        with self.connect() as s:
            data = b"".join(get(more=b"X-Request-ID: n%d\r\n" % n) for n in range(1000))
            threading.Thread(target=s.sendall, args=(data,)).start()
            got = b""
            while got.count(b"HTTP/1.1 200") < 1000:
                more = s.recv(1 << 20)
                self.assertTrue(more, got[-300:])
                got += more
        order = [line.split(b": ")[1] for line in got.split(b"\r\n") if line.startswith(b"X-Request-ID: ")]
        self.assertEqual(order, [b"n%d" % n for n in range(1000)])

    def test_a_client_that_never_reads_holds_little(self):
        before = self.rss()
        with self.connect() as s:
            s.setblocking(False)
            data = get(path="/templates") * 100
            try:
                for _ in range(2000):
                    s.send(data)
            except BlockingIOError:
                pass
            self.served()
            if not SANITIZED:
                self.assertLess(self.rss() - before, 8 * MIB)

    def test_10000_idle_connections_cost_little_and_others_are_served(self):
        if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < IDLE + 1000:
            self.skipTest("too few descriptors for that here")
        before = self.rss()
        idle = []
        try:
            for n in range(IDLE):
                idle.append(self.connect())
                if n % 1000 == 0:
                    self.served()
            leftovers.until(lambda: self.descriptors() > IDLE, 60, "all are accepted")
            self.served()
            each = (self.rss() - before) / IDLE
            if not SANITIZED:
                self.assertLess(each, 8192, f"{each:.0f} bytes each")
            idle[IDLE // 2].sendall(get())
            self.assertEqual(statuses(idle[IDLE // 2].recv(65536)), [200])
        finally:
            for s in idle:
                s.close()

    def test_json_bodies_hold_no_more_than_their_bound_together(self):
        """40 × 13 MiB of bodies that never end, where 256 MiB are taken."""
        path = "/sessions/sess_0000000000000000/execute"
        before, held, refused, most = self.rss(), [], set(), 0
        block = post(JSON + b"Content-Length: 14000000\r\n", b" " * (13 * MIB), path)
        try:
            for n in range(40):
                s = self.connect()
                held.append(s)
                try:
                    s.sendall(block)
                except (BrokenPipeError, ConnectionResetError):
                    refused.add(n)  # it was answered and closed before all was sent
                most = max(most, self.rss())
            self.served()
            for n, s in enumerate(held):
                s.setblocking(False)
                try:
                    if statuses(s.recv(65536))[:1] == [429]:
                        refused.add(n)
                except (BlockingIOError, ConnectionResetError):
                    pass
            self.assertGreaterEqual(len(refused), 15)
            self.assertLess(len(refused), 30)
            if not SANITIZED:
                self.assertLess(most - before, 300 * MIB, f"{(most - before) / MIB:.0f} MiB")
        finally:
            for s in held:
                s.close()
        leftovers.until(lambda: self.descriptors() <= self.before, 60, "they are gone")
        self.assertEqual(statuses(self.say(post(JSON + b"Connection: close\r\nContent-Length: 2\r\n", b"{}", path))), [400])
        if not SANITIZED:
            leftovers.until(lambda: self.rss() - before < 64 * MIB, 30, "their memory is given back")

    def upload(self, session, name, size, block, wanted):
        connection = self.client.connection(600)
        try:
            connection.putrequest("POST", f"{plane.API}/sessions/{session}/files/upload?path={name}")
            connection.putheader("Content-Type", "application/octet-stream")
            connection.putheader("Content-Length", str(size))
            connection.endheaders()
            for _ in range(size // len(block)):
                connection.send(block)
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != 200 or wanted.encode() not in text:
                raise AssertionError(f"{answer.status} {text[:300]!r}")
        finally:
            connection.close()

    def uploads(self, sessions, count, size):
        """`count` at once; how much the daemon grew at most, an upload."""
        block = os.urandom(MIB)
        digest = hashlib.sha256()
        for _ in range(size // MIB):
            digest.update(block)
        problems, before, most = [], self.rss(), 0

        def one(n):
            try:
                self.upload(sessions[n % len(sessions)], f"f{n}", size, block, digest.hexdigest())
            except Exception as e:
                problems.append(f"{n}: {e}")

        threads = [threading.Thread(target=one, args=(n,)) for n in range(count)]
        for t in threads:
            t.start()
        while any(t.is_alive() for t in threads):
            most = max(most, self.rss())
            self.served()
            time.sleep(0.05)  # a sample now and then: this thread shares its interpreter with the clients
        self.assertEqual(problems, [])
        return (most - before) / count

    def test_100_uploads_at_once_hold_little_each_and_others_are_served(self):
        sessions = [self.session("shell-basic") for _ in range(4)]
        each = self.uploads(sessions, 100, 20 * MIB)
        if not SANITIZED:
            self.assertLess(each, MIB, f"{each / MIB:.2f} MiB each")

    def test_large_uploads_hold_no_more_than_small_ones(self):
        sessions = [self.session("shell-basic")]
        each = self.uploads(sessions, 4, 100 * MIB)
        most = (16 if self.daemon.bucket else 8) * MIB  # S3 has a part of each in memory, of 8 MiB
        if not SANITIZED:
            self.assertLess(each, most, f"{each / MIB:.2f} MiB each")


if __name__ == "__main__":
    unittest.main()
