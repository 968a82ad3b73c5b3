#!/bin/sh
# Every C file is as clang-format 14 would write it.
git ls-files '*.c' '*.h' | xargs clang-format-14 --dry-run -Werror
