"""Everything of a checkpoint that has a row per class, in files of their own, one a process.

Class weights, their optimizer state, and what a regularizer remembers of each class grow with the
number of classes, and each process holds only its share. `classes-00001-of-00004.safetensors` has
the rows of the second of four processes; a process without rows writes no file. The manifest says
which rows each file has, so that any number of processes can read them.

torch.distributed.checkpoint was tried for this (torch 2.12): when a file is missing it leaves rows
unfilled without an error, it calls fsync before the data have left its buffers, and a single
process needs a process group.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from arcface_plus.models.shards import Shards
from arcface_plus.run_directory.manifest import MANIFEST, Content, UnusableState, read_manifest
from arcface_plus.run_directory.tensor_file import write_tensors
from data_prep.errors import first_line

WEIGHT = "classifier.weight"
Layout = dict[str, tuple[str, tuple[int, ...]]]


@dataclass(frozen=True)
class ClassRows:
    """A process's rows of all tensors that have one per class.

    tensors: by name; each is (rows of this process, …).
    """

    shards: Shards
    tensors: Mapping[str, Tensor]

    @property
    def file(self) -> str:
        return f"classes-{self.shards.rank:05d}-of-{self.shards.count:05d}.safetensors"

    @property
    def layout(self) -> Layout:
        """Data type of each tensor, and its shape but for the rows: equal in all processes."""
        return {n: (str(t.dtype), tuple(t.shape[1:])) for n, t in sorted(self.tensors.items())}

    def write(self, folder: Path, identity: str) -> dict[str, Content]:
        """Write the file, if there are rows; what is in it, by its name."""
        own = self.shards.own
        if own.start == own.stop:
            return {}
        for name, tensor in self.tensors.items():
            assert len(tensor) == own.stop - own.start, f"{name}: has {len(tensor)} rows, not {own}"
        described = {"checkpoint": identity, "rows": f"{own.start} to {own.stop - 1}",
                     "of_rows": str(self.shards.rows)}  # fmt: skip
        written = write_tensors(folder / self.file, self.tensors, described)
        return {self.file: replace(written, rows=(own.start, own.stop))}


def read_rows(checkpoint: Path, own: slice | None = None, prefix: str = "") -> dict[str, Tensor]:
    """The rows `own` (None: all) of each tensor, from the files that have them, on the CPU.

    prefix: of the names of the tensors to read.

    Hashes are not compared: see `check_files`.

    Raises:
        UnusableState: the manifest or a file is damaged, or there is none.
    """
    manifest = read_manifest(checkpoint)
    if manifest is None or manifest.rows is None:
        raise UnusableState(f"{checkpoint / MANIFEST}: does not say where the class weights are")
    own = slice(0, manifest.rows) if own is None else own
    assert own.stop <= manifest.rows, f"{own} of {manifest.rows} rows"
    pieces: dict[str, list[Tensor]] = {}
    for first, end, name in manifest.parts:
        begin, stop = max(first, own.start) - first, min(end, own.stop) - first
        if begin < stop:
            _read(checkpoint / name, slice(begin, stop), prefix, pieces)
    if not pieces:  # no rows: names and shapes are needed all the same
        _read(checkpoint / manifest.parts[0][2], slice(0, 1), prefix, pieces)
        return {name: found[0][:0] for name, found in pieces.items()}
    rows = own.stop - own.start
    whole = {n: torch.cat(found) if len(found) > 1 else found[0] for n, found in pieces.items()}
    for name, tensor in whole.items():
        if len(tensor) != rows:
            raise UnusableState(f"{checkpoint}: {name} is not in all of the classes files")
    return whole


def _read(file: Path, rows: slice, prefix: str, pieces: dict[str, list[Tensor]]) -> None:
    try:
        with safe_open(file, "pt") as opened:
            for name in opened.keys():  # noqa: SIM118
                if name.startswith(prefix):
                    pieces.setdefault(name, []).append(opened.get_slice(name)[rows])
    except FileNotFoundError:
        raise UnusableState(f"{file}: no such file") from None
    except SafetensorError as error:
        raise UnusableState(f"{file}: not readable as .safetensors ({first_line(error)})") from None
