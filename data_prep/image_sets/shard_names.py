"""`train-{000000..000009}.tar`, `shards/*.tar` or a folder → the shards meant, in order."""

from __future__ import annotations

import glob
import re
from pathlib import Path

from data_prep.errors import DataError

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d{1,9})\.\.(\d{1,9})")
_LIMIT = 100_000  # shards of one set


def is_shard_folder(folder: Path) -> bool:
    """Whether a folder directly holds .tar files, and no folders, which would be classes."""
    try:
        visible = [child for child in folder.iterdir() if not child.name.startswith(".")]
    except OSError:  # whoever opens the folder says so
        return False
    return any(child.suffix == ".tar" for child in visible) and not any(
        child.is_dir() for child in visible
    )


def shard_files(path: Path) -> list[Path]:
    """The shards that a file's name, a folder or a pattern stands for.

    Braces name shards, in their order (WebDataset's notation), and each must be there; `*`, `?` and
    `[…]` find them, in the order of their names. DataError for a shard that is missing.
    """
    if path.is_dir():
        return sorted(p for p in path.glob("*.tar") if not p.name.startswith("."))
    if path.is_file():
        return [path]
    files: list[Path] = []
    for name in _expanded(str(path)):
        if any(c in name for c in "*?["):
            found = sorted(map(Path, glob.glob(name)))
            if not found:
                raise DataError(f"{path}: no shard has such a name")
            files += found
        else:
            files.append(Path(name))
    missing = [file for file in files if not file.is_file()]
    if missing:
        more = f" (nor {len(missing) - 1} others of the pattern)" if len(missing) > 1 else ""
        raise DataError(f"{missing[0]}: no such shard{more}")
    return files


def _expanded(pattern: str) -> list[str]:
    """The names that braces stand for: `{8..11}` and `{08..11}` count, `{a,b}` lists."""
    names = [""]
    at = 0
    for braces in _BRACES.finditer(pattern):
        names = [name + pattern[at : braces.start()] for name in names]
        choices = _choices(braces[1], pattern)
        if len(names) * len(choices) > _LIMIT:
            raise DataError(f"{pattern}: stands for over {_LIMIT:,} shards")
        names = [name + choice for name in names for choice in choices]
        at = braces.end()
    names = [name + pattern[at:] for name in names]
    if "{" in names[0] or "}" in names[0]:
        raise DataError(f"{pattern}: braces within braces, or one without the other")
    return names


def _choices(inside: str, pattern: str) -> list[str]:
    span = _RANGE.fullmatch(inside)
    if span is None:
        if "," not in inside:
            raise DataError(f"{pattern}: {{{inside}}} is no range {{0..9}} and no list {{a,b}}")
        return inside.split(",")
    first, last = int(span[1]), int(span[2])
    if last < first or last - first >= _LIMIT:
        raise DataError(f"{pattern}: {{{inside}}} is no range of up to {_LIMIT:,} shards")
    return [f"{number:0{len(span[1])}d}" for number in range(first, last + 1)]
