"""`model.json` of a classification run: how to build its network, and how to feed it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, StrictStr, TypeAdapter, ValidationError

from data_prep.errors import DataError
from data_prep.json_file import read_json_mapping
from data_prep.validation_errors import first_misfit

TASK: Final = "classification"
Finite = Annotated[float, Field(allow_inf_nan=False)]
Deviation = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(gt=0, lt=2**53)]


@dataclass(frozen=True)
class ClassifierCard:
    """The network and its head by their names in a config, and the input.

    head, head_parameters: give the scores, with the class weights of the checkpoint.
    resize, crop: as `data.resize` and `data.crop` in a config.
    mean, std: of red, green and blue, for pixels from 0 to 255.
    weights_sha256: as in `ModelCard`.
    """

    backbone: StrictStr
    parameters: dict[str, Any]
    head: StrictStr
    head_parameters: dict[str, Any]
    classes: Count
    class_names: tuple[str, ...]
    input_size: tuple[Count, Count]
    mean: tuple[Finite, Finite, Finite]
    std: tuple[Deviation, Deviation, Deviation]
    resize: Count | None = None
    crop: Count | None = None
    step: int | None = None
    weights_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    task: Literal["classification"] = TASK
    channel_order: Literal["RGB"] = "RGB"
    schema: Literal[2] = 2

    @classmethod
    def read(cls, path: Path) -> ClassifierCard:
        """The card in a file; DataError (one line) if it is not one of a classification run."""
        try:
            content = read_json_mapping(path)
        except FileNotFoundError:
            raise DataError(f"{path}: no such file") from None
        if content.get("task") != TASK:
            raise DataError(
                f"{path}: is of a face model, not of a classification run; use `arcface-plus eval "
                "verify`"
            )
        schema = content.get("schema")
        if isinstance(schema, int) and schema > 2:
            raise DataError(
                f"{path}: model card of schema {schema}, from a newer version of arcface-plus; "
                "update it to read this model"
            )
        try:
            return TypeAdapter(cls).validate_python(content, strict=False)
        except ValidationError as error:
            raise DataError(f"{path}: not a model card: {first_misfit(error)}") from None

    def at(self, step: int) -> ClassifierCard:
        return replace(self, step=step)

    def beside(self, sha256: str) -> ClassifierCard:
        """The card as it lies beside weights of this hash."""
        return replace(self, weights_sha256=sha256)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"
