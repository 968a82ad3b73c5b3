"""Roots of images, made on the spot from what Debian's packages have put on this machine: nothing is fetched."""
import os
import shutil
import stat
import subprocess
import tempfile

APPLETS = ("sh", "id", "cat", "ls", "grep", "cut", "sort", "touch", "rm", "sleep", "pwd", "env", "head", "wc", "tr", "true", "stat", "mount", "expr", "echo")
PROGRAM = """#include <stdio.h>
#include <unistd.h>
int main(void) { printf("hello from uid %u\\n", (unsigned)getuid()); return 0; }
"""


def program(path, *how):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    subprocess.run([*how, "-x", "c", "-", "-o", path], input=PROGRAM.encode(), check=True)


def busybox(root):
    os.makedirs(f"{root}/bin")
    shutil.copy(shutil.which("busybox"), f"{root}/bin/busybox")
    for applet in APPLETS:
        os.symlink("busybox", f"{root}/bin/{applet}")


def musl(root):
    """As Alpine is: musl and busybox; a program that wants musl's loader."""
    busybox(root)
    program(f"{root}/bin/hello", "musl-gcc")
    os.makedirs(f"{root}/lib")
    shutil.copy("/lib/x86_64-linux-musl/libc.so", f"{root}/lib/ld-musl-x86_64.so.1")


def debian(root):
    """What the essential packages of a shell have installed, usr merged as Debian's are."""
    for name in ("bin", "sbin", "lib", "lib64"):
        os.makedirs(f"{root}/usr/{name}")
        os.symlink(f"usr/{name}", f"{root}/{name}")
    for package in ("libc6", "libtinfo6", "libselinux1", "libpcre2-8-0", "bash", "dash", "coreutils", "grep", "base-files"):
        for path in subprocess.run(["dpkg", "-L", package], capture_output=True, text=True, check=True).stdout.split("\n"):
            if path and os.path.lexists(path) and (os.path.islink(path) or os.path.isfile(path)) and "/share/" not in path:
                to = root + os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
                os.makedirs(os.path.dirname(to), exist_ok=True)
                if not os.path.lexists(to):
                    shutil.copy2(path, to, follow_symlinks=False)


def distroless(root):
    """One static program, and not even a shell."""
    program(f"{root}/app/hello", "gcc", "-static")


def read_only(root):
    """Nobody may write anywhere, and there is no place for what is mounted."""
    busybox(root)
    for folder, _, _ in os.walk(root, topdown=False):
        os.chmod(folder, 0o555)


def links(root):
    """runc CVE-2025-31133 and its kin: where something will be mounted, masked or bound stands a link to elsewhere."""
    busybox(root)
    for name in ("dev", "proc", "tmp", "workspace", "sys"):
        os.makedirs(f"{root}/elsewhere/{name}", mode=0o777)
    os.makedirs(f"{root}/dev")
    os.symlink("/proc/sys/kernel/core_pattern", f"{root}/dev/null")
    os.symlink("/proc/sysrq-trigger", f"{root}/dev/console")
    os.symlink("/elsewhere/workspace", f"{root}/workspace")
    os.symlink("/elsewhere/tmp", f"{root}/tmp")


def proc_link(root):
    busybox(root)
    os.makedirs(f"{root}/elsewhere")
    os.symlink("/elsewhere", f"{root}/proc")


def dev_link(root):
    busybox(root)
    os.makedirs(f"{root}/elsewhere")
    os.symlink("/elsewhere", f"{root}/dev")


def traps(root):
    """Its own beginning writes, waits and ends; its shell starts with a profile of its own."""
    busybox(root)
    os.makedirs(f"{root}/etc")
    with open(f"{root}/entry", "w", encoding="ascii") as script:
        script.write("#!/bin/sh\ntouch /workspace/owned /tmp/owned\nsleep 1000\nexit 7\n")
    os.chmod(f"{root}/entry", 0o755)
    for name in ("profile", "ld.so.preload", "bash.bashrc"):
        with open(f"{root}/etc/{name}", "w", encoding="ascii") as file:
            file.write("/nonexistent.so\n" if name == "ld.so.preload" else "touch /workspace/owned\n")


# name: how its root is made, and what its configuration says (as docker import takes it; roots alone have none)
ALL = {
    "busybox": (busybox, ()),
    "musl": (musl, ()),
    "debian": (debian, ()),
    "root": (busybox, ("USER root", "WORKDIR /root")),
    "read-only": (read_only, ()),
    "traps": (traps, ('ENTRYPOINT ["/entry"]', 'CMD ["x"]', "ENV PATH=/nope LD_PRELOAD=/nope.so LD_LIBRARY_PATH=/nope ENV=/entry BASH_ENV=/entry",
                      "USER 1234:1234", "HEALTHCHECK --interval=1s CMD touch /workspace/owned")),
    "distroless": (distroless, ('ENTRYPOINT ["/app/hello"]', "USER 65532")),
    "links": (links, ()),
    "proc-link": (proc_link, ()),
    "dev-link": (dev_link, ()),
}


class Roots:
    """All of them below one folder."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="scp-images-", dir="/var/tmp")
        os.chmod(self.folder, 0o755)
        for name, (make, _) in ALL.items():
            os.mkdir(self.path(name))
            os.chmod(self.path(name), 0o755)
            make(self.path(name))

    def path(self, name):
        return os.path.join(self.folder, name)

    def tar(self, name):
        path = self.path(name) + ".tar"
        subprocess.run(["tar", "--owner=0", "--group=0", "-C", self.path(name), "-cf", path, "."], check=True)
        return path

    def listing(self, name):
        """Paths, kinds and sizes: whether anything was changed."""
        found = []
        for folder, _, files in os.walk(self.path(name)):
            for entry in (folder, *(os.path.join(folder, f) for f in files)):
                st = os.lstat(entry)
                found.append((entry, stat.S_IFMT(st.st_mode), st.st_mode, st.st_uid, st.st_mtime_ns if stat.S_ISREG(st.st_mode) else 0))
        return sorted(found)

    def close(self):
        subprocess.run(["rm", "-rf", "--one-file-system", self.folder], check=False)
