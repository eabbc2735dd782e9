"""`demo` begins nothing where it could not finish; the whole of it is run by the smoke tests."""

from __future__ import annotations

import os

import pytest

from arcface_plus.commands.demo import demo
from data_prep.errors import UserError


def test_its_folder_is_checked_before_any_face_is_drawn(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="is a file, not a directory"):
        demo(tmp_path / "file")
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)  # root may write
    with pytest.raises(UserError, match="no permission to write"):
        demo(tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
