#!/usr/bin/env bash
# Does an image work with minimal privileges: no network, a read-only root, no capabilities, an unknown
# user, and nothing writable but /tmp and one mounted directory?
#
#     docker/smoke_test.sh IMAGE [ENGINE [OPTION…]]        ENGINE: docker (default) or podman
#
# Generates faces, trains five steps, stops and resumes a run, verifies, and makes a deliberate mistake.
# Two minutes on two cores.
set -euo pipefail

[ $# -ge 1 ] || { echo "usage: $0 IMAGE [ENGINE [OPTION…]]" >&2; exit 2; }
image=$1
shift
engine=("${@:-docker}")

work=$(mktemp -d)
container=arcface-plus-smoke-$$
trap '"${engine[@]}" rm -f "$container" > /dev/null 2>&1; rm -rf "$work"' EXIT

uid=$(id -u)
gid=$(id -g)
terms=(--rm --network none --read-only --tmpfs "/tmp:rw,exec,mode=1777" --cap-drop all
    --security-opt no-new-privileges)
if [ "${engine[0]}" = podman ]; then
    # podman adds writable directories and an entry in /etc/passwd; Docker does not.
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
program() { # PROGRAM ARGUMENT…: run this program instead of the entry point
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

# ---- SIGTERM, as from `docker stop`: the run saves and exits with 143, and the same command resumes it --

settings=(--set data.train=/job/data --set data.batch_size=16 --set 'eval.targets=[]' --set logging.every=1)
endless=(train configs/demo_arcface.yaml --out /job/stopped "${settings[@]}"
    --set optimizer.steps=1000000 --set checkpoint.every=1000000)

start() { # [ENGINE_OPTION…] IMAGE ARGUMENT…: run in the background
    "${engine[@]}" run "${terms[@]}" --name "$container" "$@" > "$work/log" 2>&1 &
    job=$!
}

wait_for_step() { # STEP: wait until the background run has logged it
    local end=$((SECONDS + 180))
    until grep -q "^{\"step\": $1," "$work/stopped/metrics.jsonl" 2> /dev/null; do
        if [ "$SECONDS" -ge "$end" ] || ! kill -0 "$job" 2> /dev/null; then
            cat "$work/log" >&2
            fail "the run that is to be stopped does not reach step $1"
        fi
        sleep 0.2
    done
}

stop() { # TIMES: send SIGTERM that many times, a second apart; the container must then end with 143
    local left=$1 end=$((SECONDS + 60)) status=0
    while kill -0 "$job" 2> /dev/null; do
        [ "$SECONDS" -lt "$end" ] || { cat "$work/log" >&2; fail "SIGTERM does not end the container"; }
        if [ "$left" -gt 0 ] && "${engine[@]}" kill --signal TERM "$container" > /dev/null 2>&1; then
            left=$((left - 1))
        fi
        sleep 1
    done
    wait "$job" || status=$?
    [ "$status" = 143 ] || { cat "$work/log" >&2; fail "SIGTERM gave exit status $status, not 143"; }
}

saved_step() { # the step of the newest checkpoint
    find "$work/stopped/checkpoints" -maxdepth 1 -name 'step_*' | sed 's/.*step_0*//' | sort -n | tail -n 1
}

says() { # TEXT: fail unless the log contains it
    grep -q "$1" "$work/log" || { cat "$work/log" >&2; fail "the log does not say: $1"; }
}

start "$image" "${endless[@]}"
stop 1
[ ! -e "$work/stopped/metrics.jsonl" ] || fail "SIGTERM right after the start came too late: training had begun"
check "SIGTERM right after the start ends the container"

start "$image" "${endless[@]}"
wait_for_step 3
stop 1
first=$(saved_step)
says "interrupted at step $first of"
check "SIGTERM in training saves step $first"

# Without tini the program is process 1, and signals that arrive before it has installed its handlers are
# lost. So the first of these may be.
start --entrypoint arcface-plus "$image" "${endless[@]}"
stop 60
check "SIGTERM right after the start ends it without an init, too"

start --entrypoint arcface-plus "$image" "${endless[@]}"
wait_for_step $((first + 3))
stop 1
second=$(saved_step)
says "resumes at step $first in"
says "interrupted at step $second of"
check "the same command resumes, and SIGTERM saves step $second without an init, too"

last=$((second + 2))
arcface_plus "${endless[@]}" --set optimizer.steps=$last > "$work/log" 2>&1 \
    || { cat "$work/log" >&2; fail "the stopped run cannot be finished"; }
says "resumes at step $second in"
[ -s "$work/stopped/summary.json" ] || fail "the finished run has no summary.json"
check "a stopped run finishes, at step $last"

# ------------------------------------------------------------------------------------------------

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
[ "$status" = 2 ] || fail "a missing target gave exit status $status, not 2: $(cat "$work/err")"
if [ "$(grep -c . "$work/err")" != 1 ] || ! grep -q no_such_target "$work/err"; then
    fail "expected one line that names the missing target, got: $(cat "$work/err")"
fi
check "a mistake gets one line and exit status 2"

others=$(find "$work" -mindepth 1 ! -name log ! -name out ! -name err ! -user "$uid")
[ -z "$others" ] || fail "these files do not belong to the user: $others"
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
