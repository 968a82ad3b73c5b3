"""What code inside a sandbox is, sees and may use up."""
import os
import re
import unittest

import case
import leftovers
import plane


def status_of(text):
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


class Inside(case.SharedSession):
    def shell(self, code, **fields):
        r = self.run_code(code, "shell", **fields)
        return r["stdout"]

    def test_it_is_uid_1000_without_a_capability(self):
        s = status_of(self.shell("cat /proc/self/status"))
        self.assertEqual(s["Uid"].split(), ["1000"] * 4)
        self.assertEqual(s["Gid"].split(), ["1000"] * 4)
        self.assertIn(s["Groups"].split(), ([], ["1000"]))
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertEqual(int(s[name], 16), 0, name)
        self.assertEqual(s["NoNewPrivs"], "1")
        self.assertEqual(s["Seccomp"], "2")

    def test_it_has_no_network_but_lo(self):
        self.assertEqual(self.shell("ls /sys/class/net 2>/dev/null || tail -n +3 /proc/net/dev | cut -d: -f1").split(), ["lo"])
        r = self.run_code("import socket\ns = socket.socket()\ns.settimeout(3)\ntry:\n    s.connect(('192.0.2.1', 80))\nexcept OSError as e:\n    print('refused', e.errno)")
        self.assertTrue(r["stdout"].startswith("refused"), r)

    def test_it_sees_no_process_of_the_host(self):
        pids = self.shell("cd /proc; ls -d [0-9]*").split()
        self.assertLess(len(pids), 8, pids)
        first = self.shell("tr '\\0' ' ' </proc/1/cmdline; readlink /proc/1/exe")
        self.assertNotIn("systemd", first)

    def test_secrets_of_the_host_are_not_there(self):
        for path in ("/etc/shadow", "/etc/gshadow", "/root", "/home", "/var/lib/sandboxcp", "/run/docker.sock", self.daemon.state, self.daemon.folder):
            with self.subTest(path=path):
                out = self.shell(f"ls -A {path} 2>/dev/null; cat {path} 2>/dev/null; true")
                self.assertEqual(out.strip(), "", path)
        self.assertNotIn("root:", self.shell("cat /etc/shadow 2>&1").split("No such")[0])

    def test_the_environment_holds_nothing_of_the_daemon(self):
        env = self.shell("env")
        for word in ("SANDBOXD", "TOKEN", "SECRET", "SCP_", "AWS"):
            self.assertNotIn(word, env)

    def test_the_root_is_read_only(self):
        for path in ("/", "/etc", "/usr", "/usr/bin", "/bin", "/proc/sys/kernel", "/sys"):
            with self.subTest(path=path):
                self.assertEqual(self.shell(f"(echo x >{path}/scp-test) 2>/dev/null && echo written; true"), "")
        self.assertEqual(self.shell("echo x >/tmp/f && echo x >/dev/shm/f && echo x >f && cat /tmp/f /dev/shm/f f").split(), ["x", "x", "x"])

    def test_tmp_does_not_outgrow_its_size(self):
        r = self.run_code("dd if=/dev/zero of=/tmp/fill bs=1M count=4096 2>&1; rm -f /tmp/fill", "shell", timeout=60)
        self.assertIn("No space left", r["stdout"])

    def test_descriptors_are_0_1_2_and_the_result_channel(self):
        r = self.run_code("import os\nfor fd in sorted(map(int, os.listdir('/proc/self/fd'))):\n"
                          "    try: print(fd, os.readlink(f'/proc/self/fd/{fd}'))\n    except OSError: pass")
        links = dict(line.split(" ", 1) for line in r["stdout"].splitlines())
        self.assertLessEqual(len(links), 4, links)
        self.assertTrue({"0", "1", "2"} <= set(links), links)
        for target in links.values():
            self.assertFalse(target.startswith("/") and not target.startswith("/dev/null"), links)

    def test_the_executor_can_not_be_touched(self):
        out = self.shell("kill -9 1; kill -STOP 1; cat /proc/1/environ /proc/1/maps /proc/1/mem 2>/dev/null; ls /proc/1/fd 2>/dev/null; echo x >/proc/1/oom_score_adj; echo still")
        self.assertEqual(out.strip().splitlines()[-1], "still")
        self.assertEqual(out.strip(), "still")
        r = self.run_code("import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\nprint(libc.ptrace(16, 1, 0, 0), libc.prlimit(1, 0, (ctypes.c_ulong * 2)(1, 1), None))")
        self.assertEqual(r["stdout"], "-1 -1\n", r)
        self.assertEqual(self.shell("echo alive"), "alive\n")

    def need_host_uids(self):
        if plane.runtime() == "docker":
            self.skipTest("a Docker engine's containers share the host's uids, as README says")

    def test_host_uids_are_not_the_users(self):
        self.need_host_uids()
        s = self.session("shell-basic")
        e = self.client.submit(s, "exec sleep 4321", "shell", timeout=60)
        host = leftovers.until(lambda: [p for p in leftovers.processes("sleep 4321")], 30, "the process")
        with open(f"/proc/{host[0][0]}/status", encoding="utf-8") as f:
            uid = int(status_of(f.read())["Uid"].split()[0])
        if os.geteuid() == 0:
            self.assertNotIn(uid, (0, 1000))
        else:  # code is this user, whose files the workspace's are; the executor isn't
            self.assertEqual(uid, os.geteuid())
            for pid in self.daemon.executors():
                self.assertNotEqual(os.stat(f"/proc/{pid}").st_uid, os.geteuid())
        self.client.must(200, "POST", f"{plane.API}/executions/{e}/cancel")

    def test_two_sandboxes_share_no_files(self):
        a, b = self.session("shell-basic"), self.session("shell-basic")
        self.client.run(a, "echo secret >/dev/shm/x; echo secret >/tmp/x; echo secret >x", "shell")
        r = self.client.run(b, "cat /dev/shm/x /tmp/x x 2>/dev/null; ipcs -q 2>/dev/null | grep -c 0x; true", "shell")
        self.assertNotIn("secret", r["stdout"])

    def test_two_sandboxes_share_no_uids(self):
        self.need_host_uids()
        a, b = self.session("shell-basic"), self.session("shell-basic")
        maps = [self.client.run(s, "cat /proc/self/uid_map", "shell")["stdout"] for s in (a, b)]
        self.assertNotEqual(maps[0], maps[1])


def control(pid, controller, name):
    """A cgroup's file, of the hierarchy that has it."""
    unified = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
    with open(f"/proc/{pid}/cgroup", encoding="utf-8") as f:
        for line in f:
            _, controllers, path = line.rstrip("\n").split(":", 2)
            if unified and not controllers or controller in controllers.split(","):
                with open(f"/sys/fs/cgroup/{'' if unified else controller}{path}/{name}", encoding="utf-8") as value:
                    return value.read().split()
    raise AssertionError(f"no cgroup of {controller}")


class Limits(case.PlaneCase):
    def test_limits_stand_in_the_sandbox_s_cgroup(self):
        s = self.session(resources={"memory": "256Mi", "cpu": "0.5", "max_processes": 64})
        pid = self.daemon.executor_of(s)
        if os.path.exists("/sys/fs/cgroup/cgroup.controllers"):
            self.assertEqual(control(pid, "memory", "memory.max"), [str((256 + 64) << 20)])
            self.assertEqual(control(pid, "memory", "memory.swap.max"), ["0"])
            self.assertEqual(control(pid, "pids", "pids.max"), ["64"])
            self.assertEqual(control(pid, "cpu", "cpu.max"), ["50000", "100000"])
        else:
            self.assertEqual(control(pid, "memory", "memory.limit_in_bytes"), [str((256 + 64) << 20)])
            self.assertEqual(control(pid, "pids", "pids.max"), ["64"])
            self.assertEqual(control(pid, "cpu", "cpu.cfs_quota_us"), ["50000"])
        limits = self.client.must(200, "GET", f"{plane.API}/health").json["limits"]
        wanted = {name: "enforced" for name in ("memory", "cpu", "processes", "network", "disk")}
        if os.geteuid():
            wanted["disk"] = "not enforced"
        self.assertEqual(limits, wanted)

    def test_memory_holds_and_oom_is_named(self):
        s = self.session(resources={"memory": "256Mi"})
        r = self.client.run(s, "print('before', flush=True)\nx = bytearray(600 << 20)\nprint('after', len(x))", timeout=60)
        self.assertEqual(r["status"], "failed", r)
        self.assertEqual(r["stdout"], "before\n")
        self.assertIn("oom_killed", r["error"])
        self.assertEqual(r["signal"], 9)
        self.assertEqual(self.client.execution(r["execution_id"])["retry_count"], 0)
        r = self.client.run(s, "x = bytearray(150 << 20)\nprint('fits')", timeout=60)
        self.assertEqual(r["stdout"], "fits\n", r)

    def test_a_fork_bomb_is_bounded_and_forgotten(self):
        s = self.session("python-basic", resources={"max_processes": 64})
        r = self.client.run(s, "import os, time\nn = 0\ntry:\n    while True:\n        if os.fork() == 0:\n            time.sleep(100)\n        n += 1\nexcept OSError as e:\n    print(n, e.errno)", timeout=60)
        self.assertEqual(r["status"], "success", r)
        count, errno = map(int, r["stdout"].split())
        self.assertLessEqual(count, 64)
        self.assertGreater(count, 32)
        self.assertEqual(errno, 11)
        self.assertEqual(self.client.run(s, "print('alive')")["stdout"], "alive\n")
        r = self.client.run(s, ":(){ :|:& };:\nsleep 30", "shell", timeout=3)
        self.assertIn(r["status"], ("timeout", "failed", "success"))
        self.assertEqual(self.client.run(s, "print('alive')")["stdout"], "alive\n")

    def test_the_disk_limit_stops_a_writer_and_nobody_else(self):
        self.need_limit("disk")
        a, b = self.session(resources={"disk": "1Gi"}), self.session(resources={"disk": "1Gi"})
        code = ("import os\nfd = os.open('fill', os.O_CREAT | os.O_WRONLY)\nn = 0\ntry:\n    while n < 1200:\n"
                "        os.write(fd, bytes(1 << 20)); n += 1\nexcept OSError as e:\n    print(n, e.errno)\nelse:\n    print(n, 0)")
        r = self.client.run(a, code, timeout=300)
        self.assertEqual(r["status"], "success", r)
        written, errno = map(int, r["stdout"].split())
        self.assertIn(errno, (28, 122), "neither ENOSPC nor EDQUOT")
        self.assertLessEqual(written, 1024)
        self.assertGreater(written, 800)
        self.assertEqual(self.client.run(b, "open('f', 'w').write('x' * 1000000)\nprint('fits')")["stdout"], "fits\n")
        self.assertEqual(self.client.run(a, "import os\nos.remove('fill')\nopen('f', 'w').write('x')\nprint('again')")["stdout"], "again\n")
        self.assertGreaterEqual(r["metrics"]["io_write_bytes"], 100 << 20)

    def test_an_upload_over_the_disk_limit_is_413(self):
        self.need_limit("disk")
        s = self.session(resources={"disk": "1Gi"})
        self.client.run(s, "import os\nfd = os.open('fill', os.O_CREAT | os.O_WRONLY)\ntry:\n    os.posix_fallocate(fd, 0, 2 << 30)\nexcept OSError: pass\n"
                           "n = 1 << 29\nat = 0\nwhile n > 4096:\n    try:\n        os.posix_fallocate(fd, at, n); at += n\n    except OSError:\n        n //= 2", timeout=120)
        answer = self.client.ask("POST", f"{plane.API}/sessions/{s}/files/upload?path=big", b"x" * (8 << 20), {"Content-Type": "application/octet-stream"})
        self.assertEqual(answer.status, 413, answer)

    def test_cpu_is_shared_out(self):
        s = self.session(resources={"cpu": "0.5"})
        # From within: what the interpreter's own start took isn't the loop's.
        r = self.client.run(s, "import time\nwall, cpu = time.monotonic(), time.process_time()\nwhile time.monotonic() < wall + 2: pass\n"
                               "print((time.process_time() - cpu) / (time.monotonic() - wall))", timeout=60)
        self.assertLess(float(r["stdout"]), 0.7)

    def test_core_dumps_are_not_written(self):
        s = self.session()
        r = self.client.run(s, "import os; os.abort()")
        self.assertEqual(r["signal"], 6)
        self.assertEqual(r["artifacts"], [])


if __name__ == "__main__":
    unittest.main()
