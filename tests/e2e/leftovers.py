"""What a control plane could leave on the machine: processes, mounts, cgroups, loop devices."""
import glob
import os
import time


def processes(needle):
    """Host pids whose command line, root or open cgroup names `needle`."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as f:
                line = f.read().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if needle in line and int(entry) != os.getpid():
            found.append((int(entry), line.strip()))
    return found


def mounts(needle):
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as f:
        return [line.split()[4] for line in f if needle in line]


def loops(needle):
    found = []
    for path in glob.glob("/sys/block/loop*/loop/backing_file"):
        try:
            with open(path, encoding="utf-8") as f:
                name = f.read().strip()
        except OSError:
            continue
        if needle in name:
            found.append(name)
    return found


def cgroups(group):
    """Every cgroup folder of that name, or (an ordinary user's) that begins with it, and those below it."""
    found = []
    for folder, below, _ in os.walk("/sys/fs/cgroup"):
        found += [os.path.join(folder, name) for name in below
                  if any(part == group or part.startswith(group + "-") for part in os.path.join(folder, name).split("/"))]
    return sorted(found)


def members(group):
    """(host pid, pid inside, command) of the processes in that cgroup (or scopes), of whatever hierarchy."""
    return in_cgroups([f"/{group}/", f"/{group}-"])


def in_cgroups(needles):
    """(host pid, pid inside, command) of the processes in whose cgroups' paths one of these stands."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/cgroup", encoding="utf-8", errors="replace") as f:
                text = f.read()
                if not any(needle in text for needle in needles):
                    continue
            with open(f"/proc/{entry}/status", encoding="utf-8", errors="replace") as f:
                status = dict(line.split(":", 1) for line in f if ":" in line)
            if "Z" in status["State"].split()[0]:
                continue  # dead; whoever is init hasn't looked yet
            inner = int(status["NSpid"].split()[-1])
            with open(f"/proc/{entry}/cmdline", "rb") as f:
                found.append((int(entry), inner, f.read().replace(b"\0", b" ").decode(errors="replace")))
        except (OSError, KeyError):
            continue
    return found


def until(check, seconds, what):
    """Wait until check() is true (or empty of what shouldn't be: then give `not …`)."""
    end = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what() if callable(what) else what}: not within {seconds} s")
        time.sleep(0.02)
