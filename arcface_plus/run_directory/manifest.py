"""`manifest.json`: the files of a checkpoint by size and hash, so that damage is seen at load.

It is written last, into the folder that is about to be renamed: where a checkpoint has its name,
the manifest and all files that it lists are on the disk. It also says which rows of the class
weights each file holds, and how many there are in all. Manifests of schema 1 belong to checkpoints
with all rows in training.pt; those of older versions have no manifest and are read without it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, StrictInt, StrictStr, TypeAdapter, ValidationError

from data_prep.errors import DataError
from data_prep.files import sha256_of, write_text
from data_prep.json_file import read_json_mapping
from data_prep.validation_errors import first_misfit

MANIFEST = "manifest.json"
SCHEMA: Literal[2] = 2


class UnusableState(DataError):
    """The file is damaged or no such file; another checkpoint of the run may be good."""


@dataclass(frozen=True)
class Content:
    """What a file holds: its size in bytes and the SHA-256 of it, in hexadecimal digits.

    rows: (first, end) of the rows of the class weights in it, if it holds any.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    bytes: Annotated[StrictInt, Field(ge=0)]
    sha256: Annotated[StrictStr, Field(pattern=r"^[0-9a-f]{64}$")]
    rows: tuple[Annotated[StrictInt, Field(ge=0)], Annotated[StrictInt, Field(ge=0)]] | None = None

    @classmethod
    def of(cls, file: Path) -> Content:
        return cls(file.stat().st_size, sha256_of(file))


@dataclass(frozen=True)
class Manifest:
    """Which run and step a checkpoint is of, and its files by name (without the manifest).

    rows: how many rows the class weights have; None where they are all in training.pt (schema 1).
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    step: StrictInt
    run_id: StrictStr
    files: dict[str, Content]
    rows: Annotated[StrictInt, Field(ge=0)] | None = None
    schema: Literal[1, 2] = SCHEMA

    @property
    def parts(self) -> list[tuple[int, int, str]]:
        """(first row, end, file) of the files that hold rows of the class weights, in order."""
        return sorted((*c.rows, name) for name, c in self.files.items() if c.rows is not None)

    def misfit(self) -> str | None:
        """What is wrong with the rows: some are in no file, or in two; None: nothing."""
        if self.rows is None:
            return None if self.schema == 1 else "it does not say how many rows there are"
        row = 0
        for first, end, name in self.parts:
            if first > row:
                return f"rows {row} to {first - 1} of the class weights are in no file"
            if first < row or not first < end <= self.rows:
                return f"rows {first} to {end - 1} of {self.rows} cannot be those of {name}"
            row = end
        return None if row == self.rows else f"rows from {row} to {self.rows - 1} are in no file"

    def to_json(self) -> str:
        files: dict[str, dict[str, Any]] = {}
        for name, content in self.files.items():
            files[name] = {"bytes": content.bytes, "sha256": content.sha256}
            if content.rows is not None:
                files[name]["rows"] = list(content.rows)
        whole = {"step": self.step, "run_id": self.run_id, "files": files, "rows": self.rows}
        return json.dumps(whole | {"schema": self.schema}, indent=2) + "\n"


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of files that are in `folder`, and on the disk, already."""
    problem = manifest.misfit()
    assert problem is None, problem
    write_text(folder / MANIFEST, manifest.to_json())


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest in `folder`; None if there is none.

    Raises:
        UnusableState: damaged.
        DataError: written by a newer version.
    """
    file = folder / MANIFEST
    try:
        content = read_json_mapping(file)
    except FileNotFoundError:
        return None
    except DataError as error:
        raise UnusableState(f"{error}; it is damaged") from None
    schema = content.get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        raise DataError(
            f"{file}: of schema {schema}, from a newer version of arcface-plus (this one reads up "
            f"to {SCHEMA}); update it, or restore the file if it is damaged"
        )
    try:
        manifest = TypeAdapter(Manifest).validate_python(content)
    except ValidationError as error:
        raise UnusableState(f"{file}: damaged: {first_misfit(error)}") from None
    if problem := manifest.misfit():
        raise UnusableState(f"{file}: damaged: {problem}")
    return manifest


def check_files(folder: Path, names: Iterable[str] | None = None) -> Manifest | None:
    """Compare the files `names` of a checkpoint (None: all) with its manifest, and return that.

    None, and nothing compared, where there is no manifest.

    Raises:
        UnusableState: a file is absent, of another size, of other content, or not listed; or the
            manifest is damaged. The message names the file.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        return None
    for name in manifest.files if names is None else names:
        expected, file = manifest.files.get(name), folder / name
        if expected is None:
            raise UnusableState(f"{folder / MANIFEST}: damaged: it does not list {name}")
        if not file.is_file():
            raise UnusableState(f"{file}: no such file, but {MANIFEST} lists it")
        if (size := file.stat().st_size) != expected.bytes:
            raise UnusableState(f"{file}: damaged: has {size} bytes instead of {expected.bytes}")
        if sha256_of(file) != expected.sha256:
            raise UnusableState(f"{file}: damaged: its content is not what was saved (SHA-256)")
    return manifest
