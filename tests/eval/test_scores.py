"""Scores beside a verification file: kept bit for bit, refused where they are another's."""

from __future__ import annotations

import numpy as np
import pytest

from data_prep.errors import DataError
from eval.compare import compare
from eval.scores import PairScores, read_scores, scores_file, write_scores


def test_scores_of_another_verification_are_refused(groups):
    a, b = groups["arcface"][:2]
    name = "eval/step_00000100.npz"
    (a / name).write_bytes((b / name).read_bytes())
    with pytest.raises(DataError, match=r"\.npz: lfw: its scores do not belong to step_00000100"):
        compare([a, b])
    (a / name).write_bytes(b"PK")
    with pytest.raises(DataError, match=r"not a readable \.npz .*; verify again"):
        compare([a, b])
    np.savez(a / name, **{"lfw.distances": np.zeros(3)})
    with pytest.raises(DataError, match="lfw: no valid pair scores"):
        compare([a, b])
    np.savez(a / name, **{"lfw.distances": np.array([{}]), "lfw.same": np.zeros(1, bool)})
    with pytest.raises(DataError, match="expected an array of numbers"):  # a pickle is never run
        compare([a, b])


def test_scores_come_back_bit_for_bit(tmp_path):
    rng = np.random.default_rng(0)
    kept = {"lfw": PairScores(rng.random(50, np.float32), rng.random(50) < 0.5)}
    write_scores(tmp_path / "s.npz", kept)
    found = read_scores(tmp_path / "s.npz")["lfw"]
    assert found.distances.dtype == np.float32
    assert np.array_equal(found.distances, kept["lfw"].distances)
    assert np.array_equal(found.same, kept["lfw"].same)
    assert found.accuracies(folds=51) is None
    assert scores_file(tmp_path / "step_1.json") == tmp_path / "step_1.npz"


def test_damaged_anywhere_they_are_read_or_refused(tmp_path):
    """Every byte flipped and every length cut: the scores or one line, nothing else."""
    file = tmp_path / "s.npz"
    write_scores(file, {"lfw": PairScores(np.linspace(0, 4, 9), np.arange(9) % 2 == 0)})
    whole = file.read_bytes()
    damaged = [whole[:i] + bytes([whole[i] ^ 0xFF]) + whole[i + 1 :] for i in range(len(whole))]
    refused = 0
    for content in [*damaged, *(whole[:i] for i in range(0, len(whole), 7))]:
        file.write_bytes(content)
        line = ""
        try:
            read_scores(file)
        except DataError as error:
            refused, line = refused + 1, str(error)
        assert "\n" not in line
        assert line == "" or str(file) in line
    assert refused > len(whole) / 2
