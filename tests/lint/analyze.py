"""analyze.py BUILD: gcc -fanalyzer over every C file of lib/ and daemon/, two at a time; findings are errors."""
import concurrent.futures
import json
import os
import shlex
import subprocess
import sys

# What gcc 12's analyzer gets wrong for C like ours, checked by hand; each with its reason.
OFF = [
    "-Wno-analyzer-malloc-leak",  # loses sight of pointers that are kept in a structure behind a call
    "-Wno-analyzer-file-leak",
    "-Wno-analyzer-use-of-uninitialized-value",  # doesn't know that after an error outputs aren't read
    "-Wno-analyzer-null-dereference",
    "-Wno-analyzer-null-argument",
    "-Wno-analyzer-possible-null-argument",  # forgets the check in a loop's own condition
    "-Wno-analyzer-use-after-free",  # doesn't follow reference counts; the ASan runs do
    "-Wno-analyzer-double-free",
    "-Wno-format-truncation",  # of -O1, not of the analyzer: names are cut on purpose
    "-Wno-maybe-uninitialized",
]


def commands(build):
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as f:
        for entry in json.load(f):
            source = os.path.relpath(os.path.join(entry["directory"], entry["file"]))
            if source.startswith(("lib/", "daemon/")):
                yield source, entry["directory"], shlex.split(entry["command"])


def analyze(job):
    source, directory, command = job
    command = [c for c in command if not c.startswith(("-fsanitize", "--coverage"))]
    command[command.index("-o") + 1] = os.devnull
    done = subprocess.run(["gcc", *command[1:], "-O1", "-fanalyzer", *OFF, "-fdiagnostics-color=never"], cwd=directory, capture_output=True, text=True, check=False)
    return source, done.returncode, done.stderr


def main():
    seen, jobs = set(), []
    for job in commands(sys.argv[1]):
        if job[0] not in seen:
            seen.add(job[0])
            jobs.append(job)
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for source, code, text in pool.map(analyze, jobs):
            if code:
                bad += 1
                print("\n".join(line for line in text.splitlines() if "error:" in line) or f"{source}: {text[-2000:]}")
    print(f"{len(jobs)} files, {bad} with findings")
    return 1 if bad or not jobs else 0


sys.exit(main())
