"""`manifest.json`: the files of a checkpoint by size and hash, so that damage is seen at load.

It is written last, into the folder that is about to be renamed: where a checkpoint has its name,
the manifest and all files that it lists are on the disk. Checkpoints of older versions have
none and are read without it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, StrictInt, StrictStr, TypeAdapter, ValidationError

from data_prep.errors import DataError
from data_prep.files import sha256_of, write_text
from data_prep.json_file import read_json_mapping
from data_prep.validation_errors import first_misfit

MANIFEST = "manifest.json"
SCHEMA: Literal[1] = 1


class UnusableState(DataError):
    """The file is damaged or no such file; another checkpoint of the run may be good."""


@dataclass(frozen=True)
class Content:
    """What a file holds: its size in bytes and the SHA-256 of it, in hexadecimal digits."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    bytes: Annotated[StrictInt, Field(ge=0)]
    sha256: Annotated[StrictStr, Field(pattern=r"^[0-9a-f]{64}$")]


@dataclass(frozen=True)
class Manifest:
    """Which run and step a checkpoint is of, and its files by name (without the manifest)."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    step: StrictInt
    run_id: StrictStr
    files: dict[str, Content]
    schema: Literal[1] = SCHEMA


def write_manifest(folder: Path, step: int, run_id: str, names: Iterable[str]) -> None:
    """Write the manifest of the files `names` in `folder`, which are on the disk already."""
    files = {
        name: Content((folder / name).stat().st_size, sha256_of(folder / name)) for name in names
    }
    content = asdict(Manifest(step, run_id, files))
    write_text(folder / MANIFEST, json.dumps(content, indent=2) + "\n")


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
        return TypeAdapter(Manifest).validate_python(content)
    except ValidationError as error:
        raise UnusableState(f"{file}: damaged: {first_misfit(error)}") from None


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
