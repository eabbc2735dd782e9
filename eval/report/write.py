"""A comparison, a study, or one run, into a folder: JSON, Markdown and a page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from data_prep.files import write_bytes
from eval.compare import Comparison
from eval.report.class_angles import ClassAngles
from eval.report.comparison_page import comparison_to_html
from eval.report.layer_angles import Layers
from eval.report.markdown import comparison_to_markdown, run_to_markdown
from eval.report.run_page import run_to_html
from eval.report.study_markdown import study_to_markdown
from eval.report.study_page import study_to_html
from eval.runs import Run
from eval.study import Study


def write_comparison(
    comparison: Comparison,
    out_dir: Path,
    class_angles: ClassAngles | None = None,
    pair_images: Mapping[str, Sequence[bytes]] | None = None,
    layers: Layers | None = None,
) -> list[Path]:
    """Write compare.json, compare.md and compare.html into out_dir (made where it is missing).

    Returns the paths written. Each file is complete or absent.

    Args:
        class_angles: name of a run → the angle in degrees of each class to its nearest other one;
            whoever knows the models hands them in.
        pair_images: target → the 2·P encoded images of its pair file, for the worst pairs.
        layers: name of a run → the angles of its layers.

    Raises:
        DataError: a file of a run is broken.
        OSError: the directory cannot be written.
    """
    texts = {
        "compare.json": json.dumps(comparison.to_json(), indent=2, ensure_ascii=False) + "\n",
        "compare.md": comparison_to_markdown(comparison),
        "compare.html": comparison_to_html(
            comparison, class_angles or {}, layers or {}, pair_images or {}
        ),
    }
    return _write(out_dir, texts)


def write_run(
    run: Run,
    out_dir: Path,
    class_angles: ClassAngles | None = None,
    pair_images: Mapping[str, Sequence[bytes]] | None = None,
    layers: Layers | None = None,
) -> list[Path]:
    """Write report.md and report.html of one run; otherwise as `write_comparison`."""
    texts = {
        "report.md": run_to_markdown(run),
        "report.html": run_to_html(run, class_angles or {}, layers or {}, pair_images or {}),
    }
    return _write(out_dir, texts)


def write_study(
    study: Study,
    out_dir: Path,
    class_angles: ClassAngles | None = None,
    layers: Layers | None = None,
) -> list[Path]:
    """Write study.json, report.md and report.html of a study; otherwise as `write_comparison`."""
    texts = {
        "study.json": json.dumps(study.to_json(), indent=2, ensure_ascii=False) + "\n",
        "report.md": study_to_markdown(study),
        "report.html": study_to_html(study, class_angles or {}, layers or {}),
    }
    return _write(out_dir, texts)


def _write(out_dir: Path, texts: Mapping[str, str]) -> list[Path]:
    out_dir.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        # A name's byte that is not UTF-8 is a lone surrogate, which this writes as JSON does.
        write_bytes(out_dir / name, text.encode("utf-8", "backslashreplace"))
    return [out_dir / name for name in texts]
