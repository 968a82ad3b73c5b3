"""coverage.py BUILD: lines a room that the tests reached, from what a build with -Db_coverage=true left behind."""
import collections
import json
import subprocess
import sys


def measured(build):
    """(file, lines, lines reached) of each file of lib/ and daemon/."""
    text = subprocess.check_output(["gcovr", "--root", ".", "--object-directory", build, "--filter", "lib/", "--filter", "daemon/",
                                    "--gcov-ignore-parse-errors", "--json-summary", build], text=True)
    for entry in json.loads(text)["files"]:
        yield entry["filename"], entry["line_total"], entry["line_covered"]


def main():
    rooms = collections.defaultdict(lambda: [0, 0])
    for name, total, covered in measured(sys.argv[1]):
        parts = name.split("/")
        room = rooms["/".join(parts[:2]) if len(parts) > 2 else parts[0]]
        room[0] += total
        room[1] += covered
    print(f"{'room':24} {'lines':>7} {'reached':>8}")
    for room, (total, covered) in sorted(rooms.items()):
        print(f"{room:24} {total:7} {100 * covered / max(total, 1):7.1f}%")
    total, covered = map(sum, zip(*rooms.values()))
    print(f"{'all':24} {total:7} {100 * covered / max(total, 1):7.1f}%")


main()
