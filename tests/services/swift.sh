#!/usr/bin/env bash
# swift.sh start|stop|kill|revive DIR: OpenStack Swift from Debian's packages as an S3 server of one's own on loopback.
#   start   sets it up in DIR (made, must be new or empty) on free ports; ends when it answers; prints its endpoint
#   kill    ends its proxy with SIGKILL, as a crash would
#   revive  starts the proxy again, on the same port
#   stop    ends what start and revive started, nothing else
# Access key test:tester, secret testing, region us-east-1, addresses by path and as BUCKET.localhost. DIR/log has what the servers say.
set -euo pipefail
export LC_ALL=C.UTF-8 PATH=/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin # Debian's python3 among them
rings="account container object"

fail()
{
	printf 'swift.sh: %s\n' "$*" >&2
	exit 1
}

usage()
{
	sed -n '2,6s/^# //p' "$0" >&2
	exit 2
}

free_ports() # how many
{
	python3 - "$1" <<'PY'
import socket
import sys
held = [socket.socket() for _ in range(int(sys.argv[1]))]
for s in held:
    s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in held))
PY
}

write_ring() # name, port
{
	cd "$dir/etc"
	swift-ring-builder "$1.builder" create 2 1 1 >/dev/null
	swift-ring-builder "$1.builder" add "r1z1-127.0.0.1:$2/disk" 1 >/dev/null
	swift-ring-builder "$1.builder" rebalance >/dev/null
	cat >"$1.conf" <<-END
		[DEFAULT]
		bind_ip = 127.0.0.1
		bind_port = $2
		devices = $dir/devices
		swift_dir = $dir/etc
		user = $(id -un)
		mount_check = false
		disable_fallocate = true
		workers = 0
		log_level = WARNING
		[pipeline:main]
		pipeline = $1-server
		[app:$1-server]
		use = egg:swift#$1
	END
}

write_proxy() # port, a port where nobody is: there is no memcached
{
	cat >"$dir/etc/swift.conf" <<-END
		[swift-hash]
		swift_hash_path_prefix = scp
		swift_hash_path_suffix = scp
	END
	cat >"$dir/etc/proxy.conf" <<-END
		[DEFAULT]
		bind_ip = 127.0.0.1
		bind_port = $1
		swift_dir = $dir/etc
		user = $(id -un)
		workers = 0
		log_level = WARNING
		[pipeline:main]
		pipeline = catch_errors gatekeeper proxy-logging cache listing_formats s3api tempauth slo proxy-logging proxy-server
		[app:proxy-server]
		use = egg:swift#proxy
		account_autocreate = true
		[filter:catch_errors]
		use = egg:swift#catch_errors
		[filter:gatekeeper]
		use = egg:swift#gatekeeper
		[filter:proxy-logging]
		use = egg:swift#proxy_logging
		[filter:cache]
		use = egg:swift#memcache
		memcache_servers = 127.0.0.1:$2
		[filter:listing_formats]
		use = egg:swift#listing_formats
		[filter:s3api]
		use = egg:swift#s3api
		location = us-east-1
		storage_domain = localhost
		[filter:tempauth]
		use = egg:swift#tempauth
		user_test_tester = testing .admin
		[filter:slo]
		use = egg:swift#slo
	END
}

launch() # name, program, configuration
{
	setsid "$2" "$3" >>"$dir/log/$1" 2>&1 </dev/null &
	printf '%s %s\n' "$!" "$1" >>"$dir/pids"
}

answers() # port
{
	(exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

await() # port, name
{
	local i
	for i in $(seq 300); do
		answers "$1" && return
		sleep 0.1
	done
	tail -n 20 "$dir/log/$2" >&2
	fail "the $2 server didn't answer"
}

# A number that another process has by now isn't ours to end.
is_ours() # pid
{
	tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline" | grep -qF "$dir/etc/"
}

end_each() # signal, name or ""
{
	local pid name
	[ -f "$dir/pids" ] || return 0
	while read -r pid name; do
		[ -z "$2" ] || [ "$2" = "$name" ] || continue
		is_ours "$pid" && kill "-$1" "$pid" 2>/dev/null || true
	done <"$dir/pids"
	while read -r pid name; do
		[ -z "$2" ] || [ "$2" = "$name" ] || continue
		for _ in $(seq 50); do is_ours "$pid" && sleep 0.1 || break; done
		is_ours "$pid" && kill -KILL "$pid" 2>/dev/null || true
	done <"$dir/pids"
}

start()
{
	local program ports
	for program in swift-ring-builder swift-proxy-server swift-account-server swift-container-server swift-object-server; do
		command -v "$program" >/dev/null || fail "there is no $program; run examples/install-deps.sh test"
	done
	[ ! -e "$dir/pids" ] || fail "$dir is in use"
	mkdir -p "$dir/etc" "$dir/log" "$dir/devices/disk"
	read -r -a ports <<<"$(free_ports 5)"
	printf '%s\n' "${ports[*]}" >"$dir/ports"
	write_proxy "${ports[3]}" "${ports[4]}"
	local i=0 ring
	for ring in $rings; do
		write_ring "$ring" "${ports[$i]}"
		launch "$ring" "swift-$ring-server" "$dir/etc/$ring.conf"
		i=$((i + 1))
	done
	launch proxy swift-proxy-server "$dir/etc/proxy.conf"
	i=0
	for ring in $rings proxy; do
		await "${ports[$i]}" "$ring"
		i=$((i + 1))
	done
	printf 'http://127.0.0.1:%s\n' "${ports[3]}"
}

revive()
{
	local ports
	read -r -a ports <"$dir/ports"
	launch proxy swift-proxy-server "$dir/etc/proxy.conf"
	await "${ports[3]}" proxy
}

[ $# = 2 ] || usage
dir=$(realpath -m "$2")
export SWIFT_CONF_DIR=$dir/etc
case $1 in
start)
	trap '[ $? = 0 ] || end_each KILL ""' EXIT
	start
	;;
stop) end_each TERM "" ;;
kill) end_each KILL proxy ;;
revive) revive ;;
*) usage ;;
esac
