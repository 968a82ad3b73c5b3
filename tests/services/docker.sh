#!/usr/bin/env bash
# docker.sh start|stop|kill|revive|orphans DIR [dockerd's options]: Debian's Docker engine, one of one's own, without any network.
#   start   starts it on DIR (made, must be new or empty) and makes images on the spot; prints the runtime's URL
#   kill    ends dockerd with SIGKILL, as a crash would
#   revive  starts it again
#   orphans ends what was just being made when the engine was killed: "runc init" that waits for a start for ever, and that
#           no shim and no engine knows of any more
#   stop    ends what start and revive started, and takes its mounts away; nothing else
# Images: scp-test/box (busybox alone), scp-test/hostile (its ENTRYPOINT, USER, VOLUME … are a nuisance), scp-test/bare (no
# program at all). DIR/log has what the engine says. DIR must be short: a socket lies in it.
set -euo pipefail
export LC_ALL=C.UTF-8 PATH=/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin

fail()
{
	printf 'docker.sh: %s\n' "$*" >&2
	exit 1
}

usage()
{
	sed -n '2,10s/^# //p' "$0" >&2
	exit 2
}

api() # method, path, further arguments of curl
{
	local method=$1 path=$2
	shift 2
	curl -sS -f -X "$method" --unix-socket "$dir/docker.sock" "http://localhost/v1.40$path" "$@"
}

launch()
{
	setsid dockerd --data-root "$dir/data" --exec-root "$dir/exec" --pidfile "$dir/pid" -H "unix://$dir/docker.sock" \
		--bridge=none --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false $(cat "$dir/options") \
		>>"$dir/log" 2>&1 </dev/null &
	for _ in $(seq 600); do
		api GET /_ping >/dev/null 2>&1 && return
		sleep 0.1
	done
	tail -n 20 "$dir/log" >&2
	fail "dockerd doesn't answer"
}

import() # name, changes
{
	local name=$1 change query=""
	shift
	for change; do
		query+="&changes=$(python3 -c 'import sys, urllib.parse; print(urllib.parse.quote(sys.argv[1]))' "$change")"
	done
	tar -C "$dir/root" -c . | api POST "/images/create?fromSrc=-&repo=scp-test/$name&tag=latest$query" \
		-H 'Content-Type: application/x-tar' --data-binary @- >/dev/null
}

make_images()
{
	local busybox applet
	busybox=$(command -v busybox) || fail "there is no busybox; run examples/install-deps.sh test"
	mkdir -p "$dir/root/etc"
	printf 'an image without programs\n' >"$dir/root/etc/motd"
	import bare
	mkdir -p "$dir/root/bin" "$dir/root/data"
	cp "$busybox" "$dir/root/bin/busybox"
	for applet in $("$busybox" --list); do
		[ "$applet" = busybox ] || ln -s busybox "$dir/root/bin/$applet"
	done
	import box
	import hostile 'ENTRYPOINT ["/bin/false"]' 'CMD ["x"]' 'USER 1234:1234' 'WORKDIR /nowhere' 'VOLUME /data' \
		'VOLUME /tmp' 'HEALTHCHECK --interval=1s CMD kill 1' 'ENV LD_PRELOAD=/x PATH=/nope' 'EXPOSE 80' \
		'LABEL session=liar sandboxcp.node=liar'
	rm -rf "$dir/root"
}

# Whoever has our folder in its arguments: the engine, its containerd, their shims.
ours()
{
	local line
	for line in /proc/[0-9]*/cmdline; do
		tr '\0' ' ' 2>/dev/null <"$line" | grep -qE '^(dockerd|containerd|/usr/[a-z/]*(dockerd|containerd))' || continue
		tr '\0' ' ' 2>/dev/null <"$line" | grep -qF "$dir/" || continue
		line=${line#/proc/}
		printf '%s\n' "${line%/cmdline}"
	done
}

engine() # its process id, if it is ours still
{
	local pid
	pid=$(cat "$dir/pid" 2>/dev/null) && ours | grep -x "$pid"
}

orphans()
{
	local status pid
	for status in /proc/[0-9]*/status; do
		pid=${status#/proc/}
		pid=${pid%/status}
		[ "$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline")" = "runc init " ] || continue
		grep -q '^PPid:[[:space:]]*1$' "$status" 2>/dev/null && grep -qF "$dir/" "/proc/$pid/mountinfo" 2>/dev/null || continue
		kill -KILL "$pid" 2>/dev/null || true
	done
}

stop()
{
	local pid point
	# A container outlives a killed engine; it goes by the shim that holds it.
	if pid=$(engine); then
		for point in $(api GET '/containers/json?all=1' 2>/dev/null | grep -oE '"Id":"[0-9a-f]{64}"' | cut -d'"' -f4); do
			api DELETE "/containers/$point?force=1&v=1" 2>/dev/null || true
		done
		kill -TERM "$pid" 2>/dev/null || true
		for _ in $(seq 200); do kill -0 "$pid" 2>/dev/null && sleep 0.1 || break; done
	fi
	for pid in $(ours); do kill -KILL "$pid" 2>/dev/null || true; done
	orphans
	tac /proc/self/mountinfo | cut -d' ' -f5 | grep -F "$dir/" | while read -r point; do
		umount -l "$point" 2>/dev/null || true
	done || true # none is as good
}

[ $# -ge 2 ] || usage
dir=$(realpath -m "$2")
case $1 in
start)
	command -v dockerd >/dev/null || fail "there is no dockerd; run examples/install-deps.sh test"
	[ "$(id -u)" = 0 ] || fail "dockerd needs root"
	[ ! -e "$dir/options" ] || fail "$dir is in use"
	mkdir -p "$dir"
	printf '%s\n' "${*:3}" >"$dir/options"
	trap '[ $? = 0 ] || stop' EXIT
	launch
	make_images
	printf 'docker:unix://%s/docker.sock\n' "$dir"
	;;
stop) stop ;;
orphans) orphans ;;
kill)
	pid=$(engine)
	kill -KILL "$pid"
	while engine >/dev/null; do sleep 0.05; done
	;;
revive) # its containerd died with it, and whoever has that number now would be taken for it
	rm -f "$dir/pid" "$dir/exec/containerd/containerd.pid"
	launch
	;;
*) usage ;;
esac
