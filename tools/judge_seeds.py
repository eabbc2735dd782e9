"""False positives and power where figures of runs are drawn directly, without pairs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from judge_table import SEEDS, Table, seed_head
from numpy.typing import NDArray

from eval.multiple_testing import SIGNIFICANCE
from eval.power import paired, power, seeds_needed
from eval.simulation.rates import any_shown, rate, shown
from eval.simulation.seeds import SeedModel
from eval.t_tests import paired_p, welch_p

PILOTS = 500
WELCH_TEN = "welch 10"


def seed_tables(studies: int, rng: np.random.Generator) -> Iterator[Table]:
    """All tables that need no data."""
    yield Table(
        f"Equal recipes called different, % ({studies:,} studies a cell; 5 is right)",
        seed_head("figures over seeds"),
        [_false_positives(name, test, model, studies, rng) for name, test, model in conditions()],
    )
    yield Table(
        "Any of several equal variants called different from one reference, %, five seeds",
        ["variants", "Holm's correction", "uncorrected"],
        [_several(others, studies // 4, rng) for others in (1, 3, 7)],
    )
    yield Table(
        "True differences shown by the paired t, %, (what the power analysis says), and × how far "
        "those shown are exaggerated",
        seed_head("difference ÷ deviation of the differences"),
        [_power(size, studies, rng) for size in (0.25, 0.5, 1.0, 2.0, 4.0)],
    )
    yield Table(
        "As many seeds as the power analysis says for 80%",
        [
            "difference ÷ deviation", "seeds said", "shown, %",
            "said after a pilot of five: mean power", "lowest tenth", "with twice as many: mean",
        ],
        [_suggested(size, studies, rng) for size in (0.5, 1.0, 2.0)],
    )  # fmt: skip
    drawn = SeedModel().figures(studies, 10, rng)
    looks = [paired_p(drawn[:, 0, :n], drawn[:, 1, :n]) < SIGNIFICANCE for n in range(3, 11)]
    yield Table(
        "Equal recipes, seeds added until a difference is shown",
        ["", "shown, %"],
        [["paired t after 3, 4, … 10 seeds", rate(np.any(looks, axis=0))]],
    )


def conditions() -> list[tuple[str, str, SeedModel]]:
    """Name, test and model of recipes with equal means."""
    heavy, skewed = SeedModel(tails=("heavy",) * 2), SeedModel(tails=("skewed",) * 2)
    fails = SeedModel(failing=(0.05, 0.05), loss=10.0)
    steadier = SeedModel(spreads=(1, 3))
    found = [
        *((f"paired t, correlation {r}", "paired", SeedModel(correlation=r)) for r in (0, 0.5)),
        ("paired t, correlation 0.9", "paired", SeedModel(correlation=0.9)),
        ("paired t, heavy tails (t with 3 degrees of freedom)", "paired", heavy),
        ("paired t, long tail downwards (exponential)", "paired", skewed),
        ("paired t, 1 run in 20 fails", "paired", fails),
        ("paired t, deviations 1 : 3", "paired", steadier),
        ("paired t, long tail in one recipe", "paired", SeedModel(tails=("normal", "skewed"))),
        (
            "paired t, 1 run in 20 of one recipe fails; equal means",
            "paired",
            SeedModel(means=(0, 0.5), failing=(0, 0.05), loss=10.0),
        ),
        ("Welch's t", "welch", SeedModel()),
        ("Welch's t, heavy tails", "welch", heavy),
        ("Welch's t, 1 run in 20 fails", "welch", fails),
        ("Welch's t, deviations 1 : 3", "welch", steadier),
        ("Welch's t against 10 runs", WELCH_TEN, SeedModel()),
        ("Welch's t against 10 runs of a third of the deviation", WELCH_TEN, steadier),
        ("Welch's t on the same seeds, correlation 0.9", "welch", SeedModel(correlation=0.9)),
    ]
    return found


def _false_positives(
    name: str, test: str, model: SeedModel, studies: int, rng: np.random.Generator
) -> list[object]:
    return [name, *(shown(_p(test, model, n, studies, rng)) for n in SEEDS)]


def _p(
    test: str, model: SeedModel, seeds: int, studies: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    drawn = model.figures(studies, 10 if test == WELCH_TEN else seeds, rng)
    if test == "paired":
        return paired_p(drawn[:, 0], drawn[:, 1])
    return welch_p(drawn[:, 0], drawn[:, 1, :seeds])


def _several(others: int, studies: int, rng: np.random.Generator) -> list[object]:
    n = others + 1
    model = SeedModel((0.0,) * n, (1.0,) * n, 0.3, ("normal",) * n, (0.0,) * n)
    drawn = model.figures(studies, 5, rng)
    p = paired_p(drawn[:, :1], drawn[:, 1:])
    return [others, any_shown(p), any_shown(p, list)]


def _differing(size: float) -> SeedModel:
    """Recipes whose differences have the deviation 1 and the mean `size`."""
    return SeedModel((0.0, size), (np.sqrt(0.5), np.sqrt(0.5)))


def _power(size: float, studies: int, rng: np.random.Generator) -> list[object]:
    cells = []
    for seeds in SEEDS:
        drawn = _differing(size).figures(studies, seeds, rng)
        seen = paired_p(drawn[:, 0], drawn[:, 1]) < SIGNIFICANCE
        found = (drawn[:, 1] - drawn[:, 0]).mean(axis=1)[seen]
        said = 100 * power(size, paired(1.0, seeds))
        cells.append(f"{100 * np.mean(seen):.1f} ({said:.1f}) ×{np.mean(np.abs(found)) / size:.1f}")
    return [size, *cells]


def _suggested(size: float, studies: int, rng: np.random.Generator) -> list[object]:
    seeds = seeds_needed(size, 1.0, 4, paired).seeds
    drawn = _differing(size).figures(studies, seeds, rng)
    pilots = rng.normal(size=(min(PILOTS, studies), 5)).std(axis=1, ddof=1)
    said = [seeds_needed(size, float(spread), 4, paired).seeds for spread in pilots]
    reached, doubled = (
        np.array([power(size, paired(1.0, times * each)) for each in said]) for times in (1, 2)
    )
    return [
        size, seeds, shown(paired_p(drawn[:, 0], drawn[:, 1])),
        f"{100 * reached.mean():.0f}%", f"below {100 * np.quantile(reached, 0.1):.0f}%",
        f"{100 * doubled.mean():.0f}%",
    ]  # fmt: skip
