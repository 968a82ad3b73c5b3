#!/usr/bin/env bash
# with_docker.sh [--remap|--btrfs] PROGRAM [ARGUMENTS]: runs it with a Docker engine that is started for it, with
# $TEST_DOCKER_OPTIONS, and ended with it.
#   --remap  the engine's containers have users of their own. It is told which by /etc/subuid and /etc/subgid, which all in
#            here see in a version of their own.
#   --btrfs  the engine's data lies on btrfs, which can give containers' roots a size.
set -uo pipefail

remap()
{
	local file
	printf 'nobody:200000:65536\n' >"$dir/ids"
	for file in /etc/subuid /etc/subgid; do
		[ -e $file ] || : >$file
		mount --bind "$dir/ids" $file || exit 1
	done
	TEST_DOCKER_OPTIONS="${TEST_DOCKER_OPTIONS:-} --userns-remap=nobody:nogroup"
}

btrfs_data()
{
	truncate -s 1G "$dir/disk"
	mkfs.btrfs -q "$dir/disk" && mkdir "$dir/data" && mount -o loop "$dir/disk" "$dir/data" || exit 1
	TEST_DOCKER_OPTIONS="--storage-driver=btrfs"
}

[ "$(id -u)" = 0 ] || { echo "skipped: a Docker engine needs root"; exit 77; }
if [ "${1:-}" = --remap ]; then
	unshare --user true 2>/dev/null || { echo "skipped: no user namespace can be made here (in a chroot)"; exit 77; }
	exec unshare --mount --propagation slave "$0" --remapped "${@:2}"
fi
services=$(dirname "$0")/../services
dir=$(mktemp -d /var/tmp/scp-docker.XXXXXX)
chmod 711 "$dir" # remapped users walk through it
trap '"$services/docker.sh" stop "$dir"; umount "$dir/data" 2>/dev/null; rm -rf --one-file-system "$dir"' EXIT
trap 'exit 130' INT TERM
if [ "$1" = --remapped ]; then
	remap
	shift
fi
if [ "$1" = --btrfs ]; then
	command -v mkfs.btrfs >/dev/null || { echo "with_docker.sh: there is no mkfs.btrfs; run examples/install-deps.sh test"; exit 1; }
	grep -qw btrfs /proc/filesystems || { echo "skipped: this kernel has no btrfs"; exit 77; }
	[ -e /dev/loop-control ] || { echo "skipped: no loop devices here"; exit 77; }
	btrfs_data
	shift
	export TEST_BTRFS=yes
fi
url=$("$services/docker.sh" start "$dir" ${TEST_DOCKER_OPTIONS:-}) || exit 1
TEST_RUNTIME=$url TEST_IMAGE=scp-test/box TEST_DOCKER_DIR=$dir TEST_DOCKER_SERVICE=$services/docker.sh "$@"
