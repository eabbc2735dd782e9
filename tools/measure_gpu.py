#!/usr/bin/env python3
"""All GPU measurements in half an hour: correctness first, then speed, then real faces.

    python3 tools/measure_gpu.py --out OUT [--data DATA] [--minutes 30] [--stages tests,step]

Runs from the source tree; installs nothing. DATA, if given, holds cfp_train/ (train.rec, train.idx,
property) and lfw.bin. Every stage has its own time limit, and later stages run even if an earlier
one fails. Each stage updates OUT: summary.md (one page), results.json (all figures), logs.tar.gz
(output of every stage, metrics.jsonl of every run, the trace).
Minutes that are planned, of 30 (the limits are higher): tests 4, step 6, costs 2, mma 2, mhe 1,
checkpoint 1, casia 4, cfp 2, data 2; seeds get the rest.
If commands may not run for half an hour, call it several times: first with --stages
tests,costs,mhe,checkpoint, then step, then mma,casia,cfp, then seeds; each with its own OUT and
--minutes below the limit.
Needs Python 3.11, torch 2.11 and the packages of NEEDED below; where none can be installed, carry
their wheels (pydantic, pydantic_core, …) and put the folder with their content on PYTHONPATH.
With --tiny nearly all stages run in two or three minutes on a CPU: a rehearsal, whose figures are
meaningless.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

from measure_summary import publish  # noqa: E402

PYTHON = sys.executable
CLI = [PYTHON, "-m", "arcface_plus"]
NEEDED = (
    "torch torchvision numpy scipy sklearn cv2 pydantic yaml typer rich safetensors tensorboard "
    "matplotlib pytest pytest_timeout"
)
LEFT_OUT = "skipped in a rehearsal: it has no small size"
NO_DATA = "no --data"
FINE = ("ok", LEFT_OUT, NO_DATA)
SAVED = (".json", ".jsonl", ".log", ".md", ".csv", ".gz", ".txt")


@dataclass(frozen=True)
class Sizes:
    """Settings of the stages."""

    mma_rows: tuple[int, ...] = (10_575, 93_000, 360_000)
    identities: int = 10_575
    casia: tuple[str, ...] = ("data.cache=device", "optimizer.steps=1000", "logging.every=50")
    cfp: tuple[str, ...] = ("data.cache=device", "optimizer.steps=200", "logging.every=20")
    seeds: tuple[str, ...] = (
        "model.backbone={name: r50}", "model.embedding_dim=512", "runtime.precision=auto",
        "runtime.compile=auto", "data.cache=device", "data.threads=0", "checkpoint.every=1600",
    )  # fmt: skip
    step: tuple[str, ...] = ()
    costs: tuple[str, ...] = ()
    mhe_rows: tuple[int, ...] = (10_575, 93_000)
    checkpoint: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    device: str = "auto"


_TINY_RUN = (
    "model.backbone={name: tiny}", "model.embedding_dim=32", "data.batch_size=8",
    "optimizer.steps=4", "logging.every=2", "checkpoint.every=4", "runtime.device=cpu",
)  # fmt: skip
TINY = Sizes(
    mma_rows=(300,), identities=12, casia=_TINY_RUN, cfp=_TINY_RUN, seeds=_TINY_RUN,
    step=("--backbone", "tiny", "--batch", "4", "--classes", "50"),
    costs=("--backbone", "tiny", "--batch", "4", "--classes", "50"),
    mhe_rows=(300,), checkpoint=("--backbone", "tiny", "--classes", "50"),
    tests=("-k", "under_autocast or equal_bits"), device="cpu",
)  # fmt: skip


@dataclass(frozen=True)
class Session:
    """Folders, settings and the time limit (on `time.monotonic`'s clock) of a session."""

    work: Path
    data: Path | None
    sizes: Sizes
    until: float
    environment: dict[str, str]

    def left(self) -> float:
        return self.until - time.monotonic()

    def run(self, name: str, command: list[str], seconds: float) -> str:
        """Run the command with a log; its outcome: ok, exit status or time limit."""
        limit = min(seconds, self.left())
        if limit < 5:
            return "no time left"
        with open(self.work / f"{name}.log", "ab") as log:
            log.write(f"$ {' '.join(command)}\n".encode())
            log.flush()
            process = subprocess.Popen(
                command, cwd=ROOT, env=self.environment, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
            try:
                status = process.wait(limit)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                return f"stopped after {limit:.0f} s"
        return "ok" if status == 0 else f"exit status {status}"


def environment(session: Session) -> str:
    """Which packages are installed; reported first, since the other stages need them."""
    code = (
        "import importlib.util, json, sys\n"
        f"missing = [m for m in {NEEDED.split()!r} if importlib.util.find_spec(m) is None]\n"
        "print('missing:', *missing) if missing else None\n"
        "from arcface_plus.bench.machine import facts\n"
        f"json.dump(facts(), open({str(session.work / 'environment.json')!r}, 'w'))\n"
        "sys.exit(bool(missing))"
    )
    return session.run("environment", [PYTHON, "-c", code], 60)


def tests(session: Session) -> str:
    command = [PYTHON, "-m", "pytest", "tests/gpu", "-v", "-p", "no:cacheprovider"]
    return session.run("tests", [*command, *session.sizes.tests], 420)


def step(session: Session) -> str:
    """The table of steps, and the profile of ours."""
    extra = ["--profile", str(session.work / "profile"), *session.sizes.step]
    return _bench(session, "step", extra, 540)


def costs(session: Session) -> str:
    """Every head and every regularizer, without the backbone; heads also by the sharded code."""
    command = [PYTHON, "tools/step_costs.py", "--device", session.sizes.device]
    command += ["--json", str(session.work / "costs.json"), *session.sizes.costs]
    return session.run("costs", command, 240)


def mma(session: Session) -> str:
    return _bench(session, "mma", _rows(session.sizes.mma_rows), 300)


def mhe(session: Session) -> str:
    extra = ["--regularizer", "mhe", *_rows(session.sizes.mhe_rows)]
    return _bench(session, "mma", extra, 180, figures="mhe")


def _rows(counts: tuple[int, ...]) -> list[str]:
    return [part for rows in counts for part in ("--rows", str(rows))]


def checkpoint(session: Session) -> str:
    """How long a save keeps training waiting."""
    return _bench(session, "checkpoint", [*session.sizes.checkpoint], 180)


def data(session: Session) -> str:
    if session.sizes is TINY:
        return LEFT_OUT
    extra = ["--train", str(session.data / "cfp_train")] if session.data else []
    command = [*CLI, "bench", "data", *extra, "--json", str(session.work / "data.json")]
    return session.run("data", command, 300)


def casia(session: Session) -> str:
    """As many classes as CASIA, two generated faces each, with the paper's network and batch."""
    faces = session.work / "faces"
    synth = ["data", "synth", str(faces), "--images", "2", "--pairs", "20"]
    synth += ["--identities", str(session.sizes.identities)]
    drawn = session.run("casia", [*CLI, *synth], 240)
    if drawn != "ok":
        return f"data synth: {drawn}"
    sets = [*session.sizes.casia, f"data.train={faces}", "eval.targets=[]"]
    return _train(session, "casia", "casia_r50_arcface_plus.yaml", sets, 420)


def cfp(session: Session) -> str:
    faces = _real_faces(session)
    if faces is None:
        return NO_DATA
    sets = [*session.sizes.cfp, f"data.train={faces}", "eval.targets=[]"]
    return _train(session, "cfp", "casia_r50_arcface_plus.yaml", sets, 240)


def seeds(session: Session) -> str:
    """Train ArcFace and ArcFace+ alternately, seed by seed, while time remains; then compare."""
    faces = _real_faces(session)
    if faces is None:
        return NO_DATA
    target = "lfw" if (faces.parent / "lfw.bin").is_file() else "synth_frontal"
    pairs = faces.parent if target == "lfw" else faces
    longest = 0.0
    for seed in range(2 if session.sizes is TINY else 20):
        for recipe in ("arcface", "arcface_plus"):
            if session.left() < 1.3 * longest + 60:
                return _compare(session, pairs)
            started = time.monotonic()
            sets = [*session.sizes.seeds, f"run.seed={seed}", f"data.train={faces}",
                    f"eval.data={pairs}", f"eval.targets=[{target}]"]  # fmt: skip
            config = f"cfp_mobilefacenet_{recipe}.yaml"
            outcome = _train(session, f"seeds/{recipe}_s{seed}", config, sets, 600)
            if outcome != "ok":
                return outcome
            longest = max(longest, time.monotonic() - started)
    return _compare(session, pairs)


def _compare(session: Session, pairs: Path) -> str:
    runs = session.work / "seeds"
    groups = [f"arcface={runs}/arcface_s*", f"arcface_plus={runs}/arcface_plus_s*"]
    command = [*CLI, "eval", "compare", "--group", groups[0], "--group", groups[1]]
    command += ["--out", str(session.work / "comparison")]
    return session.run("compare", command, 120)


def _real_faces(session: Session) -> Path | None:
    """cfp_train; in a rehearsal without data, the generated faces of the casia stage."""
    if session.data is not None:
        return session.data / "cfp_train"
    generated = session.work / "faces"
    return generated if session.sizes is TINY and generated.is_dir() else None


def _bench(
    session: Session, name: str, extra: list[str], seconds: float, figures: str | None = None
) -> str:
    """`figures`: the name of the log and the JSON file, if it is not that of the benchmark."""
    stage = figures or name
    command = [*CLI, "bench", name, "--device", session.sizes.device]
    command += ["--json", str(session.work / f"{stage}.json"), *extra]
    return session.run(stage, command, seconds)


def _train(session: Session, name: str, config: str, sets: list[str], seconds: float) -> str:
    run = session.work / "runs" / name if "/" not in name else session.work / name
    settings = [part for setting in sets for part in ("--set", setting)]
    command = [*CLI, "train", f"configs/{config}", *settings, "--fresh", "--out", str(run)]
    return session.run(name.replace("/", "_"), command, seconds)


STAGES: tuple[Callable[[Session], str], ...] = (
    environment, tests, step, costs, mma, mhe, checkpoint, casia, cfp, data, seeds,
)  # fmt: skip


def main() -> int:
    options = _options()
    chosen = [stage for stage in STAGES if stage.__name__ in options.stages.split(",")]
    options.out.mkdir(parents=True, exist_ok=True)
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    variables = dict(os.environ) | {"PYTHONPATH": os.pathsep.join(paths)}
    if options.tiny:
        variables["ARCFACE_PLUS_GPU_TESTS_ON"] = "cpu"
    outcomes: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        session = Session(
            work=Path(folder),
            data=options.data and options.data.resolve(),
            sizes=TINY if options.tiny else Sizes(),
            until=time.monotonic() + 60 * options.minutes,
            environment=variables,
        )
        for stage in chosen:
            started = time.monotonic()
            outcome = stage(session)
            seconds = round(time.monotonic() - started, 1)
            outcomes.append({"stage": stage.__name__, "outcome": outcome, "seconds": seconds})
            print(f"{stage.__name__}: {outcome}, {seconds:.0f} s", flush=True)
            publish(session.work, options.out, outcomes)
            _pack(session.work, options.out / "logs.tar.gz")
    return int(any(outcome["outcome"] not in FINE for outcome in outcomes))


def _pack(work: Path, archive: Path) -> None:
    """Archive the small files that matter: no weights, no images."""
    draft = archive.with_suffix(".partial")
    with tarfile.open(draft, "w:gz") as tar:
        for file in sorted(work.rglob("*")):
            if file.suffix in SAVED and file.is_file() and file.stat().st_size < 30e6:
                tar.add(file, file.relative_to(work))
    draft.replace(archive)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, help="folder with cfp_train/ and lfw.bin")
    parser.add_argument("--minutes", type=float, default=30, help="time limit of all stages")
    parser.add_argument("--tiny", action="store_true", help="a rehearsal on a CPU")
    names = ",".join(stage.__name__ for stage in STAGES)
    parser.add_argument("--stages", default=names, help=f"comma-separated; default: {names}")
    options = parser.parse_args()
    unknown = set(options.stages.split(",")) - set(names.split(","))
    if unknown:
        parser.error(f"--stages: unknown stage {min(unknown)}; known: {names}")
    return options


if __name__ == "__main__":
    sys.exit(main())
