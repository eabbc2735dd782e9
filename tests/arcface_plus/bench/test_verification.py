"""Verification gives the same digits as image by image."""

from __future__ import annotations

import torch

from arcface_plus.bench import verification
from arcface_plus.models.backbones import Tiny


def test_a_verification_has_the_naive_digits(synthetic, monkeypatch):
    monkeypatch.setattr(verification, "MobileFaceNet", Tiny)  # quicker
    found = verification.run(synthetic / "synth_age.bin", None, torch.device("cpu"))
    assert found["same_digits"] is True
    assert [row["name"] for row in found["rows"]][1] == "eval verify"
    assert all(row["seconds"] > 0 for row in found["rows"])
