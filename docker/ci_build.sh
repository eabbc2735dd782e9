#!/usr/bin/env bash
# Build the image and test it where no Docker daemon runs and no public image can be pulled, as in CI:
#
#     docker/ci_build.sh
#
# Debian's podman and runc build it on a base that debootstrap makes from this machine's own Debian
# mirror; docker/smoke_test.sh tests it; everything is removed afterwards. Needs root and, temporarily,
# about 22 GB in $TMPDIR or /var/tmp. Without root, apt, podman or debootstrap it says so and skips (exit
# status 0); every later problem is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly needed_gb=22
readonly release=bookworm
readonly image=localhost/arcface-plus
revision=$(git describe --always --dirty --abbrev=40 --exclude="*" 2> /dev/null || echo unknown)
readonly revision

skip() {
    echo "image: skipped, $1"
    exit 0
}

fail() {
    echo "image: $1" >&2
    exit 1
}

phase_started=$SECONDS
phase_done() {
    echo "image: $1 took $((SECONDS - phase_started)) s"
    phase_started=$SECONDS
}

# ---- the tools, or skip -----------------------------------------------------------------------
[ "$(id -u)" = 0 ] || skip "building without a daemon needs root"
command -v apt-get > /dev/null || skip "no apt-get to install podman and debootstrap"
PATH=$PATH:/usr/sbin:/sbin
if ! { command -v podman && command -v runc && command -v debootstrap; } > /dev/null; then
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
        --no-install-recommends podman runc debootstrap; } > /dev/null 2>&1 \
        || skip "apt-get cannot install podman, runc and debootstrap"
    phase_done "installing podman, runc and debootstrap"
fi
# shellcheck disable=SC2016  # apt-get replaces these names
mirror=$(apt-get indextargets --format '$(ORIGIN) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' \
    | awk '$1 == "Debian" && $2 == "main" && $3 ~ /^https?:/ && !/security/ {print $3; exit}')
[ -n "$mirror" ] || skip "debootstrap needs a Debian mirror, and apt's sources list none"

# ---- a temporary directory, removed in any case --------------------------------------------------
work=$(mktemp -d "${TMPDIR:-/var/tmp}/arcface-plus-image.XXXXXX")

mounts_in_work() {
    awk -v inside="$work/" 'index($2, inside) == 1 {print $2}' /proc/mounts | sort -r
}

remove_work() {
    podman_here rm -af > /dev/null 2>&1 || true
    podman_here rmi -af > /dev/null 2>&1 || true
    mounts_in_work | xargs -r umount || true
    # Removing the directory would delete the content of a remaining mount: leave it instead.
    [ -z "$(mounts_in_work)" ] || fail "left $work: something is still mounted in it"
    rm -rf "$work"
}

export CONTAINERS_CONF=$work/containers.conf
engine=(podman --root "$work/storage" --runroot "$work/run")
podman_here() { "${engine[@]}" "$@"; }

trap remove_work EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

free_gb=$(df --output=avail --block-size=1G "$work" | tail -n 1 | tr -d ' ')
echo "image: $free_gb GB free in $(dirname "$work"), about $needed_gb needed"
[ "$free_gb" -ge "$needed_gb" ] || fail "too little space; name a directory with more in TMPDIR"

mkdir "$work/tmp" "$work/base"
export TMPDIR=$work/tmp # podman keeps whole layers there for a while
cat > "$CONTAINERS_CONF" << 'END'
[containers]
default_ulimits = []
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "none"
END

# ---- base, build, test ------------------------------------------------------------------------
debootstrap --variant=minbase "$release" "$work/base" "$mirror" > "$work/debootstrap.log" 2>&1 \
    || { tail -n 20 "$work/debootstrap.log" >&2; fail "debootstrap failed"; }
tar -C "$work/base" --exclude=./var/cache/apt/archives/*.deb -c . \
    | podman_here import --quiet - localhost/debian-base > /dev/null
rm -rf "$work/base"
phase_done "making the base"

python3 docker/host_pip.py "$work" > "$work/volumes"
mapfile -t volumes < <(sed 's/^/--volume=/' "$work/volumes")
podman_here build --isolation chroot --network host --pull=never --format docker --quiet \
    --build-arg BASE_IMAGE=localhost/debian-base --build-arg "REVISION=$revision" "${volumes[@]}" --tag "$image" . > "$work/build.log" 2>&1 \
    || { tail -n 60 "$work/build.log" >&2; fail "the build failed"; }
phase_done "building the image"
echo "image: $(podman_here image inspect --format '{{.Size}}' "$image" | awk '{printf "%.1f GB", $1 / 1e9}')"

docker/smoke_test.sh "$image" "${engine[@]}"
phase_done "the smoke test"
