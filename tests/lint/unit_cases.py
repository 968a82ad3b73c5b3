"""unit_cases.py LABEL BUILD SUITE: the cases of a `meson test` run, as lines of run.sh's ledger.

A test program that meson knows and that didn't run is a failure, and so is a room in tests/ without one.
"""
import json
import os
import re
import subprocess
import sys

SUMMARY = re.compile(r"Checks: (\d+), Failures: (\d+), Errors: (\d+)")


def line(verdict, label, name, reason=""):
    print("\t".join((verdict, label, name, reason.replace("\n", " ").replace("\t", " "))))


def results(build):
    path = os.path.join(build, "meson-logs", "testlog.json")
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as log:
        records = [json.loads(text) for text in log if text.strip()]
    return {record["name"].split(" / ")[-1].split(":")[-1]: record for record in records}


def known(build, suite):
    listing = json.loads(subprocess.check_output(["meson", "introspect", "--tests", build]))
    return [t for t in listing if any(s == suite or s.endswith(":" + suite) for s in t["suite"])]


def report(label, name, record):
    if record is None:
        return line("FAIL", label, name, "it didn't run")
    output = record.get("stdout") or ""
    if record["result"] == "SKIP":
        return line("SKIP", label, name, output.strip().splitlines()[-1] if output.strip() else "no reason given")
    counts = [tuple(map(int, found)) for found in SUMMARY.findall(output)]
    total = sum(c[0] for c in counts)
    bad = sum(c[1] + c[2] for c in counts)
    for number in range(total - bad):
        line("PASS", label, f"{name} {number + 1}")
    for number in range(bad):
        line("FAIL", label, f"{name}, a case")
    if record["result"] != "OK" and not bad:
        line("FAIL", label, name, f"ended as {record['result']}")
    if record["result"] == "OK" and not total:
        line("FAIL", label, name, "no case ran")


def rooms_without(tests, suite):
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    tested = {os.path.basename(os.path.dirname(t["cmd"][0])) for t in tests}
    rooms = {d for d in os.listdir(here) if os.path.exists(os.path.join(here, d, "meson.build"))}
    return sorted(rooms - tested - {"capi", "bench"}) if suite == "unit" else []


def main():
    label, build, suite = sys.argv[1:]
    tests, done = known(build, suite), results(build)
    for test in tests:
        report(label, test["name"], done.get(test["name"]))
    for room in rooms_without(tests, suite):
        line("FAIL", label, room, "its tests are not part of the build")
    if not tests:
        line("FAIL", label, suite, "no tests in the build")


main()
