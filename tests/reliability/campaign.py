"""Break a short training run at every change it makes to its files, then repeat its command.

    python tests/reliability/campaign.py [--kills N] [--random N] [--full N] [--bad N] [--scene S]
    python tests/reliability/campaign.py --processes 2 [--random N]

Each trial forks from a process that has imported everything. It trains into a folder of its own
until it is broken in one of four ways:

    --kills   SIGKILL at a change to its files; of a write, half is done
    --random  SIGKILL at a random moment (drawn from --seed)
    --full    ENOSPC: the disk is full, from that change on
    --bad     EIO: an I/O error, at that change alone

Then the same command runs undisturbed, and what it leaves must equal what an undisturbed run
leaves: every tensor bit for bit, each logged step once, verifications, summary, and no other file.
N trials of a kind are spread over all changes; -1 (the default of --kills) is one at each, which
takes an hour or so on two cores. Exits with 1 if a trial fails. With `--processes`, runs of several
processes are killed and stopped at N random moments in each way that process_campaign.py lists.
"""

from __future__ import annotations

import argparse
import os
import pickle
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/helpers"), str(Path(__file__).parent)]

from file_operations import (  # noqa: E402
    BAD_DISK,
    FULL_DISK,
    Break,
    Operation,
    Watcher,
    fail_at,
    kill_at,
    no_break,
)
from outcome import Outcome, difference, outcome  # noqa: E402
from process_campaign import ProcessCampaign, run_processes  # noqa: E402

SETTINGS = (
    "data.batch_size=8", "data.threads=1", "data.cache=none",
    "model.backbone={name: tiny, width: 0.25}", "model.embedding_dim=8", "model.dropout=0.2",
    "optimizer.lr=0.01", "runtime.precision=fp32", "runtime.device=cpu",
    "eval.targets=[synth_frontal]", "eval.every=2", "checkpoint.every=2", "checkpoint.keep=2",
    "logging.every=1",
)  # fmt: skip
RECIPE = ROOT / "configs/demo_arcface_plus.yaml"
STEPS = 5
PATIENCE = 120  # seconds after which a command hangs


class Ending(NamedTuple):
    """How a forked command ended: exit status, or minus the signal; what it said; what it did."""

    status: int
    said: str
    operations: list[Operation]
    seconds: float


@dataclass(frozen=True)
class Scene:
    """What is there when the command starts: nothing, a run of three steps, or a finished one."""

    name: str
    before: int  # steps that are trained already
    options: tuple[str, ...] = ()


SCENES = (Scene("train", 0), Scene("resume", 3), Scene("fresh", STEPS, ("--fresh",)))


def settings_for(data: Path, steps: int) -> list[str]:
    """What `--set` makes of RECIPE: a network of next to nothing, trained for `steps` on `data`."""
    return [*SETTINGS, f"data.train={data}", f"optimizer.steps={steps}"]


def train_words(run: Path, settings: Sequence[str], options: Sequence[str]) -> list[str]:
    """The command line that trains RECIPE with `settings` in `run`."""
    words = ["train", str(RECIPE), "--out", str(run), *options]
    return words + [word for setting in settings for word in ("--set", setting)]


class Campaign:
    """Trials of one scene in `work`, on generated faces in DATA."""

    def __init__(self, scene: Scene, data: Path, work: Path) -> None:
        self.scene, self._data, self._work = scene, data, work
        self._template = work / "template"
        if scene.before:
            ended = self._command(self._template, scene.before, ())
            assert ended.status == 0, ended.said
        reference = work / "reference"
        ended = self._prepared(reference)
        assert ended.status == 0, ended.said
        self.operations, self.seconds = ended.operations, ended.seconds
        self._expected: Outcome = outcome(reference)

    def _prepared(
        self, run: Path, decide: Break = no_break, killed_after: float | None = None
    ) -> Ending:
        """The scene's command in a new copy of what it finds, broken by `decide` or killed."""
        if self.scene.before:
            shutil.copytree(self._template, run, copy_function=_link_or_copy)
        return self._command(run, STEPS, self.scene.options, decide, killed_after)

    def _command(
        self,
        run: Path,
        steps: int,
        options: Sequence[str],
        decide: Break = no_break,
        killed_after: float | None = None,
    ) -> Ending:
        words = train_words(run, settings_for(self._data, steps), options)
        return forked(words, run, decide, killed_after)

    def trial(self, decide: Break = no_break, killed_after: float | None = None) -> str | None:
        """What is wrong after breaking the command and repeating it; None: nothing."""
        run = self._work / "run"
        try:
            first = self._prepared(run, decide, killed_after)
            if wrong := _wrong_ending(first, run):
                return f"broken: {wrong}"
            second = self._command(run, STEPS, self.scene.options)
            if second.status != 0:
                return f"repeated: status {second.status}: {second.said.strip()}"
            warned = "not written" in first.said
            return difference(self._expected, outcome(run), metrics=not warned)
        finally:
            shutil.rmtree(run, ignore_errors=True)


def _link_or_copy(source: str, target: str) -> str:
    return shutil.copy2(source, target)


def _wrong_ending(ended: Ending, run: Path) -> str | None:
    """A broken command is killed, succeeds (what failed was not needed), or says one line."""
    if ended.status in (-signal.SIGKILL, 0):
        return None
    lines = [line for line in ended.said.splitlines() if line.startswith("arcface-plus: ")]
    if ended.status == 2 and len(lines) == 1 and str(run) in lines[0] and "Trace" not in ended.said:
        return None
    return f"status {ended.status}: {ended.said.strip()[-600:]}"


def forked(
    words: Sequence[str],
    folder: Path,
    decide: Break = no_break,
    killed_after: float | None = None,
    record: Path | None = None,
) -> Ending:
    """The command line in a fork of this process; `decide` breaks its changes below `folder`.

    `killed_after`: seconds until SIGKILL, if it has not ended by then. `record`: where to pickle
    all operations with their details.
    """
    from arcface_plus.cli import main

    said, counted = folder.with_suffix(".said"), folder.with_suffix(".operations")
    started = time.perf_counter()
    child = os.fork()
    if child == 0:
        status = 99
        signal.alarm(PATIENCE)
        watcher = Watcher(folder, decide)
        try:
            descriptor = os.open(said, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
            os.dup2(descriptor, 1)
            os.dup2(descriptor, 2)
            watcher.install()
            try:
                main(words)
            except SystemExit as left:
                status = int(left.code or 0)
            if record is not None:
                record.write_bytes(
                    pickle.dumps(list(zip(watcher.seen, watcher.details, strict=True)))
                )
            lines = "".join(f"{name}\t{file}\n" for name, file in watcher.seen)
            counted.write_text(lines, errors="surrogateescape")
        finally:
            sys.stderr.flush()
            os._exit(status)
    if killed_after is not None:
        time.sleep(killed_after)
        os.kill(child, signal.SIGKILL)  # not waited for yet, so the number is still its own
    _, ended = os.waitpid(child, 0)
    seconds = time.perf_counter() - started
    operations = []
    if counted.is_file():
        operations = [Operation(*line.split("\t")) for line in counted.read_text().splitlines()]
        counted.unlink()
    text = said.read_text(errors="replace") if said.is_file() else ""
    said.unlink(missing_ok=True)
    return Ending(os.waitstatus_to_exitcode(ended), text, operations, seconds)


def warm_up() -> None:
    """Import what a run needs; no thread may exist in a process that forks, so compute nothing."""
    import cv2
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    import sklearn.metrics  # noqa: F401
    import torch.utils.tensorboard

    import arcface_plus.cli
    import arcface_plus.training.run  # noqa: F401
    import eval.verification  # noqa: F401


def spread(count: int, total: int) -> Iterable[int]:
    """The middles of `count` equal parts of `total` numbers; all of them for -1."""
    if count < 0 or count >= total:
        return range(total)
    return [(2 * part + 1) * total // (2 * count) for part in range(count)]


def run_scene(campaign: Campaign, options: argparse.Namespace) -> tuple[int, int]:
    """All trials of a scene → how many were made, and how many failed."""
    total, scene = len(campaign.operations), campaign.scene.name
    kinds: dict[str, tuple[int, Callable[[int], Break]]] = {
        "killed": (options.kills, kill_at),
        "disk full": (options.full, lambda n: fail_at(n, FULL_DISK, lasting=True)),
        "I/O error": (options.bad, lambda n: fail_at(n, BAD_DISK, lasting=False)),
    }
    made = failed = 0
    for kind, (count, breaking) in kinds.items():
        numbers = list(spread(count, total)) if count else []
        for number in numbers:
            if wrong := campaign.trial(breaking(number)):
                failed += 1
                name, file = campaign.operations[number]
                print(f"{scene}, {kind} at {number} ({name} {file}): {wrong}", flush=True)
        made += len(numbers)
        if numbers:
            print(f"{scene}, {kind}: {len(numbers)} of {total} operations tried", flush=True)
    moments = random.Random(f"{options.seed} {scene}")
    for _ in range(options.random):
        after = moments.uniform(0, campaign.seconds)
        if wrong := campaign.trial(killed_after=after):
            failed += 1
            print(f"{scene}, killed after {after:.3f} s: {wrong}", flush=True)
    if options.random:
        print(
            f"{scene}, killed at {options.random} moments of {campaign.seconds:.1f} s", flush=True
        )
    return made + options.random, failed


def several(folder: Path, options: argparse.Namespace) -> tuple[int, int]:
    """The campaign of a run of several processes → trials made and failed."""
    words = train_words(folder / "unused", settings_for(folder / "data", STEPS), ())
    at = words.index("--out")
    del words[at : at + 2]
    campaign = ProcessCampaign(words, options.processes, folder, options.seed)
    return run_processes(campaign, options.random)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--kills", type=int, default=-1, help="SIGKILL at N operations; -1: at all")
    parser.add_argument("--random", type=int, default=0, help="SIGKILL at N random moments")
    parser.add_argument("--full", type=int, default=0, help="the disk is full from N operations on")
    parser.add_argument("--bad", type=int, default=0, help="an I/O error at N operations")
    parser.add_argument("--scene", choices=[s.name for s in SCENES], help="this one alone")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    parser.add_argument("--processes", type=int, default=1, help="of the run; torchrun's, from 2")
    options = parser.parse_args()
    warm_up()
    from data_prep.faces.synthetic import generate

    made = failed = 0
    with tempfile.TemporaryDirectory(prefix="campaign") as folder:
        generate(Path(folder) / "data", identities=4, images=4, pairs=20, seed=1)
        if options.processes > 1:
            made, failed = several(Path(folder), options)
        for scene in SCENES if options.processes == 1 else ():
            if options.scene in (None, scene.name):
                work = Path(folder) / scene.name
                work.mkdir()
                campaign = Campaign(scene, Path(folder) / "data", work)
                here = run_scene(campaign, options)
                made, failed = made + here[0], failed + here[1]
    print(f"{made} trials, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
