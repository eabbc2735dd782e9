"""The test of a source file is found by its name and place: `a/b/c.py` → `tests/a/b/test_c.py`."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("data_prep", "eval", "arcface_plus")
SHORT = 20
"""Lines up to which a file needs no test of its own."""

ELSEWHERE: dict[str, str] = {}
"""Source file → the test, or the reason, that stands in for one of its name."""


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
    missing = [s for s in sources() if not mirrored(s).is_file() and s not in ELSEWHERE]
    assert missing == []


def test_every_exception_is_one():
    for source, reason in ELSEWHERE.items():
        assert source in sources(), f"{source}: gone or short; take it off the list"
        assert not mirrored(source).is_file(), f"{source}: has its test; take it off the list"
        if reason.startswith("tests/"):
            assert (ROOT / reason).is_file(), f"{source}: {reason} does not exist"
