"""May a run be continued from this checkpoint, with this data, on this machine?"""

from __future__ import annotations

from pathlib import Path

from arcface_plus.run_directory.checkpoint import step_of
from arcface_plus.run_directory.intact import check_checkpoint, newest_intact_before
from arcface_plus.run_directory.manifest import MANIFEST, UnusableState, check_files
from arcface_plus.run_directory.model_file import MODEL_CARD, MODEL_WEIGHTS, read_identity
from arcface_plus.run_directory.together import together
from arcface_plus.run_directory.training_state import (
    TRAINING_STATE,
    Conditions,
    Training,
    load_training,
)
from arcface_plus.runtime import Processes
from data_prep.errors import DataError, UserError


def load_fitting(
    checkpoint: Path,
    now: Conditions,
    processes: Processes = Processes(),  # noqa: B008
) -> Training:
    """The training state of a checkpoint; UserError if it was made under other conditions.

    Collective: together the processes compare all files with the manifest, and if one refuses the
    checkpoint all do.
    """
    loaded: list[Training] = []
    together(processes, lambda: loaded.append(_load_whole(checkpoint, processes)))
    training = loaded[0]
    if (training.classes, training.samples) != (now.classes, now.samples):
        raise UserError(
            f"{checkpoint}: was trained on {training.samples} images of {training.classes} "
            f"classes, data.train has {now.samples} of {now.classes}; use --fresh or another --out"
        )
    if training.data_digest and training.data_digest != now.data_digest:
        raise UserError(
            f"{checkpoint}: data.train holds other images, labels or another order than the run "
            "was trained on (same numbers); restore the data, or use --fresh or another --out"
        )
    for key in ("precision", "channels_last"):
        before, wanted = getattr(training, key), getattr(now, key)
        if before not in ("", None) and before != wanted:
            raise UserError(
                f"{checkpoint}: was trained with runtime.{key} {before}, and this command would "
                f"continue with {wanted}, which changes results; set runtime.{key}={before}, or "
                "use --fresh or another --out"
            )
    return training


def _load_whole(checkpoint: Path, processes: Processes) -> Training:
    """The training state of a checkpoint whose files are good; DataError says what to do."""
    try:
        training = load_training(checkpoint)
        manifest = check_checkpoint(checkpoint, (MODEL_WEIGHTS, MODEL_CARD))
        _check_identity(checkpoint, training)
        parts = [name for *_, name in manifest.parts] if manifest else []
        if training.rows_apart and not parts:
            raise UnusableState(f"{checkpoint / MANIFEST}: lists no class weights")
        check_files(checkpoint, parts[processes.rank :: processes.count])
    except UnusableState as error:
        raise DataError(f"{error}{_way_back(checkpoint)}") from None
    return training


def _check_identity(checkpoint: Path, training: Training) -> None:
    """Raise UnusableState unless the two files of a checkpoint were written together."""
    try:
        found = read_identity(checkpoint / MODEL_WEIGHTS)
    except DataError as error:
        raise UnusableState(str(error)) from None
    step = step_of(checkpoint)
    if step is not None and training.step != step:
        raise UnusableState(f"{checkpoint}: {TRAINING_STATE} is of step {training.step}")
    if found != training.identity:
        raise UnusableState(
            f"{checkpoint}: {MODEL_WEIGHTS} ({found or 'no mark'}) and {TRAINING_STATE} "
            f"({training.identity or 'no mark'}) are of different checkpoints"
        )


def _way_back(checkpoint: Path) -> str:
    """What to do about a checkpoint that cannot be used, given those before it."""
    older = newest_intact_before(checkpoint)
    if older is None:
        return "; no older checkpoint is good: restore it, or use --fresh to start again"
    return f"; move {checkpoint} away to continue from {older.name}"
