"""Checkpoints: complete or absent, never half.

A checkpoint is a directory `step_00038000/` with the backbone (`model.safetensors`, and
`model.json`, which says how to build and feed it) and `training.pt`: class weights, what the
regulariser remembers, optimizer and loss scaler, the step and the seed. Sample order, flips and
dropout are pure functions of (seed, step), so the step is all there is to say about them. It is
written under another name and renamed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Annotated, Any, Literal, cast

import torch
from pydantic import Field, StrictStr, TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save

from data_prep.crop_size import SIDE
from data_prep.errors import DataError, first_line
from data_prep.files import publish, replacing, write_bytes, write_text
from data_prep.json_file import parse_json
from data_prep.validation_errors import first_misfit

_NAME = re.compile(r"step_(\d{8,})")
_LEFTOVER = re.compile(r"\.step_\d{8,}\.(partial|removed)")  # of a save that was cut short
MODEL_WEIGHTS = "model.safetensors"
MODEL_CARD = "model.json"
_TRAINING = "training.pt"
_IDENTITY = "checkpoint"  # key of the .safetensors metadata
SCHEMA = 2  # of training.pt


@dataclass(frozen=True)
class ModelCard:
    """`model.json`: how to build the backbone and what to feed it."""

    backbone: StrictStr
    parameters: dict[str, Any]
    embedding_dim: Annotated[int, Field(gt=0, lt=2**63)]
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    step: int | None = None
    input_size: tuple[int, int] = (SIDE, SIDE)
    channel_order: Literal["RGB", "BGR"] = "RGB"
    mean: Annotated[float, Field(allow_inf_nan=False)] = 127.5
    scale: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 127.5
    schema: Literal[1] = 1

    @classmethod
    def read(cls, path: Path) -> ModelCard:
        """The card in a file; DataError (one line) if it is none, or not one of this version."""
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise DataError(
                f"{path}: no such file; a .safetensors needs the .json that was exported with it"
            ) from None
        return cls.parse(data, path)

    @classmethod
    def parse(cls, data: str | bytes, path: Path) -> ModelCard:
        """The card in a JSON text; `path` is what errors name."""
        content = parse_json(data.encode() if isinstance(data, str) else data, str(path))
        if not isinstance(content, dict):
            raise DataError(f"{path}: not a model card")
        schema = content.get("schema", 1)
        if isinstance(schema, int) and schema > 1:
            raise DataError(
                f"{path}: model card of schema {schema}, from a newer version of arcface-plus; "
                "update it to read this model"
            )
        if unknown := sorted(content.keys() - cls.__dataclass_fields__.keys()):
            raise DataError(f"{path}: not a model card: unknown key {unknown[0]!r}")
        try:
            card = TypeAdapter(cls).validate_python(content, strict=False)
        except ValidationError as error:
            raise DataError(f"{path}: not a model card: {first_misfit(error)}") from None
        if card.input_size != (SIDE, SIDE):
            size = "×".join(map(str, card.input_size))
            raise DataError(f"{path}: input_size {size}: only {SIDE}×{SIDE} is supported")
        return card

    def at(self, step: int) -> ModelCard:
        return replace(self, step=step)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2) + "\n"


@dataclass(frozen=True)
class Training:
    """What a run needs besides its backbone to continue as if nothing had happened.

    run_id: drawn when the run began; with the step it ties the files of a checkpoint together.
    data_digest: hash of the training set's content (`Source.digest`).
    precision, channels_last: as resolved on the machine; results depend on them.
    Checkpoints of schema 1 have none of these.
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
    run_id: str = ""
    data_digest: str = ""
    precision: str = ""
    channels_last: bool | None = None
    schema: int = SCHEMA

    @property
    def identity(self) -> str:
        """What the backbone's file of the same checkpoint carries in its metadata."""
        return f"{self.run_id} step {self.step}" if self.run_id else ""


class Checkpoints:
    """The checkpoints of one run directory."""

    def __init__(self, run: Path, keep: int) -> None:
        self._run, self._keep = run, keep
        self.folder = run / "checkpoints"

    def all(self) -> list[Path]:
        """Complete checkpoints, oldest first."""
        if not self.folder.is_dir():
            return []
        found = [(int(m[1]), p) for p in self.folder.iterdir() if (m := _NAME.fullmatch(p.name))]
        return [path for _, path in sorted(found)]

    def last(self) -> Path | None:
        found = self.all()
        return found[-1] if found else None

    def save(
        self, training: Training, backbone: Mapping[str, torch.Tensor], card: ModelCard
    ) -> Path:
        """Write one checkpoint, let it appear, update RUN/model.*, drop the oldest."""
        final = self.folder / f"step_{training.step:08d}"
        partial = self.folder / f".{final.name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            write_model(partial / MODEL_WEIGHTS, backbone, card, training.identity)
            _write_training(partial / _TRAINING, training)
            if final.exists():  # the same step again, after a resume: bits are equal
                _remove(final)
            publish(partial, final)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        self.tidy()
        return final

    def tidy(self) -> None:
        """Let RUN/model.* be the last checkpoint's, drop the oldest; again after a kill."""
        found = self.all()
        for name in (MODEL_WEIGHTS, MODEL_CARD) if found else ():
            _replace_by_link(found[-1] / name, self._run / name)
        for old in found[: -self._keep]:
            _remove(old)
        for left in self.folder.glob(".step_*") if found else ():
            if _LEFTOVER.fullmatch(left.name):
                shutil.rmtree(left, ignore_errors=True)


def load_training(path: Path) -> Training:
    """The training state of a checkpoint directory, on the CPU."""
    file = path / _TRAINING
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise DataError(f"{file}: no such file; is {path} a checkpoint of this program?") from None
    except OSError:
        raise
    except Exception as error:  # torch, pickle and zip each raise their own
        raise DataError(f"{file}: unreadable ({first_line(error)}){_way_back(path)}") from None
    schema = content.get("schema", 1) if isinstance(content, dict) else 0
    if isinstance(schema, int) and schema > SCHEMA:
        raise DataError(
            f"{file}: written by a newer version of arcface-plus (schema {schema}, this one reads "
            f"up to {SCHEMA}); update arcface-plus to continue this run"
        )
    try:
        return Training(**content)
    except TypeError:
        raise DataError(f"{file}: not a checkpoint of this program{_way_back(path)}") from None


def check_identity(path: Path, training: Training) -> None:
    """Raise DataError unless the two files of a checkpoint were written together."""
    weights = path / MODEL_WEIGHTS
    try:
        with safe_open(weights, "pt") as file:
            found = (file.metadata() or {}).get(_IDENTITY, "")
    except FileNotFoundError:
        raise DataError(f"{weights}: no such file{_way_back(path)}") from None
    except SafetensorError as error:
        raise DataError(f"{weights}: unreadable ({first_line(error)}){_way_back(path)}") from None
    if (name := _NAME.fullmatch(path.name)) and training.step != int(name[1]):
        raise DataError(f"{path}: {_TRAINING} is of step {training.step}{_way_back(path)}")
    if found != training.identity:
        raise DataError(
            f"{path}: {MODEL_WEIGHTS} ({found or 'no mark'}) and {_TRAINING} "
            f"({training.identity or 'no mark'}) are of different checkpoints{_way_back(path)}"
        )


def _way_back(path: Path) -> str:
    """What to do about a checkpoint that cannot be used, given those before it."""
    folder = path.parent
    older = [p for p in Checkpoints(folder.parent, keep=1).all() if p.name < path.name]
    if not older:
        return f"; remove {path} and start again"
    return f"; move {path} away to continue from {older[-1].name}"


def _write_training(path: Path, training: Training) -> None:
    with replacing(path) as file:
        sink = _Sink(file)
        try:
            torch.save(vars(training), cast(IO[bytes], sink))
        except RuntimeError:  # how torch's zip writer reports that a write has failed
            if sink.error is not None:
                raise sink.error from None
            raise


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


def _remove(checkpoint: Path) -> None:
    """Under another name first: a half-deleted checkpoint must not look whole."""
    hidden = checkpoint.with_name(f".{checkpoint.name}.removed")
    shutil.rmtree(hidden, ignore_errors=True)
    os.replace(checkpoint, hidden)
    shutil.rmtree(hidden, ignore_errors=True)


def load_weights(path: Path) -> dict[str, torch.Tensor]:
    """A .safetensors file as a state dict."""
    try:
        return load_file(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (SafetensorError, ValueError) as error:
        raise DataError(f"{path}: not readable as .safetensors ({first_line(error)})") from None


def write_model(
    path: Path, weights: Mapping[str, torch.Tensor], card: ModelCard, identity: str = ""
) -> None:
    """`path` (.safetensors) and its card beside it, each appearing whole."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    write_bytes(path, save(tensors, {_IDENTITY: identity} if identity else None))
    write_text(path.with_suffix(".json"), card.to_json())


def _replace_by_link(source: Path, target: Path) -> None:
    """`target` becomes `source` at no cost in space; a copy where links are not possible."""
    partial = target.with_name(f".{target.name}.partial")
    if target.exists() and os.path.samefile(source, target):
        return
    partial.unlink(missing_ok=True)
    try:
        os.link(source, partial)
    except OSError:
        shutil.copyfile(source, partial)
    os.replace(partial, target)
