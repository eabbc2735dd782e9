"""The tool that prints the tables of docs/judge.md, on a small study."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from verification_files import verification

from data_prep.pairs import write_pairs
from eval.scores import PairScores, write_scores
from eval.simulation.networks import Components, normal_distances, simulated_distances
from eval.simulation.structure import structure_of
from eval.verification import fold_accuracies

TOOLS = Path(__file__).resolve().parents[2] / "tools"
MODEL = Components(normal_distances(0.8), by_pair=0.7, strength=0.2, slope=0.14)


def tables(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(TOOLS / "simulate_judge.py"), *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=200)


@pytest.fixture
def study(tmp_path):
    """Two finished seeds of two recipes on 100 pairs, and a run that has not come so far."""
    images = [f"image {i}".encode() for i in range(150)]
    same = np.arange(100) % 2 == 0
    write_pairs(tmp_path / "toy.bin", [images[i % 150] for i in range(200)], same)
    distances = simulated_distances(
        MODEL, structure_of([images[i % 150] for i in range(200)], same), 2, (0.0, 0.0),
        np.random.default_rng(0),
    )  # fmt: skip
    for recipe, runs in zip(("arcface", "mma"), distances, strict=True):
        for seed, found in enumerate(runs):
            save(tmp_path / "study/runs" / recipe / f"seed_{seed}", seed, 200, found, same)
    save(tmp_path / "study/runs/mma/seed_2", 2, 100, distances[0, 0], same)
    return tmp_path


def save(run, seed, step, distances, same):
    (run / "eval").mkdir(parents=True)
    (run / "config.yaml").write_text(yaml.safe_dump({"run": {"seed": seed}}))
    accuracy = fold_accuracies(distances, same)[0]
    result = {
        "pairs": 100, "same": 50, "images": 200, "unique_images": 150,
        "accuracy": {"mean": accuracy.mean(), "std": 0.1, "folds": accuracy.tolist(),
                     "thresholds": [], "ci95": [0.0, 1.0]},
    }  # fmt: skip
    file = run / "eval" / f"step_{step:08d}.json"
    file.write_text(json.dumps(verification({"toy": result})))
    write_scores(file.with_suffix(".npz"), {"toy": PairScores(distances, same)})


def test_tables_of_a_study(study):
    done = tables(
        "pairs", "--study", study / "study", "--target", "toy", "--pairs", study / "toy.bin",
        "--studies", 4,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "**2 recipes with 2 seeds on 100 pairs**" in done.stdout
    assert "| McNemar's score test, one run each | recipes, on these pairs |" in done.stdout
    assert "| paired t by seed, accuracy | recipes, on all such pairs |" in done.stdout
    assert "| 2.0 | accuracy |" in done.stdout
    assert "| 99.5% | as in the file |" in done.stdout
    widths = [
        [line.count("|") for line in part.splitlines() if line.startswith("|")]
        for part in done.stdout.split("**")
    ]
    assert all(len(set(width)) <= 1 for width in widths)  # heads are as wide as rows


def test_tables_of_seeds():
    done = tables("seeds", "--studies", 20)
    assert done.returncode == 0, done.stderr
    assert "| paired t, correlation 0.5 |" in done.stdout
    assert "| 7 |" in done.stdout
    assert "paired t after 3, 4, … 10 seeds" in done.stdout


def test_mistakes_have_one_line(study):
    done = tables("pairs", "--study", study / "study")
    assert (done.returncode, done.stderr) == (2, "pairs needs --study, --target and --pairs\n")
    rest = ("--target", "toy", "--pairs", study / "toy.bin")
    done = tables("pairs", "--study", study, *rest)
    assert done.returncode == 2
    assert done.stderr.endswith("no folder runs in it; give the --out folder of a study\n")
    (study / "empty/runs").mkdir(parents=True)
    done = tables("pairs", "--study", study / "empty", *rest)
    assert done.returncode == 2
    assert done.stderr.startswith("give at least two recipes")
