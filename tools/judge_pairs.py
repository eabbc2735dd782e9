"""False positives and power of networks simulated from the runs of a study, pair by pair."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from judge_table import Table, seed_head
from numpy.typing import NDArray

from data_prep.errors import UserError
from data_prep.pairs import read_pairs
from eval.groups import Group
from eval.runs import Run, read_run
from eval.score_test import paired_shares
from eval.simulation.components import Observed, distances_of, measure, observe
from eval.simulation.networks import Components, normal_distances, simulated_distances
from eval.simulation.rates import SINGLE_RUN_TESTS, Outcomes, Rate, shown, simulate
from eval.simulation.structure import PairStructure, structure_of, unshared
from eval.t_tests import paired_p, welch_p
from eval.verification import THRESHOLDS

POINTS = (0.1, 0.25, 0.5, 1.0, 2.0)
SEEDS = (2, 3, 5)
MOST = max(SEEDS)
ACCURACIES = (0.6, 0.8, 0.95, 0.995)
COPIES = 20

OBSERVED = {
    "accuracy": ("accuracy, %", 100),
    "seed_sd": ("standard deviation over seeds, points", 100),
    "seed_correlation": ("correlation of two recipes with one seed", 1),
    "disagreement": ("pairs that two runs of one recipe decide differently, %", 100),
    "excess": ("McNemar's chi-squared of two runs of one recipe, mean", 1),
    "called_different": ("two runs of one recipe that it calls different, %", 100),
}


def pair_tables(
    study: Path,
    variants: Sequence[str],
    target: str,
    pairs: Path,
    studies: int,
    rng: np.random.Generator,
) -> Iterator[Table]:
    """Components of a study's runs, and what the judge makes of networks simulated from them.

    Raises:
        UserError: the study has too few runs with scores, or other pairs than the file.
    """
    distances = distances_of(read_study(study, variants), target)
    structure = structure_of(*read_pairs(pairs))
    if distances.shape[-1] != len(structure.same):
        raise UserError(f"{pairs}: has {len(structure.same)} pairs, not the runs' {target}")
    components = measure(distances, structure, rng)
    yield _likeness(distances, structure, components, rng)
    yield _components(components, observe(distances, structure.same))
    yield _false_positives(components, structure, studies, rng)
    yield _power(components, structure, studies // 2, rng)
    yield _networks(components, structure, studies, rng)


def read_study(folder: Path, variants: Sequence[str]) -> list[Group]:
    """The runs of each variant that have the study's last verification."""
    if not (folder / "runs").is_dir():
        raise UserError(f"{folder}: no folder runs in it; give the --out folder of a study")
    names = variants or sorted(path.name for path in (folder / "runs").glob("*"))
    found = {
        name: [
            read_run(path)
            for path in sorted((folder / "runs" / name).glob("seed_*"))
            if any((path / "eval").glob("step_*.json"))
        ]
        for name in names
    }
    last = max((run.step or 0 for runs in found.values() for run in runs), default=0)
    return [Group(name, _at(last, runs)) for name, runs in found.items()]


def _at(step: int, runs: Sequence[Run]) -> tuple[Run, ...]:
    return tuple(run for run in runs if run.step == step)


def _likeness(
    distances: NDArray[np.floating],
    structure: PairStructure,
    components: Components,
    rng: np.random.Generator,
) -> Table:
    recipes, seeds = distances.shape[:2]
    real, equal = observe(distances, structure.same), (0.0,) * recipes
    copies = [
        observe(simulated_distances(components, structure, seeds, equal, rng), structure.same)
        for _ in range(COPIES)
    ]
    rows = []
    for name, (label, unit) in OBSERVED.items():
        low, high = np.quantile([unit * getattr(copy, name) for copy in copies], [0.05, 0.95])
        rows.append([label, f"{unit * getattr(real, name):.2f}", f"{low:.2f} to {high:.2f}"])
    return Table(
        f"{recipes} recipes with {seeds} seeds on {len(structure.same):,} pairs",
        ["", "measured", "simulated, middle 90%"],
        rows,
    )


def _components(c: Components, real: Observed) -> Table:
    strength = (c.strength * c.slope / real.seed_sd) ** 2 if real.seed_sd else 0.0
    own = 1 - c.by_pair - c.by_recipe - c.by_seed
    rows = [
        ("variance of a pair's score: common to all networks", f"{c.by_pair:.3f}"),
        ("common to a recipe's networks", f"{c.by_recipe:.3f}"),
        ("common to networks with one seed", f"{c.by_seed:.3f}"),
        ("a network's own", f"{own:.3f}"),
        ("of the common part: by people; by images", _two(c.common.person, c.common.image)),
        ("of the other parts: by people; by images", _two(c.own.person, c.own.image)),
        ("variance over seeds that other pairs would show too", f"{strength:.3f}"),
        ("correlation of this with one seed", f"{c.strength_correlation:.3f}"),
    ]
    return Table("Components, as shares", ["", ""], rows)


def _two(first: float, second: float) -> str:
    return f"{first:.3f}; {second:.3f}"


def _false_positives(
    components: Components, structure: PairStructure, studies: int, rng: np.random.Generator
) -> Table:
    equal = (0.0, 0.0)
    claims = {
        "recipes, on these pairs": components.without_recipe_pairs(),
        "recipes, on all such pairs": components,
    }
    recipes = {
        claim: simulate(each, structure, MOST, equal, studies, rng)
        for claim, each in claims.items()
    }
    networks = simulate(components.without_seeds(), structure, 1, equal, studies, rng)
    rows: list[list[object]] = []
    for claim, found in recipes.items():
        rows += [[f"paired t by seed, {m}", claim, *_by_seed(found, m)] for m in found.figures]
        rows.append(["Welch's t over other seeds, accuracy", claim, *_welch(found)])
    for claim, found in {**recipes, "these two networks, on all such pairs": networks}.items():
        for test, name in SINGLE_RUN_TESTS.items():
            one = shown(found.single[test])
            rows.append([f"{name}, one run each", claim, one, *[""] * (len(SEEDS) - 1)])
    return Table(
        f"Equal recipes or networks called different, % ({studies:,} studies; 5 is right)",
        seed_head("test", "what is equal", seeds=SEEDS),
        rows,
    )


def _networks(
    components: Components, structure: PairStructure, studies: int, rng: np.random.Generator
) -> Table:
    """Equally strong networks at other accuracies, with normal distances."""
    structures = {"share nothing": unshared(len(structure.same)), "as in the file": structure}
    rows: list[list[object]] = []
    for accuracy in ACCURACIES:
        each = replace(components.without_seeds(), quantiles=normal_distances(accuracy))
        for name, pairs in structures.items():
            found = simulate(each, pairs, 1, (0.0, 0.0), studies, rng).single
            fixed = _at_one_threshold(each, pairs, studies, rng)
            rows.append([f"{100 * accuracy:g}%", name, *map(shown, found.values()), fixed])
    return Table(
        f"Two equally good networks called different, % ({studies:,} comparisons)",
        ["accuracy", "pairs", *SINGLE_RUN_TESTS.values(), "score test, one threshold"],
        rows,
    )


def _at_one_threshold(
    components: Components, structure: PairStructure, studies: int, rng: np.random.Generator
) -> Rate:
    """The score test on decisions at the threshold that is best on all pairs of a network."""
    same, p_values = structure.same, []
    for _ in range(studies):
        both = simulated_distances(components, structure, 1, (0.0, 0.0), rng)[:, 0]
        p_values.append(paired_shares(*((d < _best(d, same)) == same for d in both)).p)
    return shown(np.array(p_values))


def _best(distances: NDArray[np.floating], same: NDArray[np.bool_]) -> float:
    accepted, false = (
        np.searchsorted(np.sort(distances[kind]), THRESHOLDS) for kind in (same, ~same)
    )
    return float(THRESHOLDS[np.argmax(accepted - false)])


def _by_seed(outcomes: Outcomes, metric: str) -> list[object]:
    figures = outcomes.figures[metric]
    return [shown(paired_p(figures[:, 0, :n], figures[:, 1, :n])) for n in SEEDS]


def _welch(outcomes: Outcomes) -> list[object]:
    """The first recipe's first runs against the second one's last: they have other seeds."""
    figures = outcomes.figures["accuracy"]
    most = figures.shape[-1] // 2
    return [
        shown(welch_p(figures[:, 0, :n], figures[:, 1, -n:])) if n <= most else "" for n in SEEDS
    ]


def _power(
    components: Components, structure: PairStructure, studies: int, rng: np.random.Generator
) -> Table:
    rows: list[list[object]] = []
    for points in POINTS:
        found = simulate(components, structure, MOST, (0.0, points / 100), studies, rng)
        rows += [[points, metric, *_by_seed(found, metric)] for metric in found.figures]
    return Table(
        f"True differences shown by the paired t by seed, % ({studies:,} studies)",
        seed_head("points of accuracy", "judged by", seeds=SEEDS),
        rows,
    )
