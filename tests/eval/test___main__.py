"""`python -m eval …` hands its arguments to the one command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("package", "options"), [(False, []), (False, ["-P"]), (True, ["-P"])], ids=str
)
def test_the_folder_may_have_an_eval_of_its_own(tmp_path, package, options):
    """A plain folder never stands in the way; for a package, Python has -P (or `arcface-plus`)."""
    (tmp_path / "eval").mkdir()
    if package:
        (tmp_path / "eval/__init__.py").write_text("raise ImportError('the wrong eval')\n")
        (tmp_path / "eval/__main__.py").write_text("raise ImportError('the wrong eval')\n")
    done = subprocess.run(
        [sys.executable, *options, "-m", "eval", "compare", "one", "other"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("arcface-plus: one: "), done.stderr
