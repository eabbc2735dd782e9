"""Scores beside a verification file: kept bit for bit, refused where they are another's."""

from __future__ import annotations

import numpy as np
import pytest

from data_prep.errors import DataError
from eval.compare import compare


def test_scores_of_another_verification_are_refused(groups):
    a, b = groups["arcface"][:2]
    name = "eval/step_00000100.npz"
    (a / name).write_bytes((b / name).read_bytes())
    with pytest.raises(DataError, match=r"\.npz: lfw: these are not the scores of step_00000100"):
        compare([a, b])
    (a / name).write_bytes(b"PK")
    with pytest.raises(DataError, match="not readable as pair scores"):
        compare([a, b])
    np.savez(a / name, **{"lfw.distances": np.zeros(3)})
    with pytest.raises(DataError, match="lfw: holds no pair scores"):
        compare([a, b])
    np.savez(a / name, **{"lfw.distances": np.array([{}]), "lfw.same": np.zeros(1, bool)})
    with pytest.raises(DataError, match="not readable as pair scores"):  # a pickle is never run
        compare([a, b])
