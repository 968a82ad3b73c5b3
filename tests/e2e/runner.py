"""runner.py FILE: runs one file of unittest cases, one line a case, and adds them to run.sh's ledger."""
import importlib.util
import os
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)


class Ledger(unittest.TestResult):
    """Writes each case's end at once, so that a suite that is cut off has told what it had."""

    def __init__(self, suite):
        super().__init__()
        self.suite = suite
        self.path = os.environ.get("SCP_TEST_LEDGER")
        self.begun = 0.0

    def startTest(self, test):
        super().startTest(test)
        self.begun = time.monotonic()

    def note(self, verdict, test, reason=""):
        name = test.id().split(".", 1)[-1] if hasattr(test, "id") else str(test)
        took = time.monotonic() - self.begun if self.begun else 0.0
        reason = " ".join(reason.split())[:300]
        print(f"{verdict.lower():4} {name} ({took:.2f} s){': ' + reason if reason else ''}", flush=True)
        if self.path:
            with open(self.path, "a", encoding="utf-8") as ledger:
                ledger.write("\t".join((verdict, self.suite, name, reason)) + "\n")

    def addSuccess(self, test):
        super().addSuccess(test)
        self.note("PASS", test)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.note("SKIP", test, reason)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        print(self.failures[-1][1], flush=True)
        self.note("FAIL", test, str(err[1]))

    def addError(self, test, err):
        super().addError(test, err)
        print(self.errors[-1][1], flush=True)
        self.note("FAIL", test, f"{type(err[1]).__name__}: {err[1]}")

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            print("".join(map(str, self.failures[-1:] or self.errors[-1:])).replace("\\n", "\n"), flush=True)
            self.note("FAIL", subtest, str(err[1]))


def load(path):
    name = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    spec.loader.exec_module(module)
    return unittest.defaultTestLoader.loadTestsFromModule(module)


def main():
    path = sys.argv[1]
    wanted = sys.argv[2:]
    tests = load(path)
    if wanted:
        chosen = unittest.TestSuite()
        for group in tests:
            chosen.addTests(t for t in group if any(w in t.id() for w in wanted))
        tests = chosen
    folder = os.path.basename(os.path.dirname(os.path.abspath(path)))
    result = Ledger(f"{os.environ.get('SCP_TEST_LABEL', '')}{folder}/{os.path.basename(path)}")
    tests.run(result)
    if not result.testsRun and not result.errors and not result.skipped:
        result.note("FAIL", "the whole suite", "no case ran")
    sys.stdout.flush()


main()
