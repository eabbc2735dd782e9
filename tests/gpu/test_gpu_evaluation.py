"""Verification and identification give the same results on a GPU and on the CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from arcface_plus.embedder.load import Embedder, network_embedder
from arcface_plus.evaluation.identification import torch_library
from arcface_plus.evaluation.verification import verify_file
from arcface_plus.models.backbones import MobileFaceNet, r18
from eval.embeddings import ArrayFaces
from eval.identification import identify

CPU = torch.device("cpu")


def embedder(name: str, device: torch.device) -> Embedder:
    torch.manual_seed(0)
    network = r18() if name == "r18" else MobileFaceNet()
    return network_embedder(network.eval().to(device), device, name)


@pytest.mark.parametrize("name", ["r18", "mobilefacenet"])
def test_verification_makes_the_same_decisions(device, synthetic: Path, name):
    pairs = synthetic / "synth_frontal.bin"
    here, there = (verify_file(embedder(name, d), pairs, 64).result for d in (device, CPU))
    # 40 pairs, four per fold: all decisions must agree.
    np.testing.assert_allclose(here.fold_accuracies, there.fold_accuracies, atol=1e-9)
    np.testing.assert_allclose(here.fold_thresholds, there.fold_thresholds, atol=0.011)


@pytest.mark.parametrize("name", ["r18", "mobilefacenet"])
def test_embeddings_agree(device, name):
    images = np.random.default_rng(0).integers(0, 256, (40, 112, 112, 3), np.uint8)
    here, there = (embedder(name, d)(images).astype(np.float64) for d in (device, CPU))
    cosine = (here * there).sum(1) / np.linalg.norm(here, axis=1) / np.linalg.norm(there, axis=1)
    assert cosine.min() > 1 - 1e-5


def test_identification_gives_the_same_counts(device):
    """Ranks and accept rates among 20,000 distractors; ties within rounding are counted as ties."""
    generator = np.random.default_rng(1)
    people = generator.standard_normal((100, 128)).astype(np.float32)
    labels = np.repeat(np.arange(100), 3)
    images = people[labels] + 0.9 * generator.standard_normal((300, 128)).astype(np.float32)
    others = generator.standard_normal((20_000, 128)).astype(np.float32)
    gallery, distractors = ArrayFaces(images, labels), ArrayFaces(others)
    here = identify(gallery, distractors, library=torch_library(device), block=4096)
    there = identify(gallery, distractors)
    np.testing.assert_allclose(here.similarities, there.similarities, atol=1e-5)
    assert np.abs(here.ahead - there.ahead).max() <= 1
    assert (here.ahead != there.ahead).mean() < 0.01
    for far, rate in there.tar_at_far.items():
        assert here.tar_at_far[far] == pytest.approx(rate, abs=0.005)
