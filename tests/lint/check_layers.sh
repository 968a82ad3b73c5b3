#!/bin/sh
# Nobody includes upwards, and each vendor's header has its one room.
exec python3 tests/lint/layers.py
