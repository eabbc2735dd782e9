"""The benches of evaluation run and end with equal digits; how fast is for a quiet machine."""

from __future__ import annotations

import torch

from arcface_plus.bench import evaluation, verification


def test_a_verification_has_the_naive_digits(synthetic):
    found = verification.run(synthetic / "synth_age.bin", None, torch.device("cpu"))
    assert found["same_digits"] is True
    assert [row["name"] for row in found["rows"]][1] == "eval verify"
    assert all(row["seconds"] > 0 for row in found["rows"])


def test_statistics_have_the_naive_digits():
    found = evaluation.run(pairs=200, dimensions=16, repeats=1)
    assert found["same_digits"] is True
    assert len(found["rows"]) == 4
