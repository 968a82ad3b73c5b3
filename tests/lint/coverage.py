"""coverage.py begin|check BUILD: how many lines of each room the tests reach, in a build with -Db_coverage=true.

begin takes back what earlier runs have counted; check prints the table and fails where a room is under its bound.
"""
import collections
import json
import os
import pathlib
import subprocess
import sys

# Room, and the least share of its lines in per cent; a room's name is the beginning of its files' paths.
BOUNDS = {
    "lib/core": 80,
    "lib/mirror": 80,
    "lib/schedule": 80,
    "lib/store": 80,
    "daemon": 80,
    "daemon/executor": 80,
    "daemon/http": 80,
    "daemon/sandboxctl": 80,
    "daemon/sandboxd": 80,
}


def begin(build):
    """Counters are files that each process adds to at its end: empty, and writable for those that give up root too."""
    for counters in build.rglob("*.gcda"):
        counters.unlink()
    for notes in build.rglob("*.gcno"):
        counters = notes.with_suffix(".gcda")
        counters.touch()
        counters.chmod(0o666)


def measured(build):
    """(file, lines, lines reached) of each file of lib/ and daemon/."""
    for counters in build.rglob("*.gcda"):
        if not counters.stat().st_size:  # nothing has run it; gcov takes no empty file for that
            counters.unlink()
    text = subprocess.check_output(["gcovr", "--root", ".", "--object-directory", build, "--filter", "lib/", "--filter", "daemon/",
                                    "--json-summary", "-", build], text=True)
    for entry in json.loads(text)["files"]:
        yield entry["filename"], entry["line_total"], entry["line_covered"]


def by_room(files):
    """{room: [lines, lines reached]}; a folder is a room, and so is each that it stands in."""
    rooms = collections.defaultdict(lambda: [0, 0])
    for name, total, covered in files:
        parts = name.split("/")[:-1]
        for room in ["all"] + ["/".join(parts[:depth]) for depth in range(1, min(len(parts), 2) + 1)]:
            rooms[room][0] += total
            rooms[room][1] += covered
    return rooms


def check(build):
    rooms = by_room(measured(build))
    print(f"{'room':20} {'lines':>7} {'reached':>8} {'least':>6}")
    for room, (total, covered) in sorted(rooms.items()):
        least = f"{BOUNDS[room]:5}%" if room in BOUNDS else ""
        print(f"{room:20} {total:7} {100 * covered / max(total, 1):7.1f}% {least}")
    low = [room for room, least in BOUNDS.items() if 100 * rooms[room][1] < least * rooms[room][0] or not rooms[room][0]]
    for room in low:
        print("coverage: {} of {}'s {} lines are reached, which is less than {}%".format(
            rooms[room][1], room, rooms[room][0], BOUNDS[room]))
    if os.environ.get("SCP_TEST_LEDGER"):
        with open(os.environ["SCP_TEST_LEDGER"], "a", encoding="utf-8") as ledger:
            for room, least in BOUNDS.items():
                ledger.write(f"{'FAIL' if room in low else 'PASS'}\tcoverage\t{room}\t{rooms[room][1]} of {rooms[room][0]} lines "
                             f"are reached, of {least}% that must be\n")
    return bool(low)


def main():
    return {"begin": begin, "check": check}[sys.argv[1]](pathlib.Path(sys.argv[2]).resolve())


sys.exit(main())
