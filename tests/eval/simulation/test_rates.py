"""The judge under a known truth: what keeps its 5%, what does not, and that it is the judge."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from eval.groups import Group
from eval.judge import compare_groups, with_verdicts
from eval.multiple_testing import holm
from eval.runs import Results, Run, TargetResult
from eval.scores import PairScores
from eval.simulation.networks import Components, normal_distances, simulated_distances
from eval.simulation.rates import any_shown, rate, shown, simulate
from eval.simulation.structure import Sharing, unshared
from eval.study import Arm, judged
from eval.t_tests import paired_p
from eval.verification import fold_accuracies, verify

PAIRS = unshared(600)
SLOPE = 0.1
MODEL = Components(
    normal_distances(0.9), by_pair=0.6, common=Sharing(0.1, 0.1), strength=0.3, slope=SLOPE
)
"""About ±3 points from seed to seed, on few pairs."""


def within(found, expected, sigmas=3.5):
    """Whether a rate is what chance allows around `expected`."""
    return abs(found.share - expected) <= sigmas * np.sqrt(expected * (1 - expected) / found.of)


def test_over_seeds_the_judge_keeps_its_five_percent_and_over_pairs_it_does_not():
    """One run each tells nothing of recipes: McNemar's tests call equal ones different."""
    outcomes = simulate(MODEL, PAIRS, 5, (0.0, 0.0), 400, np.random.default_rng(0))
    for metric, figures in outcomes.figures.items():
        by_seed = shown(paired_p(figures[:, 0], figures[:, 1]))
        assert within(by_seed, 0.05), (metric, str(by_seed))
    for test, p in outcomes.single.items():
        assert shown(p).interval[0] > 0.2, test


def test_over_pairs_equal_networks_are_called_different_in_five_percent():
    networks = MODEL.without_seeds()
    outcomes = simulate(networks, PAIRS, 1, (0.0, 0.0), 400, np.random.default_rng(1))
    for test, p in outcomes.single.items():
        assert shown(p).share < 0.12, test  # thresholds that the pairs choose add a little


def test_differences_are_shown_more_often_the_larger_they_are():
    found = []
    for points in (0.0, 0.05, 0.1):
        outcomes = simulate(MODEL, PAIRS, 5, (0.0, points), 60, np.random.default_rng(2))
        figures = outcomes.figures["accuracy"]
        found.append(shown(paired_p(figures[:, 0], figures[:, 1])).share)
    assert found[0] < 0.2 < found[1] < found[2]


@pytest.mark.parametrize("seeds", [1, 4])
def test_it_is_the_judge_that_is_simulated(seeds):
    """p of `simulate` and `paired_p` are those of the verdicts of `eval compare`."""
    shifts = (0.0, 0.01, 0.05)
    outcomes = simulate(MODEL, PAIRS, seeds, shifts, 2, np.random.default_rng(3))
    rng = np.random.default_rng(3)
    for study in range(2):
        distances = simulated_distances(MODEL, PAIRS, seeds, shifts, rng)
        groups = [group(f"g{i}", runs) for i, runs in enumerate(distances)]
        differences = [compare_groups("lfw", groups[0], other) for other in groups[1:]]
        found = with_verdicts(differences, 0.001)
        accuracy = outcomes.figures["accuracy"][study]
        if seeds == 1:
            assert found[0].verdict.p == outcomes.single["score"][study]
            assert found[0].mcnemar.p == outcomes.single["exact"][study]
            assert found[0].folds.p == pytest.approx(outcomes.single["folds"][study], rel=1e-12)
            continue
        p = paired_p(accuracy[:1], accuracy[1:])
        assert [d.verdict.p for d in found] == p.tolist()
        assert [d.verdict.p_holm for d in found] == holm(p.tolist())
        assert [d.verdict for d in in_a_study(groups)] == [d.verdict for d in found]
        assert any(d.shown for d in found) == (any_shown(p[None]).times == 1)


def in_a_study(groups):
    """The differences to the first group as `study` judges them."""
    arms = [Arm(each.name, each, tuple(range(4)), {}, {}) for each in groups]
    (comparison,) = judged([*arms], [("g0", "g1"), ("g0", "g2")], ["lfw"])
    return comparison.targets[0].differences


def group(name, distances):
    """A group whose runs have these (seeds, P) distances."""
    runs = []
    for seed, found in enumerate(distances):
        path = Path(f"{name}_{seed}.json")
        accuracy = fold_accuracies(found, PAIRS.same)[0]
        result = TargetResult.model_validate(
            {
                "pairs": len(found), "same": int(PAIRS.same.sum()),
                "accuracy": {
                    "mean": accuracy.mean(), "std": 0.0, "folds": accuracy.tolist(),
                    "ci95": [0.0, 1.0],
                },
            }
        )  # fmt: skip
        runs.append(
            Run(f"{name}_{seed}", path, None, path, 1, Results({"lfw": result}),
                {"run.seed": seed}, None, {"lfw": PairScores(found, PAIRS.same)})
        )  # fmt: skip
    return Group(name, tuple(runs))


def test_tar_is_the_protocols():
    outcomes = simulate(MODEL, PAIRS, 1, (0.0, 0.0), 1, np.random.default_rng(4))
    assert sorted(outcomes.figures) == ["accuracy", "tar@1e-1"]  # 300 different pairs
    distances = simulated_distances(MODEL, PAIRS, 1, (0.0, 0.0), np.random.default_rng(4))
    # Two 1-d "embeddings" cannot have any distance, so the protocol's own ROC is asked.
    angles = np.arccos(1 - np.clip(distances[0, 0].astype(np.float64), 0, 4) / 2)
    a = np.tile([1.0, 0.0], (len(angles), 1))
    b = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    expected = verify(a, b, PAIRS.same)
    assert outcomes.figures["tar@1e-1"][0, 0, 0] == expected.tar_at_far["1e-1"]
    assert outcomes.figures["accuracy"][0, 0, 0] == pytest.approx(expected.accuracy_mean)


def test_rates():
    found = rate(np.array([True] * 5 + [False] * 95))
    assert (found.times, found.of, found.share) == (5, 100, 0.05)
    assert found.interval[0] < 0.05 < found.interval[1]
    assert str(found) == "5.0 (2.2 to 11.2)"
    assert shown(np.array([0.049, 0.05])).times == 1
    p = np.array([[0.03, 0.6], [0.02, 0.6]])  # Holm doubles the smaller one
    assert any_shown(p).times == 1
    assert any_shown(p, list).times == 2
