"""All lowest allowed versions are taken from pyproject.toml."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location(
    "lowest_requirements", ROOT / "tools" / "lowest_requirements.py"
)
module = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(module)


def project(tmp_path, dependencies):
    file = tmp_path / "pyproject.toml"
    listed = ", ".join(f'"{d}"' for d in dependencies)
    file.write_text(
        f"[project]\ndependencies = [{listed}]\noptional-dependencies.extra = ['more>=7.1']\n"
    )
    return file


def test_bounds_become_pins(tmp_path):
    file = project(tmp_path, ["torch>=2.11", "some-library>=1.2.3", "plain>=6"])
    assert module.lowest(file, []) == ["some-library==1.2.3", "plain==6"]
    assert module.lowest(file, ["extra"])[-1] == "more==7.1"


@pytest.mark.parametrize("requirement", ["numpy", "numpy>1", "numpy>=1,<3", "numpy~=2.0"])
def test_a_bound_that_cannot_be_tested_is_refused(tmp_path, requirement):
    with pytest.raises(ValueError, match="expected name>=bound"):
        module.lowest(project(tmp_path, [requirement]), [])


def test_our_own_bounds_can_all_be_tested():
    found = module.lowest(ROOT / "pyproject.toml", ["onnx"])
    assert {"numpy", "rich", "jinja2", "onnx"} <= {line.split("==")[0] for line in found}
