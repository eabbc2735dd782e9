#!/usr/bin/env bash
# Does an image do its work under the narrowest terms: no network, a read-only root, no capabilities and
# a user it has never heard of, with nothing to write in but /tmp and one mounted directory?
#
#     docker/smoke_test.sh IMAGE [ENGINE [OPTION…]]        ENGINE: docker (default) or podman
#
# Generates faces, trains five steps, verifies, and makes a mistake on purpose. Two minutes on two cores.
set -euo pipefail

[ $# -ge 1 ] || { echo "usage: $0 IMAGE [ENGINE [OPTION…]]" >&2; exit 2; }
image=$1
shift
engine=("${@:-docker}")

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

uid=$(id -u)
gid=$(id -g)
terms=(--rm --network none --read-only --tmpfs "/tmp:rw,exec,mode=1777" --cap-drop all
    --security-opt no-new-privileges)
if [ "${engine[0]}" = podman ]; then
    # podman adds writable directories and an entry in /etc/passwd of its own; Docker does not.
    terms+=(--pull never --read-only-tmpfs=false --passwd=false)
    [ "$uid" = 0 ] || terms+=(--userns keep-id)
fi
if [ "$uid" = 0 ]; then
    uid=4321 gid=4321
    chown "$uid:$gid" "$work"
fi
terms+=(--user "$uid:$gid" --volume "$work:/job")

step_started=$SECONDS
check() {
    echo "smoke test: ok, $1 ($((SECONDS - step_started)) s)"
    step_started=$SECONDS
}

fail() {
    echo "smoke test: $1" >&2
    exit 1
}

arcface_plus() { "${engine[@]}" run "${terms[@]}" "$image" "$@"; }
program() { # PROGRAM ARGUMENT…: another program than the entry point
    local name=$1
    shift
    "${engine[@]}" run "${terms[@]}" --entrypoint "$name" "$image" "$@"
}

arcface_plus --help > /dev/null
check "--help"

arcface_plus data synth /job/data --identities 8 --images 6 --pairs 60 --seed 1 > "$work/log" 2>&1 \
    || { cat "$work/log" >&2; fail "data synth failed"; }
check "data synth"

arcface_plus train configs/demo_arcface_plus.yaml --out /job/run \
    --set data.train=/job/data --set data.batch_size=16 --set optimizer.steps=5 \
    --set optimizer.milestones='[4]' --set eval.data=/job/data --set eval.targets='[synth_frontal]' \
    > "$work/log" 2>&1 || { cat "$work/log" >&2; fail "train failed"; }
check "five steps of training"

arcface_plus eval verify --ckpt /job/run --data /job/data --targets synth_frontal \
    --json /job/verify.json > "$work/log" 2>&1 || { cat "$work/log" >&2; fail "eval verify failed"; }
program python -c '
import json
accuracy = json.load(open("/job/verify.json"))["targets"]["synth_frontal"]["accuracy"]
assert 0 <= accuracy["mean"] <= 1 and len(accuracy["folds"]) == 10, accuracy
' || fail "eval verify wrote a JSON file without the target"
check "eval verify"

status=0
arcface_plus eval verify --ckpt /job/run --data /job/data --targets no_such_target \
    > "$work/out" 2> "$work/err" || status=$?
[ "$status" = 2 ] || fail "a target that is not there gave exit status $status, not 2: $(cat "$work/err")"
if [ "$(grep -c . "$work/err")" != 1 ] || ! grep -q no_such_target "$work/err"; then
    fail "a target that is not there gave not one line that names it: $(cat "$work/err")"
fi
check "a mistake gets one line and exit status 2"

others=$(find "$work" -mindepth 1 ! -name log ! -name out ! -name err ! -user "$uid")
[ -z "$others" ] || fail "these files are not the user's: $others"
[ -s "$work/run/metrics.jsonl" ] || fail "the run directory has no metrics.jsonl"
check "the run's files belong to the user"

program tensorboard --version_tb > "$work/log" 2>&1 || { cat "$work/log" >&2; fail "no TensorBoard"; }
check "TensorBoard"

program python -c '
import torch
double = torch.compile(lambda x: (x + x).sum())
assert double(torch.ones(3)).item() == 6
' || fail "torch.compile cannot compile"
check "torch.compile"
