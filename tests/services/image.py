"""image.py: writes a tar of a root in which this machine's shell, Python and Node run, for an image of a container engine.

Programs and their libraries are this machine's own, at their own paths, so that code does there what it does with the
image `host:`. Nothing but /usr and an /etc that is made up goes into it.
"""
import glob
import io
import os
import re
import subprocess
import sys
import tarfile

PACKAGES = ("coreutils", "util-linux", "grep", "sed", "findutils", "procps", "tar", "gzip", "bash", "dash", "mawk", "diffutils", "hostname")
PROGRAMS = ("python3", "node", "sh", "bash", "awk", "env")
# Debian's Node reads some of its own modules from files.
FOLDERS = ("/usr/lib/python3.*", "/usr/lib/locale/C.utf8",
           *(f"/usr/share/nodejs/{name}" for name in ("acorn", "acorn-walk", "cjs-module-lexer", "undici", "busboy", "streamsearch")))
LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
ETC = {"passwd": "root:x:0:0:root:/:/usr/sbin/nologin\nsandbox:x:1000:1000:sandbox:/workspace:/bin/sh\n",
       "group": "root:x:0:\nsandbox:x:1000:\n", "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n"}


def programs():
    for package in PACKAGES:
        listed = subprocess.run(["dpkg", "-L", package], capture_output=True, text=True, check=False).stdout.splitlines()
        yield from (p for p in listed if re.match(r"(/usr)?/s?bin/", p) and os.path.lexists(p))
    yield from (f"/usr/bin/{name}" for name in PROGRAMS if os.path.lexists(f"/usr/bin/{name}"))


def files_below():
    for pattern in FOLDERS:
        for folder in glob.glob(pattern):
            for at, below, names in os.walk(folder):
                below[:] = [b for b in below if b not in ("__pycache__", "test", "dist-packages", "site-packages")]
                yield from (os.path.join(at, n) for n in names)


def real_parent(path):
    """Where it lies on this machine: /bin may be a link, the file itself be one too."""
    return os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))


def with_targets(paths):
    """They, and what the links among them lead to, through as many links as it takes."""
    found, todo = {}, [real_parent(p) for p in paths]
    while todo:
        path = todo.pop()
        if path in found or not os.path.lexists(path) or os.path.isdir(path) and not os.path.islink(path):
            continue
        found[path] = True
        if os.path.islink(path):
            todo.append(real_parent(os.path.join(os.path.dirname(path), os.readlink(path))))
    return found


def is_elf(path):
    with open(path, "rb") as f:
        return f.read(4) == b"\x7fELF"


def libraries(paths):
    elves = [p for p in paths if not os.path.islink(p) and os.path.isfile(p) and is_elf(p)]
    out = subprocess.run(["ldd", *elves], capture_output=True, text=True, check=False).stdout
    return {m for m in re.findall(r"(?:=> |^\s+)(/\S+)", out, re.M)}


def write(out):
    found = with_targets([*programs(), *files_below()])
    found.update(with_targets(libraries(found)))
    with tarfile.open(fileobj=out, mode="w|") as tar:
        for link in LINKS:
            if os.path.islink(f"/{link}"):
                tar.add(f"/{link}", link, recursive=False)
        for path in sorted(found):
            tar.add(path, path.lstrip("/"), recursive=False)
        if os.path.exists("/etc/ld.so.cache"):
            tar.add("/etc/ld.so.cache", "etc/ld.so.cache")
        for name, text in ETC.items():
            entry = tarfile.TarInfo(f"etc/{name}")
            entry.size, entry.mode = len(text), 0o644
            tar.addfile(entry, io.BytesIO(text.encode()))


if __name__ == "__main__":
    write(sys.stdout.buffer)
