"""Checkpoints: complete or absent, never half.

A checkpoint is a directory `step_00038000/` with the backbone (`model.safetensors`, and
`model.json`, which says how to build and feed it), the class weights and all else that has a row
per class (`classes-*.safetensors`, one a process), and `training.pt`: what the regularizer
remembers, optimizer and loss scaler, the step and the seed. Sample order, flips and dropout are
pure functions of (seed, step), so the step is all there is to say about them. It is written under
another name, with a manifest of sizes and hashes, and renamed when the files of all processes are
on the disk; only then older checkpoints go. RUN/model.* are copies of the last one's files: with a
link, whoever writes over RUN/model.safetensors would destroy the checkpoint.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch

from arcface_plus.run_directory.class_files import ClassRows, Layout
from arcface_plus.run_directory.finished import read_accuracies
from arcface_plus.run_directory.manifest import Content, Manifest, check_files, write_manifest
from arcface_plus.run_directory.model_file import (
    MODEL_CARD,
    MODEL_WEIGHTS,
    Card,
    write_model,
)
from arcface_plus.run_directory.together import in_first, together
from arcface_plus.run_directory.training_state import (
    TRAINING_STATE,
    Training,
    load_training,
    write_training,
)
from arcface_plus.runtime import Processes
from data_prep.errors import DataError
from data_prep.files import copy_file, make_folder, publish, sync_folder

_NAME = re.compile(r"step_(\d{8,})")
_LEFTOVER = re.compile(r"\.step_\d{8,}\.(partial|removed)")  # of a save that was cut short


class Checkpoints:
    """The checkpoints of one run directory: the newest `keep`, and the best one on a target.

    Without `best_on` (the name of a target) only the newest are kept.
    """

    def __init__(self, run: Path, keep: int, best_on: str | None = None) -> None:
        self._run, self._keep, self._best_on = run, keep, best_on
        self.folder = run / "checkpoints"

    def all(self) -> list[Path]:
        """Complete checkpoints, oldest first."""
        if not self.folder.is_dir():
            return []
        found = [(step, p) for p in self.folder.iterdir() if (step := step_of(p)) is not None]
        return [path for _, path in sorted(found)]

    def last(self) -> Path | None:
        found = self.all()
        return found[-1] if found else None

    def best(self) -> tuple[Path, float] | None:
        """The checkpoint with the highest accuracy on `best_on`, and that accuracy; first if equal.

        Among those that are there and were verified: told from the files alone, so that a run that
        was killed at any moment comes to the same answer.
        """
        found = []
        for path in self.all() if self._best_on else ():
            with contextlib.suppress(OSError, DataError):
                accuracies = read_accuracies(self._run / "eval" / f"{path.name}.json")
                found.append((path, accuracies[self._best_on or ""]))
        return max(found, key=lambda one: one[1], default=None)

    def best_facts(self) -> dict[str, dict[str, object]]:
        """The best checkpoint for summary.json, if one is kept."""
        found = self.best()
        if found is None:
            return {}
        path, accuracy = found
        return {"best": {"target": self._best_on, "step": step_of(path), "accuracy": accuracy}}

    def save(
        self,
        training: Training,
        rows: ClassRows,
        backbone: Mapping[str, torch.Tensor],
        card: Card,
        processes: Processes = Processes(),  # noqa: B008
    ) -> Path:
        """Write one checkpoint, let it appear, update RUN/model.*, drop the oldest (collective).

        Each process writes the rows it holds, the first one everything else; `training` and
        `backbone` are not used in others. If one fails, its error is raised in all. A good
        checkpoint of the same step and run stays as it is: its state is the same, and there is no
        moment without a checkpoint.
        """
        final = self.folder / f"step_{training.step:08d}"
        partial = self.folder / f".{final.name}.partial"
        if in_first(processes, lambda: _begin(final, partial, training)):
            try:
                files = together(
                    processes,
                    lambda: _write(partial, training, rows, backbone, card, processes),
                )
                layouts = processes.gather(rows.layout if _writes_rows(rows, processes) else None)
                rows_in_all = rows.shards.rows
                in_first(
                    processes,
                    lambda: _commit(partial, final, training, rows_in_all, files, layouts),
                )
            finally:
                in_first(processes, lambda: shutil.rmtree(partial, ignore_errors=True))
        in_first(processes, self.tidy)
        return final

    def tidy(self) -> None:
        """Let RUN/model.* be the last checkpoint's, drop the oldest; again after a kill."""
        last = self.last()
        if last is not None:
            _copy_model(last, self._run)
        self.drop_oldest()

    def drop_oldest(self) -> None:
        """Remove the checkpoints that are not kept, and what saves left that were cut short."""
        found, best = self.all(), self.best()
        for old in found[: -self._keep]:
            if best is None or old != best[0]:
                _remove(old)
        for left in self.folder.glob(".step_*") if found else ():
            if _LEFTOVER.fullmatch(left.name):
                shutil.rmtree(left, ignore_errors=True)


def step_of(checkpoint: Path) -> int | None:
    """The step in a checkpoint's name."""
    name = _NAME.fullmatch(checkpoint.name)
    return int(name[1]) if name else None


def _begin(final: Path, partial: Path, training: Training) -> bool:
    """Make the hidden folder, unless the checkpoint is there; whether it is to be written."""
    if _holds(final, training):
        return False
    shutil.rmtree(partial, ignore_errors=True)
    make_folder(partial)
    return True


def _write(
    folder: Path,
    training: Training,
    rows: ClassRows,
    backbone: Mapping[str, torch.Tensor],
    card: Card,
    processes: Processes,
) -> dict[str, Content]:
    """Write this process's files and let them outlast a power cut; what is in them, by name."""
    files: dict[str, Content] = {}
    if processes.first:
        weights = folder / MODEL_WEIGHTS
        files[MODEL_WEIGHTS] = write_model(weights, backbone, card, training.identity)
        files[MODEL_CARD] = Content.of(folder / MODEL_CARD)
        files[TRAINING_STATE] = write_training(folder / TRAINING_STATE, training)
    if _writes_rows(rows, processes):
        files |= rows.write(folder, training.identity)
    sync_folder(folder)
    return files


def _commit(
    partial: Path,
    final: Path,
    training: Training,
    rows: int,
    files: list[dict[str, Content]],
    layouts: list[Layout | None],
) -> None:
    """Write the manifest of what the processes have written, and give the checkpoint its name."""
    held = [layout for layout in layouts if layout is not None]
    assert all(layout == held[0] for layout in held), f"rows differ between processes: {held}"
    listed = {name: content for written in files for name, content in written.items()}
    write_manifest(partial, Manifest(training.step, training.run_id, listed, rows))
    if final.exists():  # damaged, or of another run
        _remove(final)
    publish(partial, final)


def _writes_rows(rows: ClassRows, processes: Processes) -> bool:
    """Whether this process has rows to write; of replicated rows the first process writes all."""
    own = rows.shards.own
    return own.start < own.stop and (processes.first or rows.shards.count > 1)


def _remove(checkpoint: Path) -> None:
    """Under another name first: a half-deleted checkpoint must not look whole."""
    hidden = checkpoint.with_name(f".{checkpoint.name}.removed")
    shutil.rmtree(hidden, ignore_errors=True)
    os.replace(checkpoint, hidden)
    sync_folder(hidden.parent)
    shutil.rmtree(hidden, ignore_errors=True)


def _holds(checkpoint: Path, training: Training) -> bool:
    """Whether a checkpoint is there, of the same run and step, and undamaged."""
    if not checkpoint.is_dir():
        return False
    try:
        check_files(checkpoint)
        return load_training(checkpoint).identity == training.identity != ""
    except (DataError, OSError):
        return False


def _copy_model(checkpoint: Path, run: Path) -> None:
    """Let RUN/model.* be a checkpoint's, unless they are; the card last, it vouches for both."""
    sources = [checkpoint / name for name in (MODEL_WEIGHTS, MODEL_CARD)]
    targets = [run / source.name for source in sources]
    if not all(map(_is_copy, sources, targets)):
        for source, target in zip(sources, targets, strict=True):
            copy_file(source, target)


def _is_copy(source: Path, target: Path) -> bool:
    """Whether the target is a file of its own with the source's size and, if small, its content."""
    if not target.is_file() or os.path.samefile(source, target):  # older versions made links
        return False
    if source.name == MODEL_CARD:
        return source.read_bytes() == target.read_bytes()
    return source.stat().st_size == target.stat().st_size
