"""A backbone as two files: its weights (.safetensors) and how to build and feed it (.json)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import torch
from pydantic import Field, StrictStr, TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from arcface_plus.run_directory.manifest import Content
from arcface_plus.run_directory.tensor_file import write_tensors
from data_prep.crop_size import SIDE
from data_prep.errors import DataError, first_line
from data_prep.files import sha256_of, write_text
from data_prep.json_file import parse_json
from data_prep.validation_errors import first_misfit

MODEL_WEIGHTS = "model.safetensors"
MODEL_CARD = "model.json"
_IDENTITY = "checkpoint"  # key of the .safetensors metadata


class Card(Protocol):
    """What lies beside weights: `ModelCard`, or `ClassifierCard` in classification runs."""

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the network's input."""
        ...

    def at(self, step: int) -> Card: ...

    def beside(self, sha256: str) -> Card: ...

    def to_json(self) -> str: ...


@dataclass(frozen=True)
class ModelCard:
    """`model.json`: how to build the backbone and what to feed it.

    weights_sha256: of the .safetensors that the card lies beside (schema 2); None in cards of
        older versions, and in those that belong to no such file.
    """

    backbone: StrictStr
    parameters: dict[str, Any]
    embedding_dim: Annotated[int, Field(gt=0, lt=2**63)]
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    step: int | None = None
    input_size: tuple[int, int] = (SIDE, SIDE)
    channel_order: Literal["RGB", "BGR"] = "RGB"
    mean: Annotated[float, Field(allow_inf_nan=False)] = 127.5
    scale: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 127.5
    weights_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    schema: Literal[1, 2] = 1

    @classmethod
    def read(cls, path: Path) -> ModelCard:
        """The card in a file; DataError (one line) if it is not a card, or of a newer version."""
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise DataError(
                f"{path}: no such file; a .safetensors needs the .json that was exported with it"
            ) from None
        return cls.parse(data, path)

    @classmethod
    def parse(cls, data: str | bytes, path: Path) -> ModelCard:
        """The card in a JSON text; `path` is named in errors."""
        content = parse_json(data.encode() if isinstance(data, str) else data, str(path))
        if not isinstance(content, dict):
            raise DataError(f"{path}: not a model card")
        if "task" in content:
            raise DataError(
                f"{path}: is of a classification run, not of a face model; use `arcface-plus eval "
                "classify`"
            )
        schema = content.get("schema", 1)
        if isinstance(schema, int) and schema > 2:
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

    def beside(self, sha256: str) -> ModelCard:
        """The card as it lies beside weights of this hash."""
        return replace(self, weights_sha256=sha256, schema=2)

    def alone(self) -> ModelCard:
        """The card of the network, whatever file it is in."""
        return replace(self, weights_sha256=None, schema=1)

    def to_json(self) -> str:
        content = asdict(self)
        if self.weights_sha256 is None:
            del content["weights_sha256"]
        return json.dumps(content, indent=2) + "\n"

    def check_weights(self, path: Path) -> None:
        """Raise DataError if a .safetensors file is not the one that this card lies beside."""
        if self.weights_sha256 is not None and sha256_of(path) != self.weights_sha256:
            raise DataError(
                f"{path}: damaged or replaced: its SHA-256 is not the one in "
                f"{path.with_suffix('.json').name}; export it again, copy both files again, or "
                "give the run or checkpoint that it is from"
            )


def load_weights(path: Path) -> dict[str, torch.Tensor]:
    """A .safetensors file as a state dict."""
    try:
        return load_file(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (SafetensorError, ValueError) as error:
        raise DataError(f"{path}: not readable as .safetensors ({first_line(error)})") from None


def read_identity(path: Path) -> str:
    """The checkpoint that a .safetensors file names in its metadata; empty if none."""
    try:
        with safe_open(path, "pt") as file:
            return str((file.metadata() or {}).get(_IDENTITY, ""))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except SafetensorError as error:
        raise DataError(f"{path}: not readable as .safetensors ({first_line(error)})") from None


def write_model(
    path: Path, weights: Mapping[str, torch.Tensor], card: Card, identity: str = ""
) -> Content:
    """`path` (.safetensors) and its card beside it, which holds its hash; each appears whole."""
    written = write_tensors(path, weights, {_IDENTITY: identity} if identity else None)
    write_text(path.with_suffix(".json"), card.beside(written.sha256).to_json())
    return written
