"""The notebook runs from its first cell to its last in a real kernel, and shows what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[1] / "docs/notebooks/quickstart.ipynb"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_notebook_trains_verifies_and_compares(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # another test runs beside it
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(
        notebook, timeout=500, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute()
    shown = [
        output["data"].get("text/markdown", "")
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if "data" in output
    ]
    accuracies = next(text for text in shown if text.startswith("| run |"))
    frontal = [float(row.split("|")[2].strip(" %")) for row in accuracies.splitlines()[2:]]
    assert len(frontal) == 2
    assert min(frontal) > 70  # an untrained network reaches 65
    assert any("synth_frontal" in text and text.startswith("- ") for text in shown)
    assert (tmp_path / "quickstart/demo_arcface_plus/summary.json").is_file()


def test_the_notebook_holds_no_output_of_a_machine():
    """Pictures would be stale, and paths of whoever ran it would be published."""
    nbformat = pytest.importorskip("nbformat")
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        assert not cell.get("outputs"), "clear the outputs before you commit"
