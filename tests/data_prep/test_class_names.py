"""labels.json is JSON whatever the folders were called."""

from __future__ import annotations

import json
from pathlib import Path

from data_prep.class_names import read_class_names, write_class_names


def test_names_that_are_not_utf8_come_back(tmp_path: Path) -> None:
    names = ["Zoë", b"caf\xe9".decode("utf-8", "surrogateescape")]
    write_class_names(tmp_path, names)
    json.loads((tmp_path / "labels.json").read_bytes().decode("utf-8"))
    assert read_class_names(tmp_path) == dict(enumerate(names))


def test_ordinary_names_stay_readable(tmp_path: Path) -> None:
    write_class_names(tmp_path, ["王芳"])
    assert "王芳" in (tmp_path / "labels.json").read_text(encoding="utf-8")
