"""Cut the power, in simulation, after every change that a short training run makes to its files.

    python tests/reliability/power_cut.py [--scene train|resume|fresh] [--chances N]

A run is recorded once: what it wrote, renamed, removed and synced. For every beginning of that
record three kinds of losses are tried: everything lost that was not synced, names kept and data
lost, and N random mixtures. What is then there must be a run that goes on: config.yaml and all
other files whole, every checkpoint whole, none lost that a save had completed, and no line of
metrics.jsonl missing up to the last one. Exits with 1 if a trial fails.
"""

from __future__ import annotations

import argparse
import json
import pickle
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path[:0] = [str(Path(__file__).resolve().parent)]

from campaign import (  # noqa: E402
    RECIPE,
    SCENES,
    STEPS,
    Scene,
    forked,
    settings_for,
    train_words,
    warm_up,
)
from file_operations import Operation  # noqa: E402
from lossy_disk import Chance, Disk, EverythingLost, Losses, NamesKept  # noqa: E402

if TYPE_CHECKING:
    from arcface_plus.config.tree import RunConfig

Record = list[tuple[Operation, Any]]


def recorded(scene: Scene, data: Path, work: Path) -> tuple[Path | None, Record]:
    """The run directory before the scene's command, and what the command does to it."""
    run, before = work / "run", None
    if scene.before:
        ended = forked(train_words(run, settings_for(data, scene.before), ()), run)
        assert ended.status == 0, ended.said
        before = shutil.copytree(run, work / "before")
    else:
        run.mkdir()
    words = train_words(run, settings_for(data, STEPS), scene.options)
    ended = forked(words, run, record=work / "record")
    assert ended.status == 0, ended.said
    return before, pickle.loads((work / "record").read_bytes())


def cuts(
    before: Path | None, record: Record, chances: int
) -> Iterator[tuple[int, str, int, dict[str, bytes | None]]]:
    """(operations done, losses, step of the last completed save, what is found afterwards)."""
    disk, completed = Disk(before), _last_step(before)
    published = completed
    for number, (operation, detail) in enumerate(record, 1):
        disk.do(operation, detail)
        if detail == ".discarded":
            completed = published = 0
        elif operation.name == "replace" and str(detail).startswith("checkpoints/step_"):
            published = int(str(detail).rpartition("_")[2])
        elif operation == ("fsync", "checkpoints"):
            completed = published
        kinds: dict[str, Losses] = {"lost": EverythingLost(), "names kept": NamesKept()}
        kinds |= {f"chance {n}": Chance((number, n)) for n in range(chances)}
        for kind, losses in kinds.items():
            yield number, kind, completed, disk.after_power_cut(losses)


def _last_step(run: Path | None) -> int:
    from arcface_plus.run_directory.checkpoint import Checkpoints, step_of

    last = Checkpoints(run, keep=1).last() if run else None
    return (step_of(last) or 0) if last else 0


def wrong(run: Path, config: RunConfig, completed: int) -> str | None:
    """What is wrong with a run directory that a power cut left; None: nothing."""
    from arcface_plus.embedder.load import load_model
    from arcface_plus.run_directory.checkpoint import Checkpoints, step_of
    from arcface_plus.run_directory.intact import check_checkpoint
    from arcface_plus.run_directory.prepare import prepare
    from arcface_plus.run_directory.training_state import load_training

    try:
        last = prepare(run, config, fresh=False)
        for checkpoint in Checkpoints(run, keep=1).all():
            assert check_checkpoint(checkpoint) is not None, f"{checkpoint.name}: no manifest"
            assert load_training(checkpoint).step == step_of(checkpoint)
        step = (step_of(last) or 0) if last else 0
        assert step >= completed, f"checkpoint {step} is the last, {completed} was saved"
        _check_reports(run, step)
        if last is not None:
            load_model(run)
            Checkpoints(run, keep=9).tidy()  # as the next command does
            load_model(run / "model.safetensors")
    except (ValueError, OSError, AssertionError) as error:
        return f"{type(error).__name__}: {error}"
    return None


def _check_reports(run: Path, step: int) -> None:
    """What is read by people and by `report`: whole, and lines of every step up to `step`."""
    from arcface_plus.run_directory.finished import read_accuracies
    from arcface_plus.run_directory.model_file import ModelCard
    from data_prep.json_file import read_json_mapping
    from eval.scores import read_scores

    for name in ("environment.json", "summary.json"):
        if (run / name).exists():
            read_json_mapping(run / name)
    for file in (run / "eval").glob("step_*.json"):
        read_accuracies(file)
        read_scores(file.with_suffix(".npz"))
    if (run / "model.json").exists():
        ModelCard.read(run / "model.json")
    if step:
        lines = (run / "metrics.jsonl").read_bytes().splitlines()[:step]
        assert [json.loads(line)["step"] for line in lines] == list(range(1, step + 1))


def _write(found: dict[str, bytes | None], run: Path) -> None:
    shutil.rmtree(run, ignore_errors=True)
    run.mkdir()
    for name, content in found.items():
        if content is None:
            (run / name).mkdir()
        else:
            (run / name).write_bytes(content)


def try_scene(scene: Scene, before: Path | None, record: Record, chances: int, run: Path) -> int:
    """All cuts of a scene; how many failed. States that were seen before are not tried again."""
    from arcface_plus.config.tree import load

    config = load(RECIPE, settings_for(Path("data"), STEPS))
    tried, made, failed = set(), 0, 0
    for number, kind, completed, found in cuts(before, record, chances):
        key = hash((completed, tuple((k, v) for k, v in found.items() if k[:3] != "tb/")))
        made += 1
        if key in tried:
            continue
        tried.add(key)
        _write(found, run)
        if problem := wrong(run, config, completed):
            failed += 1
            last, detail = record[number - 1]
            done = f"{last.name} {last.file}" + (f" → {detail}" if last.name == "replace" else "")
            print(f"{scene.name}, {kind}, cut after {number} ({done}): {problem}", flush=True)
    print(
        f"{scene.name}: {made} cuts of {len(record)} operations, {len(tried)} different states, "
        f"{failed} failed",
        flush=True,
    )
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--scene", choices=[s.name for s in SCENES], help="this one alone")
    parser.add_argument("--chances", type=int, default=4, help="random mixtures a cut")
    options = parser.parse_args()
    warm_up()
    from data_prep.faces.synthetic import generate

    with tempfile.TemporaryDirectory(prefix="power_cut") as folder:
        data = Path(folder) / "data"
        generate(data, identities=4, images=4, pairs=20, seed=1)
        records = []
        for scene in SCENES:  # all before anything is computed here: threads do not survive a fork
            if options.scene in (None, scene.name):
                work = Path(folder) / scene.name
                work.mkdir()
                records.append((scene, *recorded(scene, data, work)))
        cut = Path(folder) / "cut"
        failed = sum(try_scene(*one, options.chances, cut) for one in records)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
