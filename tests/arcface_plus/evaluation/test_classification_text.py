"""The lines of `eval classify`."""

from __future__ import annotations

import numpy as np

from arcface_plus.evaluation.classification_text import figure_lines
from eval.classification import classify


def test_the_worst_classes_come_first():
    scores = np.eye(3)[[0, 1, 1, 0, 0, 0]]
    lines = list(figure_lines("test", classify(scores, [0, 1, 1, 1, 2, 0]), ["a", "b", "c"]))
    assert lines[0].startswith("test: top-1 66.67% (95% ")
    assert lines[0].endswith("6 images of 3 classes")
    assert "top-5" not in lines[0]
    assert lines[1] == "largest errors: c 100.0%, b 33.3%"


def test_without_errors_there_is_one_line():
    lines = list(figure_lines("test", classify(np.eye(6), range(6)), "abcdef"))
    assert len(lines) == 1
    assert "top-5 100.00%" in lines[0]
