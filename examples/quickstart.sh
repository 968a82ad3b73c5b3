#!/usr/bin/env bash
# quickstart.sh [--keep | --stop FOLDER]: from a fresh Debian 12 to untrusted code that runs isolated on real data.
#
# Installs the Debian packages that are missing, builds, starts sandboxd on a state folder and a socket of its own, and
# has sandboxed code analyse this machine's package database (a copy of it). Leaves the build folder, and the chart in
# it, behind; nothing else.
#   --keep         leave the daemon running, and say how to use and how to stop it
#   --stop FOLDER  stop one that was kept: end its sessions, remove its state folder
# $BUILD_DIR is the build folder (default: build, in the top folder). As an ordinary user it installs nothing, and its
# workspaces have no size limit, which it says.
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$(realpath -m "${BUILD_DIR:-$top/build}")
code=$top/examples/quickstart
database=/var/lib/dpkg/status
folders=/var/tmp/sandboxcp-quickstart. # and six letters: state folders
keep=
kept=
allowed=() # what an ordinary user has to do without
work=
state=
daemon=
session=
container=

usage()
{
	sed -n '2,10s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
	exit "$1"
}

case $#:${1:-} in
0:) ;;
1:--keep) keep=1 ;;
1:-h | 1:--help) usage 0 ;;
2:--stop) kept=$2 ;;
*) usage 2 >&2 ;;
esac

if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' plain=$'\e[0m'; else bold='' dim='' red='' plain=''; fi

die()
{
	printf '%s\n' "$red$*$plain" >&2
	exit 1
}

now_ms()
{
	local t=$EPOCHREALTIME
	printf '%s' $((10#${t//[.,]/} / 1000))
}

# What a step that takes long is at: its log's last line, in place on a terminal, else now and then.
show_progress() # pid log
{
	local seconds=0 line
	while kill -0 "$1" 2>/dev/null; do
		sleep 0.5
		seconds=$((seconds + 1))
		line=$(tail -n 1 "$2" 2>/dev/null | tr -d '\r' | cut -c 1-90)
		if [ -t 1 ]; then
			printf '\r\e[K  %s%d s  %s%s' "$dim" $((seconds / 2)) "$line" "$plain"
		elif [ $((seconds % 20)) = 0 ]; then
			printf '  … %d s  %s\n' $((seconds / 2)) "$line"
		fi
	done
	[ ! -t 1 ] || printf '\r\e[K'
}

title()
{
	printf '%s%-58s%s' "$bold" "$1" "$plain"
}

took() # since
{
	printf '%s%9d ms%s\n' "$dim" $(($(now_ms) - $1)) "$plain"
}

# A step that may take minutes. Its words are shown if it fails.
long() # title command …
{
	local name=$1 begun log=$work/step.log status=0
	shift
	begun=$(now_ms)
	printf '%s%s%s\n' "$bold" "$name …" "$plain"
	"$@" >"$log" 2>&1 </dev/null &
	show_progress $! "$log"
	wait $! || status=$?
	if [ $status != 0 ]; then
		tail -n 40 "$log" >&2
		die "$name failed"
	fi
	[ ! -t 1 ] || printf '\e[1A\e[K'
	title "$name"
	took "$begun"
}

# A step on the daemon: its output goes to $work/out.
step() # title command …
{
	local name=$1 begun
	shift
	begun=$(now_ms)
	title "$name"
	if ! "$@" >"$work/out" 2>"$work/err"; then
		printf '\n'
		cat "$work/out" "$work/err" >&2
		printf 'sandboxd said last:\n' >&2
		tail -n 5 "$state/sandboxd.log" >&2 || true
		die "$name failed"
	fi
	took "$begun"
}

ctl()
{
	"$build/daemon/sandboxctl" "$@" --server "unix:$state/socket"
}

compile()
{
	[ -f "$build/build.ninja" ] || meson setup "$build" "$top" -Dtests=false || return 1
	meson compile -C "$build"
}

start_daemon()
{
	local listen=(--listen "unix:$state/socket")
	[ -z "$keep" ] || listen+=(--listen "127.0.0.1:$port")
	# In a session of its own: Ctrl-C is for this script, which then ends what runs there in order.
	setsid "$build/daemon/sandboxd" --state-dir "$state/state" "${listen[@]}" "${allowed[@]}" --log-format json \
		>"$state/sandboxd.log" 2>&1 </dev/null &
	daemon=$!
	for _ in $(seq 600); do
		! ctl ps >/dev/null 2>&1 || return 0
		kill -0 "$daemon" 2>/dev/null || break
		sleep 0.05
	done
	return 1
}

member() # of the JSON object on standard input
{
	python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]] or "")' "$1"
}

create() # template
{
	session=$(ctl session create --template "$1" --wait 60)
}

# Code that must not get through: it has to fail, and by that very refusal.
refused() # file pattern
{
	if ctl exec "$session" "$1" >"$work/said" 2>"$work/why"; then
		cat "$work/said"
		echo "this is not isolated"
		return 1
	fi
	tail -n 1 "$work/why" | grep -E "$2" || { cat "$work/why"; return 1; }
}

# What clean_up may unmount below and remove: a folder that this script made, nothing else.
is_ours()
{
	case ${1#"$folders"} in "$1" | */* | *..*) return 1 ;; esac
	[ -d "$1" ] && [ ! -L "$1" ]
}

# Mounts of workspaces, below the state folder; none where there is no such folder.
mounts()
{
	is_ours "$state" || return 0
	awk -v at="$state/" 'index($2, at) == 1 { print $2 }' /proc/self/mounts | sort -r
}

await() # what must become true within ten seconds
{
	for _ in $(seq 200); do
		! "$@" || return 0
		sleep 0.05
	done
	return 1
}

# A sandbox's cgroup carries its container's name; who is dead and not yet reaped is told by "(deleted)".
sandbox_is_gone()
{
	[ -z "$container" ] || ! grep -hsF "$container" /proc/[0-9]*/cgroup | grep -qv ' (deleted)$'
}

daemon_is_gone()
{
	! readlink "/proc/$daemon/exe" >/dev/null 2>&1
}

sessions() # those that aren't over
{
	ctl session list --limit 200 --json 2>/dev/null | python3 -c '
import json, sys
print(*(s["session_id"] for s in json.load(sys.stdin)["sessions"] if s["status"] in ("creating", "running")))'
}

end_sessions()
{
	local id
	for id in $(sessions); do
		container=$(ctl session get "$id" --json | member container_id)
		ctl session delete "$id" || return 1
		await sandbox_is_gone || return 1
	done
}

stop_daemon()
{
	kill "$daemon"
	await daemon_is_gone && daemon=
}

nothing_is_left()
{
	[ -z "$(mounts)" ] && sandbox_is_gone
}

# Whatever the end: of a run that went well there is only the state folder left to remove.
clean_up()
{
	local status=$? mount
	trap - EXIT
	set +e
	[ -z "$daemon" ] || end_sessions >/dev/null 2>&1
	[ -z "$daemon" ] || stop_daemon 2>/dev/null || kill -9 "$daemon" 2>/dev/null
	mounts | while read -r mount; do umount "$mount"; done
	! is_ours "$state" || rm -rf --one-file-system "$state"
	[ -z "$work" ] || rm -rf "$work"
	exit $status
}

# The handlers' return values, readable.
show_top_ten()
{
	python3 - "$work/out" <<'END'
import json, sys

result = json.load(open(sys.argv[1]))
rows = result["return_value"]
widest = rows[0]["mib"]
for row in rows:
    bar = "█" * max(1, round(32 * row["mib"] / widest))
    print(f'  {row["section"]:<14} {row["packages"]:>5} packages {row["mib"]:>8.1f} MiB  {bar}')
metrics = result["metrics"]
made = ", ".join(f'{a["path"]} ({a["size"]} bytes)' for a in result["artifacts"])
print(f'  made {made}; {metrics["cpu_time_ms"]:.0f} ms of CPU, {metrics["peak_memory_mb"]:.0f} MiB at most')
END
}

show_shares()
{
	python3 - "$work/out" <<'END'
import json, sys

value = json.load(open(sys.argv[1]))["return_value"]
largest = ", ".join(f'{s["section"]} {s["percent"]} %' for s in value["largest"])
print(f'  {value["sections"]} sections, {value["total_mib"]} MiB in all: {largest}')
END
}

show_out()
{
	sed 's/^/  /' "$work/out"
}

# What --stop wants to know; then nothing here is ours to clean up any more.
keep_running()
{
	printf '%s\n' "$daemon" >"$state/daemon.pid"
	rm -rf "$work"
	trap - EXIT
	cat <<END

sandboxd goes on as process $daemon, and the session too, until it is idle for long.
  list   $build/daemon/sandboxctl ps --server http://127.0.0.1:$port
  run    echo 'print(6 * 7)' | $build/daemon/sandboxctl run --language python - --server http://127.0.0.1:$port
  REST   http://127.0.0.1:$port/api/v1/sessions/$session
  stop   ${BASH_SOURCE[0]} --stop $state
END
}

stop_kept()
{
	if ! is_ours "$kept" || [ ! -f "$kept/daemon.pid" ]; then
		die "$kept isn't the folder of a quickstart that was kept"
	fi
	state=$kept
	daemon=$(cat "$state/daemon.pid")
	case $(readlink "/proc/$daemon/exe" || true) in */sandboxd*) ;; *) daemon= ;; esac
	[ -n "$daemon" ] || die "its daemon had ended by itself; its state is removed"
	end_sessions
	stop_daemon
}

need_debian_packages()
{
	"$top/examples/install-deps.sh" build
}

free_port()
{
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

main()
{
	local begun
	begun=$(now_ms)
	[ -r $database ] || die "$database isn't there: the quickstart wants a Debian system's package database"
	long "install what is missing" need_debian_packages
	long "build" compile
	if [ "$(id -u)" != 0 ]; then
		allowed=(--allow-unenforced disk)
		printf '%s\n' "as an ordinary user: workspaces without a size limit (sandboxd ${allowed[*]})"
	fi
	[ -z "$keep" ] || port=$(free_port)
	step "start sandboxd" start_daemon
	step "create a session" create python-basic
	step "upload $(du -h $database | cut -f1) of package data" ctl cp $database "$session:status"
	step "python: installed size by section, CSV, chart" ctl exec "$session" "$code/sections.py" \
		--event '{"database": "status"}' --json
	show_top_ten
	step "javascript: shares, from the CSV" ctl exec "$session" "$code/shares.js" --event '{"csv": "sections.csv"}' --json
	show_shares
	step "shell: a pipe over the CSV" ctl exec "$session" "$code/largest.sh"
	show_out
	step "try to reach the network: must fail" refused "$code/network.py" "unreachable|not permitted"
	show_out
	step "try to read /etc/shadow: must fail" refused "$code/shadow.py" "^(FileNotFound|Permission)Error"
	show_out
	step "download the chart" ctl cp "$session:chart.svg" "$build/quickstart-chart.svg"
	printf '  %s\n' "$build/quickstart-chart.svg"
	if [ -n "$keep" ]; then
		keep_running
		return
	fi
	step "end the session" end_sessions
	step "stop sandboxd" stop_daemon
	step "see that nothing is left" nothing_is_left
	title "in all"
	took "$begun"
}

if [ -n "$kept" ]; then
	trap clean_up EXIT
	stop_kept
	exit
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/sandboxcp-quickstart.XXXXXX")
state=$(mktemp -d "${folders}XXXXXX")
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
main
