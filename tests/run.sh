#!/usr/bin/env bash
# tests/run.sh [all|unit|e2e|matrix|contract|browser|security|fault|fuzz|large|lint|bench|coverage]: installs what the tests need, builds, tests.
#   all       everything but matrix, bench and large: coverage; unit tests under ASan+UBSan and TSan; all further suites (some also with
#             sandboxd under the sanitizers); lints; the default
#   unit      the unit tests, plain and under the sanitizers
#   e2e       tests/capi, tests/integration and the Python binding's; security and fault: those folders
#   matrix    every suite that talks to a sandboxd, on each combination of backends; all and e2e run a choice of them
#   contract  the REST API against its own OpenAPI document, by schemathesis from PyPI
#   browser   /docs in Chromium, which it installs, driven by playwright-core from npm
#   fuzz      what reads strangers' bytes, by libFuzzer, $FUZZ_SECONDS a target: 15, in all 5
#   lint      formatting, static analysis, headers, manual pages, layers
#   large     a storage, and workspaces in S3, with a file of 1 GiB and 10,000 files, in bounded memory; not part of all
#   bench     speed figures; not part of all
#   coverage  unit tests, tests/capi and tests/integration in a build that counts lines, and the bounds of each room
# $BUILD_DIR is the build folder (default: build, beside this folder); the sanitizer builds stand beside it.
# Ends with "N passed, N failed, N skipped"; non-zero if anything failed or a suite that should have run didn't.
set -uo pipefail
cd "$(dirname "$0")/.."
mode=${1:-all}
build=$(realpath -m "${BUILD_DIR:-build}")
scratch=$(mktemp -d "${TMPDIR:-/tmp}/scp-tests.XXXXXX")
launcher=()             # what test programs are started with
ledger=$scratch/ledger # one line a case: PASS|FAIL|SKIP, suite, name, reason; by tabs
: >"$ledger"
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
export LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 SCP_TEST_LEDGER=$ledger SCP_BUILD_DIR=$build SCP_TEST_SCRATCH=$scratch

usage()
{
	sed -n '2,16s/^# //p' "$0" >&2
	exit 2
}

say()
{
	printf '\n== %s (%d s)\n' "$*" $SECONDS
}

note() # PASS|FAIL|SKIP suite case [reason]
{
	printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "${4:-}" >>"$ledger"
	[ "$1" = PASS ] || printf '%s %s: %s%s\n' "$1" "$2" "$3" "${4:+: $4}"
}

compile() # folder, further meson options
{
	local dir=$1 log=$scratch/compile.log
	shift
	if [ -f "$dir/build.ninja" ]; then
		meson configure "$dir" "$@" >"$log" 2>&1
	else
		meson setup "$dir" "$@" >"$log" 2>&1
	fi && meson compile -C "$dir" >>"$log" 2>&1 && return 0
	tail -n 40 "$log"
	return 1
}

unit() # label, folder, further options of meson test
{
	local label=$1 dir=$2
	shift 2
	rm -f "$dir/meson-logs/testlog.json"
	"${launcher[@]}" meson test -C "$dir" --no-rebuild --suite unit --print-errorlogs "$@" >"$scratch/unit.log" 2>&1 ||
		tail -n 80 "$scratch/unit.log"
	python3 tests/lint/unit_cases.py "$label" "$dir" unit >>"$ledger" || note FAIL "$label" "counting its cases"
}

run_units()
{
	say "unit tests"
	unit unit "$build"
}

run_sanitized()
{
	say "unit tests under ASan and UBSan"
	if compile "$build-asan" -Dstatic_executor=false -Db_sanitize=address,undefined -Db_lundef=false; then
		export CK_TIMEOUT_MULTIPLIER=4 ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
		unit asan "$build-asan" -t 4
		[ "$mode" != all ] || run_daemon asan "$build-asan"
		unset CK_TIMEOUT_MULTIPLIER ASAN_OPTIONS UBSAN_OPTIONS
	else
		note FAIL asan build
	fi
	say "unit tests under TSan"
	if compile "$build-tsan" -Dstatic_executor=false -Db_sanitize=thread -Db_lundef=false; then
		# gcc 12's TSan can't live with as many random address bits as newer kernels use.
		setarch -R true 2>/dev/null && local launcher=(setarch -R)
		export CK_TIMEOUT_MULTIPLIER=10 TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
		unit tsan "$build-tsan" -t 6
		[ "$mode" != all ] || run_daemon tsan "$build-tsan"
		unset CK_TIMEOUT_MULTIPLIER TSAN_OPTIONS
	else
		note FAIL tsan build
	fi
}

run_folder() # each test_*.py there
{
	local files
	mapfile -t files < <(compgen -G "$1/test_*.py")
	[ ${#files[@]} -gt 0 ] || note FAIL "$1" "no suite found"
	say "$1"
	tests/e2e/each.sh "${files[@]}"
}

# sandboxd itself under a sanitizer: what that finds ends it with an exit code, which its suite looks at. The executor is
# the plain one: it has one thread, and code in a sandbox must not wait for a sanitizer.
run_daemon() # label, folder
{
	local file
	for file in tests/integration/test_{results,resilience,at_once}.py tests/fault/test_kill9.py; do
		say "$file, sandboxd under $1"
		SCP_TEST_LABEL="$1 " SCP_BUILD_DIR=$2 SANDBOXCP_EXECUTOR=$build/daemon/sandbox-executor \
			"${launcher[@]}" timeout -k 10 600 python3 tests/e2e/runner.py "$file" ||
			note FAIL "$1 $file" "the whole suite" "ended with $?"
	done
}

# Suites with every daemon on these backends, on servers of the tests' own that are started once for all of them. Without a
# server's program they fail.
run_on() # database+storage+runtime, suites
{
	local combination=$1 database storage runtime
	shift
	IFS=+ read -r database storage runtime <<<"$combination"
	say "on $combination"
	SCP_TEST_LABEL="$combination " SCP_TEST_DATABASE=$database SCP_TEST_STORAGE=$storage SCP_TEST_RUNTIME=$runtime \
		python3 tests/services/backends.py run tests/e2e/each.sh "$@" || note FAIL "$combination" "its servers" "ended with $?"
}

# tests/integration/test_same_results.py compares the combinations; here is what else differs by backend.
run_backends()
{
	local suites=(tests/integration/test_{results,resilience,files}.py)
	run_on mariadb+localfs+oci "${suites[@]}" tests/integration/test_bad_input.py
	run_on sqlite+s3+oci "${suites[@]}"
	run_on mariadb+s3+docker "${suites[@]}" tests/integration/test_{isolation,contract_operator}.py
}

# Suites that choose their backends themselves, or start no daemon by tests/e2e/plane.py, are the same on each.
run_matrix()
{
	local combination file suites=()
	for file in tests/{integration,fault,security,contract_http}/test_*.py; do
		case $file in
		*_docker.py | *_docker_*.py | *_image.py | *_images.py | *_replicas.py | *_s3.py | *_backends.py | *_program.py | *_mariadb.py) ;;
		*_settings.py | *_servers.py | *_same_results.py) ;;
		*) suites+=("$file") ;;
		esac
	done
	for combination in mariadb+s3+docker sqlite+s3+oci mariadb+localfs+docker mariadb+localfs+oci sqlite+localfs+docker; do
		run_on $combination "${suites[@]}"
	done
}

run_capi()
{
	say "the C API"
	rm -f "$build/meson-logs/testlog.json"
	meson test -C "$build" --no-rebuild --suite capi --print-errorlogs >"$scratch/capi.log" 2>&1 || tail -n 60 "$scratch/capi.log"
	python3 tests/lint/unit_cases.py capi "$build" capi >>"$ledger" || note FAIL capi "counting its cases"
}

run_large()
{
	say "large"
	rm -f "$build/meson-logs/testlog.json"
	meson test -C "$build" --no-rebuild --suite large --print-errorlogs -v >"$scratch/large.log" 2>&1
	grep -E '^(s3|localfs):' "$scratch/large.log"
	python3 tests/lint/unit_cases.py large "$build" large >>"$ledger" || note FAIL large "counting its cases"
	run_folder tests/large
}

# What it finds stays in the build folder, to be put into the corpus; that itself is replayed among the unit tests.
run_fuzz() # seconds a target
{
	local target dir=$build-fuzz compiler
	say "fuzz targets"
	compiler=$(command -v clang-14 || command -v clang) || { note FAIL fuzz "clang isn't installed"; return; }
	CC=$compiler compile "$dir" -Dfuzz=true -Dstatic_executor=false -Db_sanitize=address,undefined -Db_lundef=false ||
		{ note FAIL fuzz build; return; }
	for target in http chunked multipart json decode records; do
		mkdir -p "$dir/found/$target"
		if UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 "$dir/tests/fuzz/fuzz_$target" \
			-max_total_time="${FUZZ_SECONDS:-$1}" -max_len=16384 -timeout=10 -rss_limit_mb=1024 \
			-artifact_prefix="$dir/found/$target-" "$dir/found/$target" "tests/fuzz/corpus/$target" >"$scratch/fuzz.log" 2>&1; then
			note PASS fuzz "$target"
		else
			tail -n 40 "$scratch/fuzz.log"
			note FAIL fuzz "$target" "see $dir/found"
		fi
	done
}

# Chromium and npm are not needed for anything else: where they can't be had for want of a network or of root, the suite
# says so and skips; whatever else goes wrong with them is a failure.
run_browser()
{
	local log=$scratch/browser.log
	say "a browser"
	if ! examples/install-deps.sh browser >"$log" 2>&1; then
		tail -n 20 "$log"
		if [ "$(id -u)" != 0 ] || grep -qE 'Could not (resolve|connect)|Temporary failure|Failed to fetch|Unable to connect' "$log"; then
			note SKIP browser "the whole suite" "Chromium can't be installed: $(grep -m 1 -E 'missing packages|^[EW]:' "$log")"
		else
			note FAIL browser "the whole suite" "install-deps.sh browser failed"
		fi
		return
	fi
	run_folder tests/browser
}

run_lints()
{
	local lint
	for lint in tests/lint/check_*.sh; do
		say "${lint#tests/}"
		if "$lint" "$build" >"$scratch/lint.log" 2>&1; then
			note PASS lint "$(basename "$lint" .sh)"
		else
			tail -n 60 "$scratch/lint.log"
			note FAIL lint "$(basename "$lint" .sh)"
		fi
	done
}

# In a build that counts which lines are reached. Its code is hardly slower, so these suites needn't run twice. Who gives
# up root must reach the counters too: if nobody may enter the folder, it is made elsewhere, each time anew.
run_coverage()
{
	say "build that counts lines"
	local build=$build-coverage SCP_BUILD_DIR
	chmod 711 "$scratch"
	setpriv --reuid=65534 --clear-groups test -x "$(dirname "$build")" || build=$scratch/build-coverage
	SCP_BUILD_DIR=$build
	compile "$build" -Db_coverage=true -Dc_args=-fprofile-update=atomic || { note FAIL coverage build; return; }
	python3 tests/lint/coverage.py begin "$build" || { note FAIL coverage "counters to begin with"; return; }
	run_units
	run_capi
	run_folder tests/integration
	say "coverage"
	python3 tests/lint/coverage.py check "$build" || note FAIL coverage "the lines of each room" "see above"
}

finish()
{
	local passed failed skipped
	passed=$(grep -c ^PASS "$ledger")
	failed=$(grep -c ^FAIL "$ledger")
	skipped=$(grep -c ^SKIP "$ledger")
	printf '\n'
	grep -E '^(FAIL|SKIP)' "$ledger" | while IFS=$'\t' read -r what suite name reason; do
		printf '%s %s: %s%s\n' "$what" "$suite" "$name" "${reason:+: $reason}"
	done
	[ $((passed + failed)) -gt 0 ] || { echo "nothing ran"; failed=1; }
	printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
	[ "$failed" = 0 ]
}

case $mode in
all | unit | e2e | matrix | contract | browser | security | fault | bench | fuzz | large | lint | coverage) examples/install-deps.sh test || exit 1 ;;
*) usage ;;
esac
if [ "$mode" != coverage ]; then
	say "build"
	compile "$build" -Dtests=true || { note FAIL build "meson compile"; finish; exit 1; }
	note PASS build "meson compile"
fi
case $mode in
all)
	run_coverage
	run_backends
	run_folder tests/security
	run_folder tests/fault
	run_folder bindings/python/tests
	run_folder tests/contract_http
	run_browser
	run_fuzz 5
	run_sanitized
	run_lints
	;;
unit) run_units; run_sanitized ;;
e2e) run_capi; run_folder tests/integration; run_backends; run_folder bindings/python/tests ;;
contract) run_folder tests/contract_http ;;
matrix) run_matrix ;;
security | fault) run_folder "tests/$mode" ;;
browser) run_browser ;;
fuzz) run_fuzz 15 ;;
large) run_large ;;
lint) run_lints ;;
bench)
	python3 tests/bench/bench.py "$build" || note FAIL bench "bench.py"
	python3 tests/bench/bench_backends.py "$build" || note FAIL bench "bench_backends.py"
	;;
coverage) run_coverage ;;
esac
finish
