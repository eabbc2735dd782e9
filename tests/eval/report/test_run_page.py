"""The page of one run: verified or not, escaped, self-contained, right in a browser."""

from __future__ import annotations

import re

import numpy as np
import pytest
from browser import needs_chromium, probed

from eval.report.write import write_run
from eval.runs import read_run, read_unverified_run

PAIRS = 200


@pytest.fixture
def run(seeded_run, log):
    found = seeded_run("plus <b>", 7, {"lfw": (3, 1), "cfp_fp": (2, 2)}, pairs=PAIRS)
    log(found)
    return found


def page_of(run, folder, images=None):
    write_run(run, folder, {run.name: np.linspace(60, 75, 100)}, images)
    return (folder / "report.html").read_text()


def test_everything_is_there(run, encoded, tmp_path):
    read = read_run(run)
    images = {"lfw": encoded(2 * PAIRS), "cfp_fp": encoded(2 * PAIRS)}
    page = page_of(read, tmp_path, images)
    assert re.findall("<h2>(.*?)</h2>", page) == [
        "ROC", "Scores", "Training", "Angles between classes", "Worst pairs", "Config",
        "Environment", "From",
    ]  # fmt: skip
    assert "<h1>plus &lt;b&gt;</h1>" in page
    assert "step 100, seed 7, 10-fold, with mirror images" in page
    for name, result in read.results.targets.items():
        accuracy = result.accuracy
        assert f"{100 * accuracy.mean:.2f} ± {100 * accuracy.std:.2f}" in page
        assert f"{100 * accuracy.ci95[0]:.2f} to {100 * accuracy.ci95[1]:.2f}" in page
        assert f"<figcaption>Scores on {name}</figcaption>" in page
    assert "nothing from" not in page
    assert "regularizer.<wbr>name" in page or "regularizer.name" in page
    assert '<img alt="image 1 of pair' in page
    assert "://" not in page
    assert "<script" not in page


def test_charts_of_a_single_line_need_no_legend(run, tmp_path):
    page = page_of(read_run(run), tmp_path)
    figures = re.findall("<figure>.*?</figure>", page, re.DOTALL)
    with_legend = [figure for figure in figures if "legend" in figure]
    assert len(with_legend) == 2  # the two histograms of two kinds of pairs
    assert all("same person" in figure for figure in with_legend)


def test_a_run_that_was_not_verified_has_its_curves(run, tmp_path):
    for file in (run / "eval").iterdir():
        file.unlink()
    page = page_of(read_unverified_run(run), tmp_path)
    assert "This run has not been verified" in page
    assert "<figcaption>Loss without the regularizer</figcaption>" in page
    assert "<h2>ROC</h2>" not in page
    assert "<h2>Worst pairs</h2>" not in page


@needs_chromium
@pytest.mark.parametrize("width", [400, 1280])
def test_in_a_browser(run, tmp_path, width):
    page_of(read_run(run), tmp_path)
    probe = probed(tmp_path / "report.html", tmp_path, width)
    assert probe["width"] <= width
    assert probe["wide"] == probe["bad"] == probe["flat"] == 0
