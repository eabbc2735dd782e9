"""pyproject.toml puts everything into the wheel: each folder, and each file beside the code."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("arcface_plus", "data_prep", "eval")
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]


def folders() -> dict[str, Path]:
    """Folder of every package of the source tree, by its dotted name; the recipes are one too."""
    found = {"arcface_plus.configs": ROOT / "configs"}
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            found[".".join(file.parent.relative_to(ROOT).parts)] = file.parent
    return found


def test_every_package_is_in_the_wheel():
    assert sorted(SETUPTOOLS["packages"]) == sorted(folders())
    assert all((place / "__init__.py").is_file() for name, place in folders().items()
               if name != "arcface_plus.configs")  # fmt: skip


def test_every_file_beside_the_code_is_in_the_wheel():
    left_out = [
        file.relative_to(ROOT).as_posix()
        for name, folder in folders().items()
        for file in folder.iterdir()
        if file.is_file()
        and file.suffix not in (".py", ".pyc")
        and not any(file.match(pattern) for pattern in SETUPTOOLS["package-data"].get(name, ()))
    ]
    assert left_out == []
