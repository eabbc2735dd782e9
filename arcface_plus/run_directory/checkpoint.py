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
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from data_prep.errors import DataError, first_line
from data_prep.files import publish, write_bytes, write_text

_NAME = re.compile(r"step_(\d{8,})")
MODEL_WEIGHTS = "model.safetensors"
MODEL_CARD = "model.json"
_TRAINING = "training.pt"


@dataclass(frozen=True)
class ModelCard:
    """`model.json`: how to build the backbone and what to feed it."""

    backbone: str
    parameters: dict[str, Any]
    embedding_dim: int
    dropout: float = 0.0
    step: int | None = None
    input_size: tuple[int, int] = (112, 112)
    channel_order: str = "RGB"
    mean: float = 127.5
    scale: float = 127.5
    schema: int = 1

    @classmethod
    def read(cls, path: Path) -> ModelCard:
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise DataError(
                f"{path}: no such file; a .safetensors needs the .json that was exported with it"
            ) from None
        except ValueError as error:
            raise DataError(f"{path}: not a model card ({error})") from None
        return cls.parse(text, path)

    @classmethod
    def parse(cls, text: str, path: Path) -> ModelCard:
        """The card in a JSON text; `path` is what errors name."""
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError) as error:
            raise DataError(f"{path}: not a model card ({error})") from None

    def at(self, step: int) -> ModelCard:
        return replace(self, step=step)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2) + "\n"


@dataclass(frozen=True)
class Training:
    """What a run needs besides its backbone to go on as if nothing had happened."""

    step: int
    seed: int
    elapsed_seconds: float
    classes: int
    samples: int
    classifier: Mapping[str, torch.Tensor]
    optimizer: dict[str, Any]
    scaler: dict[str, Any]
    regularizer: Mapping[str, Any] = field(default_factory=dict)  # older checkpoints have none


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
            write_model(partial / MODEL_WEIGHTS, backbone, card)
            with open(partial / _TRAINING, "wb") as file:
                torch.save(vars(training), file)
                file.flush()
                os.fsync(file.fileno())
            if final.exists():  # the same step again, after a resume: bits are equal
                shutil.rmtree(final)
            publish(partial, final)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        for name in (MODEL_WEIGHTS, MODEL_CARD):
            _replace_by_link(final / name, self._run / name)
        for old in self.all()[: -self._keep]:
            hidden = old.with_name(f".{old.name}.removed")  # a half-deleted one must not look whole
            os.replace(old, hidden)
            shutil.rmtree(hidden, ignore_errors=True)
        return final


def load_training(path: Path) -> Training:
    """The training state of a checkpoint directory, on the CPU."""
    file = path / _TRAINING
    try:
        return Training(**torch.load(file, map_location="cpu", weights_only=True))
    except FileNotFoundError:
        raise DataError(f"{file}: no such file; is {path} a checkpoint of this program?") from None
    except OSError:
        raise
    except Exception as error:  # torch, pickle and zip each raise their own
        raise DataError(f"{file}: unreadable ({first_line(error)}); remove {path}") from None


def load_weights(path: Path) -> dict[str, torch.Tensor]:
    """A .safetensors file as a state dict."""
    try:
        return load_file(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (SafetensorError, ValueError) as error:
        raise DataError(f"{path}: not readable as .safetensors ({first_line(error)})") from None


def write_model(path: Path, weights: Mapping[str, torch.Tensor], card: ModelCard) -> None:
    """`path` (.safetensors) and its card beside it, each appearing whole."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    write_bytes(path, save(tensors))
    write_text(path.with_suffix(".json"), card.to_json())


def _replace_by_link(source: Path, target: Path) -> None:
    """`target` becomes `source` at no cost in space; a copy where links are not possible."""
    partial = target.with_name(f".{target.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        os.link(source, partial)
    except OSError:
        shutil.copyfile(source, partial)
    os.replace(partial, target)
