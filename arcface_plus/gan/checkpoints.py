"""A GAN's checkpoints: complete or absent, as those of classifiers.

A checkpoint is a folder `step_00001000/` with `training.pt`, all that the run needs to continue
exactly, and the manifest of its size and hash. It is written under another name and renamed.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from arcface_plus.run_directory.checkpoint import Checkpoints
from arcface_plus.run_directory.intact import check_checkpoint
from arcface_plus.run_directory.manifest import Manifest, UnusableState, write_manifest
from arcface_plus.run_directory.training_state import TRAINING_STATE, write_state
from data_prep.errors import DataError, first_line
from data_prep.files import make_folder, publish, sync_folder

SCHEMA = 1


@dataclass(frozen=True)
class GanState:
    """State dicts of networks and optimizers; what regularizers remember.

    run_id: drawn when the run began. data_digest: of the real images.
    """

    step: int
    elapsed_seconds: float
    run_id: str
    data_digest: str
    generator: Mapping[str, torch.Tensor]
    discriminator: Mapping[str, torch.Tensor]
    regularizer: Mapping[str, Any]
    generator_optimizer: dict[str, Any]
    discriminator_optimizer: dict[str, Any]
    schema: int = SCHEMA


def save(checkpoints: Checkpoints, state: GanState) -> Path:
    """Write one checkpoint, let it appear, drop the oldest. An intact one of the run stays."""
    final = checkpoints.folder / f"step_{state.step:08d}"
    if not _holds(final, state):
        partial = checkpoints.folder / f".{final.name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        make_folder(partial)
        try:
            written = write_state(partial / TRAINING_STATE, vars(state))
            sync_folder(partial)
            write_manifest(
                partial, Manifest(state.step, state.run_id, {TRAINING_STATE: written}, rows=0)
            )
            shutil.rmtree(final, ignore_errors=True)  # damaged
            publish(partial, final)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    checkpoints.drop_oldest()
    return final


def load(checkpoint: Path) -> GanState:
    """The state in a checkpoint, on the CPU; compared with its manifest.

    Raises:
        DataError: absent, damaged, or not of a GAN.
    """
    file = checkpoint / TRAINING_STATE
    try:
        if check_checkpoint(checkpoint) is None:
            raise UnusableState(f"{checkpoint}: not a checkpoint of a GAN")
    except UnusableState as error:
        raise DataError(
            f"{error}; move {checkpoint} away to continue from the one before it, or use --fresh"
        ) from None
    try:
        return GanState(**torch.load(file, map_location="cpu", weights_only=True))
    except OSError:
        raise
    except Exception as error:  # torch, pickle and zip each raise their own
        raise DataError(f"{file}: not the state of a GAN ({first_line(error)})") from None


def _holds(checkpoint: Path, state: GanState) -> bool:
    """Whether the checkpoint is there, undamaged, and of the same run."""
    try:
        manifest = check_checkpoint(checkpoint)
    except (DataError, OSError):
        return False
    return manifest is not None and manifest.run_id == state.run_id
