"""Runs on disk as training leaves them, from simulated networks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from eval.scores import PairScores, scores_file, write_scores
from eval.verification import verify


@pytest.fixture
def seeded_run(tmp_path):
    """make(name, seed, targets={"lfw": (strength, noise_seed)}) → run directory.

    `strength` is the cosine's distance between same and different pairs in units of its spread, so
    accuracy is Φ(strength / 2). Pairs have a difficulty common to all networks.
    """

    def make(name, seed, targets, pairs=2000, scores=True, digest="0" * 64, **config) -> Path:
        directory = tmp_path / name
        (directory / "eval").mkdir(parents=True)
        found, kept = {}, {}
        for target, (strength, noise_seed) in targets.items():
            result = simulated(strength, noise_seed, pairs)
            found[target] = result.to_json(
                images=2 * pairs, unique_images=2 * pairs, embedding_norm_mean=1.0
            ) | {"pairs_sha256": digest}
            kept[target] = PairScores(result.distances, result.truth)
        file = directory / "eval" / "step_00000100.json"
        content = {"schema": 1, "checkpoint": "x", "protocol": "10-fold", "flip": True}
        file.write_text(json.dumps(content | {"targets": found}))
        if scores:
            write_scores(scores_file(file), kept)
        settings = {"run": {"name": name, "seed": seed}, "regularizer": {"name": "none"}} | config
        (directory / "config.yaml").write_text(yaml.safe_dump(settings))
        return directory

    return make


def simulated(strength, noise_seed, pairs):
    """A `VerificationResult` of a network with normal scores."""
    same = np.arange(pairs) % 2 == 0
    difficulty = np.random.default_rng(0).normal(size=pairs)
    own = np.random.default_rng(noise_seed).normal(size=pairs)
    score = (0.8 * difficulty + 0.6 * own) + np.where(same, 0.5, -0.5) * strength
    cosine = np.clip(0.3 + 0.1 * score, -1, 1)
    a = np.stack([np.ones(pairs), np.zeros(pairs)], 1)
    return verify(a, np.stack([cosine, np.sqrt(1 - cosine**2)], 1), same)
