"""labels.json beside a training set: class index → name, as `data pack` found it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from data_prep.errors import DataError
from data_prep.files import write_text

NAME = "labels.json"


def write_class_names(directory: Path, names: Sequence[str]) -> None:
    """Write `{"0": name, "1": name, …}` into the data set's folder."""
    by_index = {str(k): name for k, name in enumerate(names)}
    text = json.dumps(by_index, indent=0, ensure_ascii=False)
    if any(0xD800 <= ord(c) <= 0xDFFF for c in text):  # a folder's name of other bytes: escaped,
        text = json.dumps(by_index, indent=0)  # it is JSON, and reads back as the same name
    write_text(directory / NAME, text)


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
