"""The test of a source file is found by its name and place: `a/b/c.py` → `tests/a/b/test_c.py`."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("data_prep", "eval", "arcface_plus")
SHORT = 20
"""Lines up to which a file needs no test of its own."""

ELSEWHERE = {
    "data_prep/faces/clutter.py": "tests/data_prep/faces/test_synthetic.py",
    "data_prep/faces/renderer.py": "tests/data_prep/faces/test_synthetic.py",
    "arcface_plus/bench/our_step.py": "tests/arcface_plus/bench/test_step.py",
    "arcface_plus/training/material.py": "tests/arcface_plus/training/test_classification.py",
}
"""Source file → the test of its parts' sum, which says more than one of its own could."""


def sources() -> list[str]:
    return [
        file.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for file in sorted((ROOT / package).rglob("*.py"))
        if file.name != "__init__.py" and len(file.read_text("utf-8").splitlines()) > SHORT
    ]


def mirrored(source: str) -> Path:
    path = Path(source)
    return ROOT / "tests" / path.parent / f"test_{path.name}"


def test_every_source_file_has_a_test_of_its_name():
    missing = [s for s in sources() if not mirrored(s).is_file()]
    assert sorted(set(missing) - set(ELSEWHERE)) == []


def test_every_exception_is_one():
    for source in ELSEWHERE:
        assert source in sources(), f"{source}: gone or short; take it off the list"
        assert not mirrored(source).is_file(), f"{source}: has its test; take it off the list"
    for source, test in ELSEWHERE.items():
        assert (ROOT / test).is_file(), f"{source}: {test} does not exist"
