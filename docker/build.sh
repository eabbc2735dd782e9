#!/usr/bin/env bash
# Build the image with the engine that is there, Docker or podman:
#
#     docker/build.sh [TAG]              TAG: arcface-plus unless named
#
# BASE_IMAGE in the environment replaces the Dockerfile's base. Where no engine runs, or none can get the
# base, docker/ci_build.sh builds and tests the image in a store of its own and throws it away.
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
    echo "image: neither Docker nor podman runs here and gets $base, so docker/ci_build.sh takes over"
    exec docker/ci_build.sh
fi

"$engine" build "${arguments[@]}" .
echo "image: built $tag; to test it: docker/smoke_test.sh $tag $engine"
