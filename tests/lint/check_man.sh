#!/bin/sh
# Manual pages are well-formed and complete: every public function, every option of both programs.
exec python3 tests/lint/man.py "$1"
