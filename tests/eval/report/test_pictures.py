"""Pictures of a verification can be drawn, whatever the names."""

from __future__ import annotations

import io

import numpy as np
import pytest

from eval.report.pictures import pairs_figure, roc_figure, score_figure
from eval.scores import PairScores

NAME = "a$\\frac{$ <b> \x1b[31m"


@pytest.fixture
def scores():
    rng = np.random.default_rng(0)
    same = np.arange(400) % 2 == 0
    return PairScores(rng.normal(np.where(same, 1.0, 1.6), 0.2), same)


def drawn(figure):
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=40)
    assert file.getvalue().startswith(b"\x89PNG")
    return figure


def test_names_are_no_formulas(scores):
    roc = drawn(roc_figure(NAME, {NAME: scores}))
    assert roc.axes[0].get_title() == NAME.replace("\x1b", "\\x1b")
    drawn(score_figure(NAME, scores, [1.2, 1.3]))
    drawn(pairs_figure(NAME, np.zeros((0, 2, 112, 112, 3), np.uint8), []))


def test_thresholds_are_drawn_as_cosines(scores):
    axes = drawn(score_figure("lfw", scores, [1.2, 1.2, 1.4])).axes[0]
    lines = sorted(line.get_xdata()[0] for line in axes.get_lines())
    assert lines == pytest.approx([0.3, 0.4])


def test_pairs_stand_five_to_a_row():
    images = np.zeros((7, 2, 112, 112, 3), np.uint8)
    figure = drawn(pairs_figure("lfw", images, [f"{i}" for i in range(7)]))
    assert [axes.get_title() for axes in figure.axes] == [str(i) for i in range(7)]
