#!/usr/bin/env bash
# Build the image with Docker or podman, whichever is available:
#
#     docker/build.sh [TAG]              TAG: default arcface-plus
#
# BASE_IMAGE in the environment replaces the Dockerfile's base. If no engine runs, or none can pull the
# base, docker/ci_build.sh builds and tests the image in a temporary store and deletes it.
set -euo pipefail
cd "$(dirname "$0")/.."

tag=${1:-arcface-plus}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
revision=$(git describe --always --dirty --abbrev=40 --exclude='*' 2> /dev/null || echo unknown)
base=${BASE_IMAGE:-$(sed -n 's/^ARG BASE_IMAGE=//p' Dockerfile)}
arguments=(--build-arg "BASE_IMAGE=$base" --build-arg "VERSION=$version"
    --build-arg "REVISION=$revision" --tag "$tag")

# An engine that runs and has the base, or can pull it.
usable() {
    command -v "$1" && "$1" info && { "$1" image inspect "$base" || "$1" pull "$base"; }
} > /dev/null 2>&1

if usable docker; then
    engine=docker
elif usable podman; then
    engine=podman
    arguments+=(--format docker)
else
    echo "image: no running Docker or podman has or can pull $base; using docker/ci_build.sh instead"
    exec docker/ci_build.sh
fi

"$engine" build "${arguments[@]}" .
echo "image: built $tag; to test it: docker/smoke_test.sh $tag $engine"
