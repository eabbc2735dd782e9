"""The notebook runs from its first cell to its last in a real kernel, and shows what it says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parents[1] / "docs/notebooks/quickstart.ipynb"
SMALLER = {
    "identities=80, images=12, pairs=400": "identities=20, images=12, pairs=100",
    "optimizer.steps=300": "optimizer.steps=40",
    "milestones=[180, 250]": "milestones=[30, 35]",
    "eval.every=300": "eval.every=40",
    "logging.every=50": "logging.every=10",
}
"""Words of the cells, and what makes them a matter of seconds."""


def executed(folder: Path, changes: Mapping[str, str]) -> list[str]:
    """The Markdown that the cells show when they run, with some of their words changed."""
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    cells: list[Any] = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for words, instead in changes.items():
        (cell,) = (cell for cell in cells if words in cell.source)
        cell.source = cell.source.replace(words, instead)
    nbclient.NotebookClient(
        notebook, timeout=500, kernel_name="python3", resources={"metadata": {"path": folder}}
    ).execute()
    outputs = (output for cell in cells for output in cell.outputs if "data" in output)
    return [output["data"].get("text/markdown", "") for output in outputs]


def frontal_accuracies(shown: list[str]) -> list[float]:
    table = next(text for text in shown if text.startswith("| run |"))
    return [float(row.split("|")[2].strip(" %")) for row in table.splitlines()[2:]]


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # another test runs beside it


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_notebook_trains_verifies_and_compares(tmp_path):
    shown = executed(tmp_path, SMALLER)
    accuracies = frontal_accuracies(shown)
    assert len(accuracies) == 2
    assert all(50 <= accuracy <= 100 for accuracy in accuracies)
    assert any("synth_frontal" in text and text.startswith("- ") for text in shown)
    for run in ("demo_arcface", "demo_arcface_plus"):
        text = (tmp_path / "quickstart" / run / "metrics.jsonl").read_text()
        losses = [json.loads(line)["loss_margin"] for line in text.splitlines()]
        assert len(losses) == 4
        assert losses[-1] < losses[0]
        assert (tmp_path / "quickstart" / run / "summary.json").is_file()


@pytest.mark.campaign
@pytest.mark.timeout(600)
def test_as_it_is_it_learns(tmp_path):
    accuracies = frontal_accuracies(executed(tmp_path, {}))
    assert len(accuracies) == 2
    assert min(accuracies) > 70  # an untrained network reaches 65


def test_the_notebook_holds_no_output_of_a_machine():
    """Pictures would be stale, and paths of whoever ran it would be published."""
    nbformat = pytest.importorskip("nbformat")
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        assert not cell.get("outputs"), "clear the outputs before you commit"
