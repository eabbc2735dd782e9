"""Are the files of a checkpoint what was saved, and if not, which older checkpoint is?"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from arcface_plus.run_directory.checkpoint import Checkpoints, step_of
from arcface_plus.run_directory.manifest import MANIFEST, Manifest, UnusableState, check_files
from arcface_plus.run_directory.model_file import MODEL_CARD, MODEL_WEIGHTS, load_weights
from arcface_plus.run_directory.training_state import load_training
from data_prep.errors import DataError


def check_model(checkpoint: Path) -> bool:
    """Compare a checkpoint's backbone and card with its manifest; whether there is one.

    Raises:
        DataError: they are not what was saved. Names the file and the newest older checkpoint that
            is good.
    """
    try:
        return check_checkpoint(checkpoint, (MODEL_WEIGHTS, MODEL_CARD)) is not None
    except UnusableState as error:
        older = newest_intact_before(checkpoint)
        advice = f"the one before it is good: {older}" if older else "no older one of it is good"
        raise DataError(f"{error}; {advice}") from None


def check_checkpoint(checkpoint: Path, names: Iterable[str] | None = None) -> Manifest | None:
    """As `check_files`; the checkpoint must also be of the step that its folder is named after."""
    manifest = check_files(checkpoint, names)
    step = step_of(checkpoint)
    if manifest is not None and step is not None and manifest.step != step:
        raise UnusableState(f"{checkpoint}: {MANIFEST} is of step {manifest.step}")
    return manifest


def newest_intact_before(checkpoint: Path) -> Path | None:
    """The newest older checkpoint of the same run whose files are all good."""
    step = step_of(checkpoint)
    if step is None:
        return None
    found = Checkpoints(checkpoint.absolute().parent.parent, keep=1).all()
    older = [path for path in found if (step_of(path) or 0) < step]
    return next((path for path in reversed(older) if _is_intact(path)), None)


def _is_intact(checkpoint: Path) -> bool:
    try:
        if check_checkpoint(checkpoint) is None:  # an older version's: it has to be readable
            load_weights(checkpoint / MODEL_WEIGHTS)
        load_training(checkpoint)
    except (DataError, OSError):
        return False
    return True
