"""Read tensors from untrusted `torch.save` files, without executing code and with bounded memory.

`torch.load(weights_only=True)` executes no code, but a small file can still make it allocate much
memory, and it refuses checkpoints that also hold objects of unknown classes (a trainer's callbacks,
hyperparameters). So the pickle's opcodes are inspected first, without running them: files that
could allocate without bound are refused, and objects of known trainers are replaced by inert ones.
"""

from __future__ import annotations

import pickletools
import re
import tarfile
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import torch

from data_prep.errors import DataError, first_line, printable

CARD = "arcface_plus"
"""Key of the model card, a JSON text, in the metadata of our own state dicts."""

_CONTAINERS = (
    "state_dict", "state_dict_backbone", "model_state_dict", "model", "backbone", "net", "encoder",
)  # fmt: skip
_REBUILDS = {"_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_parameter",
             "_rebuild_parameter_with_state"}  # fmt: skip
_PLAIN = {
    "collections OrderedDict", "collections Counter", "collections defaultdict", "_codecs encode",
    "builtins set", "__builtin__ set", "builtins complex", "builtins dict", "__builtin__ dict",
}  # fmt: skip
_TRAINERS = {
    "pytorch_lightning", "lightning", "lightning_fabric", "lightning_utilities", "torchmetrics",
    "omegaconf", "argparse", "pathlib", "numpy", "typing", "datetime",
}  # fmt: skip
_ENCODED_LIMIT = 256 << 20
_STEPS_LIMIT = 8_000_000
"""Limit on the opcodes of a pickle, each of which may create an object of 64 bytes. r2060's state
dict with its optimizer's has 2 million."""
_AGAIN = "save it again with torch.save(model.state_dict(), PATH) where it was made"


def read_torch_file(path: Path) -> tuple[dict[str, torch.Tensor], str | None]:
    """The tensors of a state dict, plain or under a usual key, and the text of our card if present.

    Raises:
        DataError: not a state dict, one that claims more data than the file has, or one that can
            only be loaded by running code. One line.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such checkpoint or model file")
    content = _load(path)
    while isinstance(content, Mapping):
        inner = next((content[k] for k in _CONTAINERS if isinstance(content.get(k), Mapping)), None)
        if inner is None:
            break
        content = inner
    if not isinstance(content, Mapping) or not content:
        raise DataError(f"{path}: contains no state dict; {_AGAIN}")
    tensors = {str(k): v for k, v in content.items() if isinstance(v, torch.Tensor)}
    if not tensors:
        raise DataError(f"{path}: contains no named tensors; {_AGAIN}")
    _check_claims(path, tensors)
    metadata = getattr(content, "_metadata", None)
    card = metadata.get(CARD) if isinstance(metadata, Mapping) else None
    return tensors, card if isinstance(card, str) else None


def _load(path: Path) -> Any:
    with open(path, "rb") as file:
        zipped = file.read(4) == b"PK\x03\x04"
    try:
        globals_ = _check_zip(path) if zipped else _check_legacy(path)
        stand_ins: list[Any] = [
            (_Inert, name.replace(" ", ".")) for name in globals_ if _root(name) in _TRAINERS
        ]
        with warnings.catch_warnings(), torch.serialization.safe_globals(stand_ins):
            warnings.simplefilter("ignore")  # about old formats; errors are reported in one line
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except DataError:
        raise
    except Exception as error:  # pickle and zip errors have no common base
        if isinstance(error, OSError) and error.filename is not None:
            raise  # from the file system, not from an offset in the archive
        raise DataError(
            f"{path}: not a state dict that loads without running code ({_reason(error)}); {_AGAIN}"
        ) from None


def _reason(error: Exception) -> str:
    """The error in a few words: torch's own text is a paragraph with escape codes."""
    named = re.search(r"GLOBAL (\S+)", str(error))
    if named:
        return f"it names {printable(named[1])[:80]}"
    return printable(first_line(error, 120)).split(". ")[0]


def _check_zip(path: Path) -> set[str]:
    """The globals that the archive's pickle names; DataError if it must not be loaded."""
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        names = {entry.filename.rpartition("/")[2]: entry for entry in entries}
        if "constants.pkl" in names:
            raise DataError(f"{path}: a TorchScript archive; {_AGAIN}, or export it to ONNX")
        # torch.save does not compress, so the entries together cannot be larger than the file.
        if sum(entry.file_size for entry in entries) > path.stat().st_size or any(
            entry.compress_type != zipfile.ZIP_STORED for entry in entries
        ):
            raise DataError(
                f"{path}: a compressed or damaged archive, not one that torch.save wrote; {_AGAIN}"
            )
        if "data.pkl" not in names:
            raise DataError(f"{path}: a zip archive, but not one that torch.save wrote; {_AGAIN}")
        with archive.open(names["data.pkl"]) as pickled:
            return _check_pickle(path, pickled)


def _check_legacy(path: Path) -> set[str]:
    """As `_check_zip`, for the format before PyTorch 1.6: pickles, then raw numbers."""
    if tarfile.is_tarfile(path):
        raise DataError(
            f"{path}: a tar archive; unpack it and give the file inside (if PyTorch 0.1 wrote it, "
            "load it with that version and save its state_dict() again)"
        )
    found: set[str] = set()
    with open(path, "rb") as file:
        for _ in ("magic number", "version", "system", "content", "keys"):
            found |= _check_pickle(path, file)
    return found


def _check_pickle(path: Path, pickled: IO[bytes]) -> set[str]:
    """The globals that one pickle names; DataError if it is not that of a state dict."""
    found: set[str] = set()
    longest = calls = 0
    for number, (name, argument) in enumerate(_opcodes(pickled)):
        if number == _STEPS_LIMIT:
            raise DataError(f"{path}: refused: its pickle is longer than any state dict's")
        if name in ("STACK_GLOBAL", "INST", "OBJ", "EXT1", "EXT2", "EXT4"):
            raise DataError(f"{path}: not pickled by torch.save (opcode {name}); {_AGAIN}")
        if name == "GLOBAL":
            found.add(argument)
        calls += name == "REDUCE"
        if isinstance(argument, str | bytes):
            longest = max(longest, len(argument))
    for name in sorted(found):
        if name.startswith("torch.nn.modules."):
            raise DataError(
                f"{path}: a whole network ({'.'.join(name.split())[:80]}), which can only be "
                f"loaded by running code; {_AGAIN}"
            )
        if not _is_harmless(name):
            raise DataError(
                f"{path}: not a state dict that loads without running code (it names "
                f"{'.'.join(name.split())[:80]}); {_AGAIN}"
            )
    if "_codecs encode" in found and longest * calls > _ENCODED_LIMIT:
        raise DataError(f"{path}: refused: it encodes more text than any state dict has")
    return found


def _opcodes(pickled: IO[bytes]) -> Iterator[tuple[str, Any]]:
    for opcode, argument, _ in pickletools.genops(pickled):
        yield opcode.name, argument


def _is_harmless(name: str) -> bool:
    module, _, attribute = name.partition(" ")
    if module == "torch._utils":
        return attribute in _REBUILDS
    return name in _PLAIN or _root(name) in _TRAINERS or module.split(".")[0] == "torch"


def _root(name: str) -> str:
    return name.replace(" ", ".").split(".")[0]


def _check_claims(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """A view may repeat one number a billion times: refuse tensors larger than the file."""
    claimed = sum(t.numel() * t.element_size() for t in tensors.values())
    if claimed > 2 * path.stat().st_size:  # tied weights may occur twice
        raise DataError(
            f"{path}: its tensors claim {claimed:,} bytes, but the file has only "
            f"{path.stat().st_size:,}; {_AGAIN}"
        )


class _Inert:
    """Stands in for an object of a trainer's class: accepts everything and does nothing."""

    def __new__(cls, *_: object) -> _Inert:
        return super().__new__(cls)

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def append(self, value: object) -> None:
        pass

    def extend(self, values: object) -> None:
        pass
