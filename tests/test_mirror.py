"""The test of a source file is found by its name and place: `a/b/c.py` → `tests/a/b/test_c.py`."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("data_prep", "eval", "arcface_plus")
SHORT = 20
"""Lines up to which a file needs no test of its own."""

ELSEWHERE = {
    "data_prep/faces/clutter.py": "tests/data_prep/faces/test_synthetic.py",
    "data_prep/faces/geometry.py": "tests/data_prep/faces/test_synthetic.py",
    "data_prep/faces/parameters.py": "tests/data_prep/faces/test_synthetic.py",
    "data_prep/faces/renderer.py": "tests/data_prep/faces/test_synthetic.py",
    "data_prep/faces/texture.py": "tests/data_prep/faces/test_synthetic.py",
    "arcface_plus/bench/our_step.py": "tests/arcface_plus/bench/test_step.py",
}
"""Source file → the test of its parts' sum, which says more than one of its own could."""

TO_COME = {
    "data_prep/align/report.py",
    "data_prep/collection.py",
    "data_prep/extract.py",
    "data_prep/image_damage.py",
    "data_prep/image_header.py",
    "data_prep/image_lists.py",
    "data_prep/inspect/pictures.py",
    "data_prep/inspect/text.py",
    "data_prep/pack.py",
    "data_prep/pack_pairs.py",
    "data_prep/record_index.py",
    "data_prep/repair.py",
    "arcface_plus/commands/data.py",
    "arcface_plus/commands/data_align.py",
    "arcface_plus/commands/data_check.py",
    "arcface_plus/commands/data_extract.py",
    "arcface_plus/commands/data_inspect.py",
    "arcface_plus/commands/data_pack.py",
    "arcface_plus/commands/data_pairs.py",
    "arcface_plus/config/sections.py",
    "arcface_plus/console.py",
    "arcface_plus/data/assembly.py",
    "arcface_plus/data/pixel_file.py",
    "arcface_plus/data/room.py",
    "arcface_plus/data/workers.py",
    "arcface_plus/embedder/adaface.py",
    "arcface_plus/evaluation/embedding_file.py",
    "arcface_plus/evaluation/image_source.py",
    "arcface_plus/evaluation/verification_pictures.py",
    "arcface_plus/models/backbones/tiny.py",
    "arcface_plus/models/classifier.py",
    "arcface_plus/models/nearest/rows.py",
    "arcface_plus/models/precision.py",
    "arcface_plus/run_directory/checkpoint.py",
    "arcface_plus/run_directory/finished.py",
    "arcface_plus/run_directory/metrics.py",
    "arcface_plus/run_directory/prepare.py",
    "arcface_plus/runtime.py",
    "arcface_plus/training/divergence.py",
    "arcface_plus/training/update.py",
}
"""Gaps. A file leaves this set with its test; none enters it."""


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
    assert sorted(set(missing) - set(ELSEWHERE) - TO_COME) == []


def test_every_exception_is_one():
    for source in [*ELSEWHERE, *TO_COME]:
        assert source in sources(), f"{source}: gone or short; take it off the list"
        assert not mirrored(source).is_file(), f"{source}: has its test; take it off the list"
    for source, test in ELSEWHERE.items():
        assert (ROOT / test).is_file(), f"{source}: {test} does not exist"
