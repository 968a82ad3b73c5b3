#!/usr/bin/env bash
# install-deps.sh build|test|browser: installs what Debian 12 needs for that; silent and quick where all is there already.
#   build  compiler, libraries and the programs that sandboxes are run with
#   test   build, and what tests/run.sh and its lints call
#   browser  test, and a browser for the page at /docs: some 300 MB
# As an ordinary user it installs nothing: it says which packages are missing.
set -euo pipefail

build=(
	gcc libc6-dev meson ninja-build pkg-config
	libsqlite3-dev libmariadb-dev libcjson-dev libcurl4-openssl-dev libevent-dev libssl-dev libseccomp-dev libhttp-parser-dev zlib1g-dev
	libexpat1-dev      # S3 answers in XML
	runc crun          # the OCI runtimes; the library takes the one that works best here
	e2fsprogs mount    # workspace disks: mkfs.ext4, losetup
	uidmap             # newuidmap, newgidmap: sandboxes of an ordinary user
	python3 nodejs     # what the seeded templates run
	ca-certificates
)
test=(
	check              # the unit tests' framework
	g++                # public headers must compile as C++
	clang-format-14    # another version formats differently
	clang-14 libclang-rt-14-dev # libFuzzer
	mariadb-server-core mariadb-client-core openssl # a database of the tests' own; without a service of the system's
	mandoc gcovr procps busybox-static git
	curl wrk           # HTTP from scripts, and under load
	swift swift-proxy swift-account swift-container swift-object # an S3 server; none of them is started
	python3-venv       # schemathesis, from PyPI, in a place of its own
	faketime           # clocks that are wrong
	docker.io          # a Docker engine: tests/services/docker.sh
	musl-tools         # programs as Alpine has them
	btrfs-progs iproute2 nftables # storage that can give roots a size; networks of stand-ins
)
browser=(chromium npm) # what shows /docs, and what fetches its driver

usage()
{
	sed -n '2,6s/^# //p' "$0" >&2
	exit 2
}

missing()
{
	local package
	for package in "$@"; do
		# Somebody's own node or python is as good as Debian's for the programs that tests and sandboxes call.
		[ "$package" = nodejs ] && [ -x /usr/bin/node ] && continue
		[ "$package" = npm ] && command -v npm >/dev/null && continue
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || printf '%s\n' "$package"
	done
}

case "${1:-}" in
build) wanted=("${build[@]}") ;;
test) wanted=("${build[@]}" "${test[@]}") ;;
browser) wanted=("${build[@]}" "${test[@]}" "${browser[@]}") ;;
*) usage ;;
esac
command -v dpkg-query >/dev/null || {
	echo "install-deps.sh: this is no Debian; install the equivalents of: ${wanted[*]}" >&2
	exit 1
}
mapfile -t needed < <(missing "${wanted[@]}")
[ ${#needed[@]} -gt 0 ] || exit 0
if [ "$(id -u)" != 0 ]; then
	printf 'install-deps.sh: missing packages; run:\n  sudo apt-get install --no-install-recommends %s\n' "${needed[*]}" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
echo "installing: ${needed[*]}" >&2
log=$(mktemp)
policy=/usr/sbin/policy-rc.d # Debian's way to say that no service is to be started: tests start servers of their own
if [ -e $policy ]; then
	trap 'rm -f "$log"' EXIT
else
	trap 'rm -f "$log" "$policy"' EXIT
	printf '#!/bin/sh\nexit 101\n' >$policy
	chmod 755 $policy
fi
apt=(apt-get -q -y -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0)
{ "${apt[@]}" update && "${apt[@]}" install --no-install-recommends "${needed[@]}"; } >"$log" 2>&1 || {
	tail -n 30 "$log" >&2
	echo "install-deps.sh: apt-get failed; see above" >&2
	exit 1
}
