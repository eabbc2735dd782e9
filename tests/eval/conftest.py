"""Runs on disk as training leaves them, from simulated networks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from verification_files import verification

from eval.scores import PairScores, scores_file, write_scores
from eval.verification import verify

MMA = {"regularizer": {"name": "mma", "weight": 0.03}}


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


@pytest.fixture
def make_run(tmp_path):
    def make(name, targets, step=100, config=None, summary=None, **changes):
        directory = tmp_path / name
        (directory / "eval").mkdir(parents=True, exist_ok=True)
        file = directory / "eval" / f"step_{step:08d}.json"
        file.write_text(json.dumps(verification(targets, **changes)))
        if config is not None:
            (directory / "config.yaml").write_text(yaml.safe_dump(config))
        if summary is not None:
            (directory / "summary.json").write_text(json.dumps(summary))
        return directory

    return make


@pytest.fixture
def groups(seeded_run):
    """Two recipes, four seeds each: on lfw clearly apart, on cfp_fp equal."""
    found = {"arcface": [], "plus": []}
    for seed in range(4):
        for i, (name, config) in enumerate({"arcface": {}, "plus": MMA}.items()):
            noise = 100 * i + seed + 1
            targets = {"lfw": (3 + 0.6 * i, noise), "cfp_fp": (2.5, 1000 + noise)}
            found[name].append(seeded_run(f"{name}_{seed}", seed, targets, **config))
    return found


def simulated(strength, noise_seed, pairs):
    """A `VerificationResult` of a network with normal scores."""
    same = np.arange(pairs) % 2 == 0
    difficulty = np.random.default_rng(0).normal(size=pairs)
    own = np.random.default_rng(noise_seed).normal(size=pairs)
    score = (0.8 * difficulty + 0.6 * own) + np.where(same, 0.5, -0.5) * strength
    cosine = np.clip(0.3 + 0.1 * score, -1, 1)
    a = np.stack([np.ones(pairs), np.zeros(pairs)], 1)
    return verify(a, np.stack([cosine, np.sqrt(1 - cosine**2)], 1), same)
