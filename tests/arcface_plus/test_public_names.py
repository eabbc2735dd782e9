"""`from arcface_plus import …`: every public name loads, lazily, and type checkers see the same."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import arcface_plus

STUB = Path(arcface_plus.__file__).with_suffix(".pyi")
NAMES = [name for name in arcface_plus.__all__ if name != "__version__"]


def stubbed() -> dict[str, tuple[str, str]]:
    """Public name → (module, name there), as the stub says."""
    return {
        alias.asname or alias.name: (str(node.module), alias.name)
        for node in ast.parse(STUB.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_what_the_stub_says(name):
    module, attribute = stubbed()[name]
    assert getattr(arcface_plus, name) is getattr(importlib.import_module(module), attribute)


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_is_documented(name):
    assert inspect.getdoc(getattr(arcface_plus, name)), name


def test_the_stub_has_no_other_names():
    assert sorted(stubbed()) == sorted(NAMES)


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'Arcface'"):
        arcface_plus.Arcface  # noqa: B018
    with pytest.raises(ImportError):
        exec("from arcface_plus import Arcface")


def test_dir_lists_them_for_completion():
    assert set(arcface_plus.__all__) <= set(dir(arcface_plus))


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, arcface_plus; sys.exit(any(m in sys.modules for m in ('torch', 'numpy')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_packages_say_that_they_are_typed():
    root = STUB.parents[1]
    assert all((root / p / "py.typed").is_file() for p in ("arcface_plus", "eval", "data_prep"))
