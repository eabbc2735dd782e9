"""`training.pt`: what a run needs besides its backbone and class weights to continue exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

import torch

from arcface_plus.run_directory.class_files import WEIGHT, read_rows
from arcface_plus.run_directory.manifest import (
    MANIFEST,
    Content,
    UnusableState,
    check_files,
    read_manifest,
)
from data_prep.errors import DataError, first_line
from data_prep.files import replacing

TRAINING_STATE = "training.pt"
SCHEMA = 4


@dataclass(frozen=True)
class Conditions:
    """What a run may not change between its parts, since its results depend on it.

    data_digest: hash of the training set's content (`Source.digest`).
    precision, channels_last: as resolved on the machine.
    """

    classes: int
    samples: int
    data_digest: str
    precision: str
    channels_last: bool


@dataclass(frozen=True)
class Training:
    """What a run needs to continue exactly, besides its backbone and what has a row per class.

    classifier, optimizer, regularizer: what does not have a row per class (see `class_files`);
    up to schema 3, everything.
    run_id: drawn when the run began; with the step it ties the files of a checkpoint together.
    classes … channels_last: the `Conditions` it was trained under.
    Checkpoints of schema 1 have neither run_id, data_digest, precision nor channels_last; from
    schema 3 on a manifest lies beside the file, from 4 on files with the rows per class (and
    auxiliary losses).
    """

    step: int
    seed: int
    elapsed_seconds: float
    classes: int
    samples: int
    classifier: Mapping[str, torch.Tensor]
    optimizer: dict[str, Any]
    scaler: dict[str, Any]
    regularizer: Mapping[str, Any] = field(default_factory=dict)
    auxiliary: Mapping[str, torch.Tensor] = field(default_factory=dict)
    run_id: str = ""
    data_digest: str = ""
    precision: str = ""
    channels_last: bool | None = None
    schema: int = SCHEMA

    @property
    def rows_apart(self) -> bool:
        """Whether what has a row per class is in files of its own."""
        return self.schema >= 4

    @property
    def identity(self) -> str:
        """What the backbone's file of the same checkpoint carries in its metadata."""
        return f"{self.run_id} step {self.step}" if self.run_id else ""


def load_training(checkpoint: Path) -> Training:
    """The training state of a checkpoint directory, on the CPU; compared with its manifest.

    Raises:
        UnusableState: absent, damaged, or not written by this program.
        DataError: written by a newer version.
    """
    file = checkpoint / TRAINING_STATE
    manifest = check_files(checkpoint, (TRAINING_STATE,))
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UnusableState(
            f"{file}: no such file; is {checkpoint} a checkpoint of this program?"
        ) from None
    except OSError:
        raise
    except Exception as error:  # torch, pickle and zip each raise their own
        raise UnusableState(f"{file}: unreadable ({first_line(error)})") from None
    schema = content.get("schema", 1) if isinstance(content, dict) else 0
    if isinstance(schema, int) and schema > SCHEMA:
        raise DataError(
            f"{file}: written by a newer version of arcface-plus (schema {schema}, this one reads "
            f"up to {SCHEMA}); update arcface-plus to continue this run"
        )
    try:
        training = Training(**content)
    except TypeError:
        raise UnusableState(f"{file}: not a checkpoint of this program") from None
    if manifest is None and isinstance(schema, int) and schema >= 3:
        raise UnusableState(f"{checkpoint / MANIFEST}: no such file")
    if manifest and (manifest.run_id, manifest.step) != (training.run_id, training.step):
        raise UnusableState(
            f"{checkpoint / MANIFEST}: is not of the same checkpoint as {file.name}"
        )
    return training


def load_class_weights(checkpoint: Path) -> torch.Tensor:
    """All class weights of a checkpoint directory, compared with its manifest.

    (classes, d), or (classes, K, d) if the head has K sub-centres.

    Raises:
        UnusableState, DataError: as `load_training`.
    """
    training = load_training(checkpoint)
    if not training.rows_apart:
        return training.classifier["weight"]
    manifest = read_manifest(checkpoint)
    check_files(checkpoint, [name for *_, name in manifest.parts] if manifest else ())
    return read_rows(checkpoint)[WEIGHT]


def write_training(path: Path, training: Training) -> Content:
    """Write the file, whole; what is in it."""
    return write_state(path, vars(training))


def write_state(path: Path, content: Mapping[str, Any]) -> Content:
    """Write tensors and plain values by name with torch.save, whole; what is in the file."""
    with replacing(path) as file:
        sink = _Sink(file)
        try:
            torch.save(dict(content), cast(IO[bytes], sink))
        except RuntimeError:  # how torch's zip writer reports that a write has failed
            if sink.error is not None:
                raise sink.error from None
            raise
    return Content.of(path)


class _Sink:
    """A file for torch.save that remembers why a write failed: torch does not say."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        self._file.flush()
