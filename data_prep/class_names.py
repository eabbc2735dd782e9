"""labels.json beside a training set: class index → name, as `data pack` found it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from data_prep.errors import DataError
from data_prep.files import write_bytes

NAME = "labels.json"


def write_class_names(directory: Path, names: Sequence[str]) -> None:
    """Write `{"0": name, "1": name, …}` into the data set's folder."""
    text = json.dumps({str(k): name for k, name in enumerate(names)}, indent=0, ensure_ascii=False)
    write_bytes(directory / NAME, text.encode("utf-8", "surrogateescape"))


def read_class_names(directory: Path) -> dict[int, str]:
    """Names by class index; empty where there is no labels.json. DataError if it is no such map."""
    path = directory / NAME
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_bytes().decode("utf-8", "surrogateescape"))
        if not isinstance(content, dict) or not all(isinstance(v, str) for v in content.values()):
            raise ValueError("it maps no class indices to names")
        return {int(key): name for key, name in content.items()}
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: {error}; delete it, names are optional") from None
