#!/usr/bin/env bash
# each.sh FILE...: runs each suite in a process of its own, for at most $SUITE_SECONDS (600). One that doesn't come to its own
# end is a failure in the ledger.
cd "$(dirname "$0")/../.." || exit 1
for file; do
	printf '\n== %s%s\n' "$file" "${SCP_TEST_LABEL:+, on $SCP_TEST_LABEL}"
	timeout -k 10 "${SUITE_SECONDS:-600}" python3 tests/e2e/runner.py "$file"
	code=$?
	[ $code = 0 ] && continue
	printf 'FAIL %s: ended with %d\n' "$file" $code
	printf 'FAIL\t%s\tthe whole suite\tended with %d\n' "${SCP_TEST_LABEL:-}$file" $code >>"${SCP_TEST_LEDGER:-/dev/null}"
done
