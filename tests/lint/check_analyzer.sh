#!/bin/sh
# gcc's static analyzer finds nothing in what is shipped.
# BUILD: its compile_commands.json has the flags.
exec python3 tests/lint/analyze.py "$1"
