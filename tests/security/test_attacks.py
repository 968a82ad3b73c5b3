"""Attacks that worked on other systems, tried on ours. The code inside is the attacker; the host is watched."""
import os
import re
import socket
import threading
import time
import unittest

import case
import leftovers
import plane
from plane import API


class FileRaces(case.PlaneCase):
    """The control plane follows no link that hostile code plants or swaps in."""

    def setUp(self):
        self.outside = os.path.join(self.daemon.folder, "outside")
        os.makedirs(self.outside, exist_ok=True)
        self.secret = os.path.join(self.outside, "secret")
        with open(self.secret, "w", encoding="utf-8") as f:
            f.write("host secret")
        self.s = self.session("shell-basic")

    def ask(self, method, path, body=None):
        return self.client.ask(method, self.client.file_url(self.s, path), body, timeout=30)

    def upload(self, path, data=b"written by the host"):
        return self.client.ask("POST", f"{API}/sessions/{self.s}/files/upload?path={path}", data, {"Content-Type": "application/octet-stream"})

    def untouched(self):
        with open(self.secret, encoding="utf-8") as f:
            self.assertEqual(f.read(), "host secret")
        self.assertEqual(os.listdir(self.outside), ["secret"])

    def test_planted_links_lead_nowhere(self):
        self.client.run(self.s, f"ln -s {self.secret} file; ln -s {self.outside} dir; ln -s /etc etc; ln -s {self.outside}/new dangling; "
                                "ln -s /proc/1/root root; ln -s /proc/self/fd/3 fd", "shell")
        for path in ("file", "dir/secret", "etc/shadow", "dangling", "root/etc/shadow", "fd", "dir"):
            with self.subTest(path=path):
                answer = self.ask("GET", path)
                self.assertIn(answer.status, (404, 409), answer)
                self.assertNotIn(b"host secret", answer.body)
        for path in ("file", "dir/planted", "dangling", "etc/planted", "dir/deep/planted"):
            with self.subTest(upload=path):
                self.assertIn(self.upload(path).status, (200, 400, 404, 409))
        self.untouched()
        self.assertFalse(os.path.exists("/etc/planted"))

    def test_links_are_listed_as_nothing_to_follow(self):
        self.client.run(self.s, f"ln -s {self.outside} dir; ln -s / root", "shell")
        listed = self.client.must(200, "GET", f"{API}/sessions/{self.s}/files?recursive=true").json["files"]
        self.assertFalse([f for f in listed if f["path"].startswith(("dir/", "root/"))], listed)
        through = self.client.ask("GET", f"{API}/sessions/{self.s}/files?path=dir")
        self.assertTrue(through.status in (404, 409) or through.json["files"] == [], through)

    def test_deleting_a_link_deletes_nothing_behind_it(self):
        self.client.run(self.s, f"ln -s {self.secret} file; ln -s {self.outside} dir", "shell")
        for path in ("file", "dir", "dir/secret"):
            self.ask("DELETE", path)
        self.untouched()

    def test_a_swapper_of_links_wins_no_race(self):
        """Code exchanges a directory and a link to the host as fast as it can, while the API writes and reads through it."""
        swapper = ("import ctypes, os\nos.makedirs('a', exist_ok=True)\nopen('a/secret', 'w').write('mine')\n"
                   f"os.symlink({self.outside!r}, 'b')\nlibc = ctypes.CDLL(None)\nprint('swapping', flush=True)\n"
                   "while True: libc.renameat2(-100, b'a', -100, b'b', 2)")
        s = self.session()
        e = self.client.submit(s, swapper, timeout=400)
        self.client.events(e, limit=2)
        bad, rounds, begun = [], [0], time.monotonic()

        def enough():
            took = time.monotonic() - begun
            return took > 300 or (took > 6 and rounds[0] > 500)

        def race(method):
            while not enough() and not bad:
                rounds[0] += 1
                if method == "GET":
                    answer = self.client.ask("GET", self.client.file_url(s, "a/secret"))
                    if b"host secret" in answer.body:
                        bad.append(answer)
                else:
                    self.client.ask("POST", f"{API}/sessions/{s}/files/upload?path=a/planted", b"x", {"Content-Type": "application/octet-stream"})

        threads = [threading.Thread(target=race, args=(m,)) for m in ("GET", "GET", "POST", "POST")]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(bad, [])
        self.assertGreater(rounds[0], 500)
        self.assertEqual(self.client.execution(e)["status"], "running", "swapped to the last")
        self.untouched()
        self.client.ask("POST", f"{API}/executions/{e}/cancel")

    def test_a_write_lease_does_not_block_the_host(self):
        s = self.session()
        e = self.client.submit(s, "import fcntl, time\nf = open('leased', 'w')\nfcntl.fcntl(f, fcntl.F_SETLEASE, fcntl.F_WRLCK)\nprint('held', flush=True)\ntime.sleep(20)", timeout=40)
        self.client.events(e, limit=2)
        begun = time.monotonic()
        self.client.ask("GET", self.client.file_url(s, "leased"), timeout=30)
        self.assertLess(time.monotonic() - begun, 10)
        self.client.ask("POST", f"{API}/executions/{e}/cancel")

    def test_a_shrinking_file_ends_the_answer_and_harms_nobody(self):
        s = self.session()
        e = self.client.submit(s, "import time\nend = time.monotonic() + 4\nwhile time.monotonic() < end:\n    open('f', 'wb').write(bytes(4 << 20))\n    open('f', 'wb').close()", timeout=30)
        leftovers.until(lambda: self.client.execution(e)["status"] == "running", 20, "running")
        for _ in range(60):
            try:
                self.client.ask("GET", self.client.file_url(s, "f"), timeout=30)
            except OSError:
                pass
            except Exception as error:  # a body shorter than its Content-Length is the right answer here
                self.assertIn("IncompleteRead", type(error).__name__)
        self.assertTrue(self.daemon.ready())

    def test_deep_trees_and_10000_files_are_removed(self):
        s = self.client.create()
        r = self.client.run(s, "import os\nfor i in range(10000): open(f'f{i}', 'w').close()\nfor i in range(600):\n    os.mkdir('d' * 100)\n    os.chdir('d' * 100)", timeout=120)
        self.assertEqual(r["status"], "success", r)
        listed = self.client.must(200, "GET", f"{API}/sessions/{s}/files?limit=200").json
        self.assertEqual(listed["total"], 10001)
        self.client.delete(s)
        self.client.delete(self.s)  # in a chroot a sandbox that lives keeps what was mounted when it began
        # A storage that is a server takes its time for so many.
        leftovers.until(lambda: not self.daemon.remains()["workspaces"], 500 if self.daemon.bucket else 60, "it is removed")


class Kernel(case.SharedSession):
    """What the seccomp filter, the namespaces and the masks refuse."""

    SYSCALL = """
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *args):
    r = libc.syscall(number, *args)
    return 'ok' if r >= 0 else errno.errorcode[ctypes.get_errno()]
"""

    def probe(self, code):
        return self.run_code(self.SYSCALL + code)["stdout"].split()

    def test_dangerous_calls_are_refused(self):
        numbers = {"keyctl": 250, "add_key": 248, "request_key": 249, "bpf": 321, "perf_event_open": 298, "userfaultfd": 323, "io_uring_setup": 425,
                   "kexec_load": 246, "init_module": 175, "mount": 165, "umount2": 166, "pivot_root": 155, "swapon": 167, "reboot": 169,
                   "open_by_handle_at": 304, "ptrace": 101, "process_vm_readv": 310, "setns": 308, "unshare": 272, "clock_settime": 227,
                   "acct": 163, "quotactl": 179, "personality": 135}
        if os.uname().machine != "x86_64":
            self.skipTest("the numbers are x86_64's")
        lines = [f"print('{name}', call({number}, {'0x10000000' if name == 'unshare' else '0x0400000' if name == 'personality' else '16' if name == 'ptrace' else '0'}, 0, 0, 0, 0))"
                 for name, number in numbers.items()]
        seen = self.probe("\n".join(lines))
        result = dict(zip(seen[::2], seen[1::2]))
        self.assertEqual([n for n, r in result.items() if r == "ok"], [])
        self.assertEqual(set(result), set(numbers))

    def test_new_user_namespaces_are_refused(self):
        self.assertEqual(self.probe("print(call(56, 0x10000000 | 17, 0, 0, 0, 0))")[0] in ("EPERM", "ENOSYS", "EINVAL"), True)
        r = self.run_code("unshare -U true 2>&1; unshare -Urm true 2>&1; echo over", "shell")
        self.assertNotEqual(r["stdout"], "over\n")

    def test_32_bit_system_calls_are_refused(self):
        if os.uname().machine != "x86_64":
            self.skipTest("int 0x80 is x86's")
        code = ("import ctypes, mmap\nbuf = mmap.mmap(-1, 4096, prot=7)\nbuf.write(bytes.fromhex('b814000000cd80c3'))\n"
                "f = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(buf)))\nr = f()\nprint('getpid' if r > 0 else 'refused')")
        r = self.run_code(code)
        self.assertNotIn("getpid", r["stdout"])

    def test_socket_families_that_reach_out_are_refused(self):
        for name, family, kind, protocol in (("AF_VSOCK", 40, 1, 0), ("AF_PACKET", 17, 3, 3), ("AF_NETLINK", 16, 3, 4), ("AF_ALG", 38, 5, 0)):
            with self.subTest(family=name):
                r = self.run_code(f"import socket\ntry:\n    s = socket.socket({family}, {kind}, {protocol})\n"
                                  f"    {'s.connect((2, 22))' if name == 'AF_VSOCK' else 's.bind((chr(108) + chr(111), 0))' if name == 'AF_PACKET' else 'pass'}\n    print('ok')\nexcept OSError as e:\n    print('refused', e.errno)")
                if name in ("AF_NETLINK",):
                    continue  # reads of its own empty namespace are harmless
                self.assertTrue(r["stdout"].startswith("refused"), r)

    def test_the_daemon_and_metadata_addresses_are_out_of_reach(self):
        listener = socket.socket()
        listener.bind(("0.0.0.0", 0))
        listener.listen(5)
        port = listener.getsockname()[1]
        self.addCleanup(listener.close)
        for address in ("127.0.0.1", "169.254.169.254", "10.0.0.1", socket.gethostbyname(socket.gethostname())):
            with self.subTest(address=address):
                r = self.run_code(f"import socket\ns = socket.socket()\ns.settimeout(3)\ntry:\n    s.connect(({address!r}, {port}))\n    print('reached')\nexcept OSError as e:\n    print('refused')")
                self.assertEqual(r["stdout"], "refused\n", r)
        r = self.run_code("import socket\ntry:\n    print(socket.getaddrinfo('example.com', 80))\nexcept OSError:\n    print('no name')", timeout=30)
        self.assertEqual(r["stdout"], "no name\n")

    def test_dns_is_no_way_out(self):
        """A DNS query to any server, a stand-in for the host's own included, can't be sent."""
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("0.0.0.0", 0))
        server.settimeout(0.5)
        self.addCleanup(server.close)
        port = server.getsockname()[1]
        self.run_code(f"import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\nfor a in ('127.0.0.1', '8.8.8.8'):\n    try: s.sendto(b'x', (a, {port}))\n    except OSError: pass")
        with self.assertRaises(socket.timeout):
            server.recvfrom(100)

    def test_abstract_sockets_of_the_host_are_out_of_reach(self):
        host = socket.socket(socket.AF_UNIX)
        host.bind("\0scp-test-abstract")
        host.listen(1)
        self.addCleanup(host.close)
        r = self.run_code("import socket\ns = socket.socket(socket.AF_UNIX)\ntry:\n    s.connect('\\0scp-test-abstract')\n    print('reached')\nexcept OSError:\n    print('refused')")
        self.assertEqual(r["stdout"], "refused\n")

    def test_proc_and_sys_take_no_writes(self):
        r = self.run_code("for f in /proc/sys/kernel/core_pattern /proc/sys/kernel/hostname /proc/sysrq-trigger /proc/sys/vm/drop_caches /sys/kernel/uevent_helper "
                          "/sys/power/state /proc/irq/0/smp_affinity /proc/self/uid_map; do (echo x >$f) 2>/dev/null && echo wrote $f; done; "
                          "for f in /proc/kcore /proc/keys /proc/timer_list /proc/sched_debug /proc/kmsg /dev/mem /dev/kmsg /dev/sda /dev/vda /dev/loop-control /dev/fuse; do "
                          "head -c 1 $f 2>/dev/null | grep -qa . && echo read $f; done; echo over", "shell")
        self.assertEqual(r["stdout"], "over\n")

    def test_devices_are_the_harmless_ones(self):
        found = set(self.run_code("cd /dev; find . -type c -o -type b | sort", "shell")["stdout"].split())
        self.assertLessEqual(found, {f"./{n}" for n in ("null", "zero", "full", "random", "urandom", "tty", "console", "ptmx", "pts/ptmx", "pts/0")})
        r = self.run_code("mknod x b 254 0 2>&1; mknod /tmp/x c 1 1 2>&1; ls x /tmp/x 2>/dev/null; echo over", "shell")
        self.assertTrue(r["stdout"].endswith("over\n") and "\nx\n" not in r["stdout"], r)

    def test_the_executor_binary_can_not_be_written(self):
        r = self.run_code("for f in /proc/1/exe /proc/self/exe /.sandbox/executor; do (: >>$f) 2>/dev/null && echo wrote $f; done; "
                          "ls /proc/1/fd 2>/dev/null; ls /proc/1/cwd 2>/dev/null; cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n' | grep -i token; echo over", "shell")
        self.assertEqual(r["stdout"], "over\n")

    def test_set_uid_programs_give_nothing(self):
        r = self.run_code("cp /bin/sh s; chmod 6755 s; ./s -p -c 'id -u'; for p in su mount passwd; do command -v $p >/dev/null && echo | $p 2>/dev/null >/dev/null; done; id -u", "shell")
        self.assertEqual(set(r["stdout"].split()), {"1000"})

    def test_an_execution_forges_no_result_of_its_own_kind(self):
        r = self.run_code("import os, json\nfor fd in range(3, 64):\n    try: os.write(fd, b'result 20\\n{\"status\":\"success\"}\\n')\n    except OSError: pass\nraise SystemExit(5)")
        self.assertEqual((r["status"], r["exit_code"]), ("failed", 5), r)


class Neighbours(case.PlaneCase):
    def test_nothing_lasts_from_one_session_to_the_next(self):
        a = self.client.create("shell-basic")
        self.client.run(a, "for d in /tmp /dev/shm /workspace /var/tmp /run; do echo secret >$d/left 2>/dev/null; done; true", "shell")
        self.client.delete(a)
        b = self.session("shell-basic")
        r = self.client.run(b, "cat /tmp/left /dev/shm/left /workspace/left /var/tmp/left /run/left 2>/dev/null; ls -A /workspace /tmp /dev/shm | grep -v :", "shell")
        self.assertEqual(r["stdout"].strip(), "")

    def test_an_output_flood_costs_the_daemon_no_memory(self):
        s = self.session("shell-basic")
        self.client.run(s, "echo warm", "shell")

        def rss():
            with open(f"/proc/{self.daemon.process.pid}/status", encoding="utf-8") as f:
                return int(re.search(r"VmRSS:\s+(\d+)", f.read())[1])

        before = rss()
        ids = [self.client.submit(s, "head -c 300000000 /dev/zero; head -c 300000000 /dev/zero >&2", "shell", timeout=900) for _ in range(6)]
        for e in ids:
            leftovers.until(lambda: self.client.execution(e)["status"] not in ("pending", "running"), 900, "it has said all")
            self.assertEqual(self.client.result(e)["status"], "success")
        self.assertLess(rss() - before, 64 << 10, "KiB grown")

    def test_a_busy_neighbour_does_not_stop_others(self):
        bad, good = self.session("shell-basic"), self.session("shell-basic")
        e = self.client.submit(bad, "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do (while :; do :; done) & done; sleep 8", "shell", timeout=20)
        leftovers.until(lambda: self.client.execution(e)["status"] == "running", 20, "running")
        begun = time.monotonic()
        self.assertEqual(self.client.run(good, "echo on", "shell")["stdout"], "on\n")
        self.assertLess(time.monotonic() - begun, 5)
        self.client.ask("POST", f"{API}/executions/{e}/cancel")


if __name__ == "__main__":
    unittest.main()
