#!/usr/bin/env bash
# with_network.sh WITH_DOCKER PROGRAM [ARGUMENTS]: runs them in a world of its own, of two network namespaces: one plays the
# engine's host, the other all that lies beyond. Nothing of it can reach this machine, nor this machine's network.
#   the host   10.99.0.1; 198.51.100.7, its public address
#   beyond     203.0.113.10, somebody on the internet; 169.254.169.254, 100.100.100.200, 10.1.2.3 and fd00:ec2::254: what no
#              sandbox may reach; 10.1.2.53: the host's resolver,
#              named in an /etc/resolv.conf that is theirs alone, $TEST_RESOLV_CONF; 10.1.2.54: another
# Each answers "reached" to HTTP on ports 80 and 53, and the resolver 203.0.113.10 to whatever name it is asked for.
set -euo pipefail

die()
{
	printf 'with_network.sh: %s\n' "$*" >&2
	exit 1
}

if [ "${TEST_NETWORK:-}" = "" ]; then
	[ "$(id -u)" = 0 ] || { echo "skipped: network namespaces need root"; exit 77; }
	for program in ip busybox unshare nsenter python3; do
		command -v $program >/dev/null || die "there is no $program; run examples/install-deps.sh test"
	done
	unshare --net true 2>/dev/null || { echo "skipped: no network namespace can be made here"; exit 77; }
	TEST_NETWORK=yes exec unshare --net --mount --propagation slave "$0" "$@"
fi

www=$(mktemp -d /var/tmp/scp-network.XXXXXX)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; rm -rf "$www"' EXIT
echo reached >"$www/index.html"

serve() # the process whose namespace it is
{
	local port
	for port in 80 53; do
		nsenter --net="/proc/$1/ns/net" busybox httpd -f -p "$port" -h "$www" &
		pids+=($!)
	done
}

resolver='
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 53))
while True:
    q, who = s.recvfrom(512)
    end = q.index(0, 12) + 5
    a = q[end - 4:end - 2] == bytes([0, 1])
    head = q[:2] + bytes([0x81, 0x80, 0, 1, 0, int(a), 0, 0, 0, 0])
    s.sendto(head + q[12:end] + (bytes([0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 203, 0, 113, 10]) if a else b""), who)
'

unshare --net sleep infinity &
beyond=$!
pids+=("$beyond")
while [ "$(readlink "/proc/$beyond/ns/net")" = "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
there() { nsenter --net="/proc/$beyond/ns/net" "$@"; }

ip link set lo up
there ip link set lo up
ip link add out0 type veth peer name in0 netns "$beyond"
ip address add 10.99.0.1/24 dev out0
ip address add 198.51.100.7/32 dev lo
ip link set out0 up
there ip address add 10.99.0.2/24 dev in0
there ip link set in0 up
for address in 203.0.113.10 169.254.169.254 100.100.100.200 10.1.2.3 10.1.2.53 10.1.2.54; do
	there ip address add $address/32 dev lo
done
ip route add default via 10.99.0.2
if [ -e /proc/sys/net/ipv6 ]; then
	ip -6 address add fd00:99::1/64 dev out0 nodad
	there ip -6 address add fd00:99::2/64 dev in0 nodad
	there ip -6 address add fd00:ec2::254/128 dev lo
	ip -6 route add default via fd00:99::2
fi
serve $$
serve "$beyond"
for address in 10.1.2.53 10.1.2.54; do
	nsenter --net="/proc/$beyond/ns/net" python3 -c "$resolver" "$address" &
	pids+=($!)
done
export TEST_RESOLV_CONF="$www/resolv.conf"
echo "nameserver 10.1.2.53" >"$TEST_RESOLV_CONF"
[ -e /etc/resolv.conf ] || : >/etc/resolv.conf
mount --bind "$TEST_RESOLV_CONF" "$(realpath /etc/resolv.conf)"
export TEST_DOCKER_OPTIONS="--iptables=true --ip-forward=true --ip-masq=true"
export TEST_DOCKER_QUERY="?dns=10.1.2.53"
"$@"
