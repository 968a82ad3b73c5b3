#!/usr/bin/env bash
# with_docker.sh PROGRAM [ARGUMENTS]: runs it with a Docker engine that is started for it and ended with it.
set -uo pipefail
services=$(dirname "$0")/../services
dir=$(mktemp -d /var/tmp/scp-docker.XXXXXX)
trap '"$services/docker.sh" stop "$dir"; rm -rf --one-file-system "$dir"' EXIT
trap 'exit 130' INT TERM
url=$("$services/docker.sh" start "$dir") || exit 1
TEST_RUNTIME=$url TEST_IMAGE=scp-test/box TEST_DOCKER_DIR=$dir TEST_DOCKER_SERVICE=$services/docker.sh "$@"
