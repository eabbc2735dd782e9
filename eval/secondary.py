"""Figures that a study reports beside the one that it judges: means, differences, no verdicts.

Several figures of the same runs, each with a verdict of its own, would find a difference by chance
too often. So these have plain 95% intervals and nothing is concluded from them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval.compare import GroupFigure, figure_over_runs
from eval.groups import Group, with_common_seeds
from eval.judge import compare_groups
from eval.metric import Metric
from eval.t_tests import PairedDifference, SeedDifference

LEVEL = 0.95


@dataclass(frozen=True)
class SecondaryDifference:
    """`test` is the t test paired by seed where both groups ran the same seeds, else Welch's; None
    with fewer than two runs of either."""

    reference: str
    name: str
    test: PairedDifference | SeedDifference | None


@dataclass(frozen=True)
class Secondary:
    """One figure on one target: of each group, and the differences of the study's comparisons."""

    metric: Metric
    target: str
    figures: Mapping[str, GroupFigure | None]
    differences: tuple[SecondaryDifference, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain Python values, shares of 1."""
        return {
            "metric": self.metric.name,
            "higher_is_better": self.metric.higher_is_better,
            "target": self.target,
            "variants": {
                name: {"mean": figure.mean, "std": figure.std}
                for name, figure in self.figures.items()
                if figure is not None
            },
            "differences": [
                {
                    "reference": d.reference,
                    "variant": d.name,
                    "difference": d.test.mean,
                    "interval": list(d.test.interval_at(LEVEL)),
                    "level": LEVEL,
                    "paired": isinstance(d.test, PairedDifference),
                }
                for d in self.differences
                if d.test is not None
            ],
        }


def secondary(
    metric: Metric, target: str, groups: Mapping[str, Group], pairs: Sequence[tuple[str, str]]
) -> Secondary:
    """Args: pairs: (reference, variant), names of `groups`."""
    return Secondary(
        metric,
        target,
        {name: figure_over_runs(group.values(target, metric)) for name, group in groups.items()},
        tuple(
            SecondaryDifference(ref, name, _test(metric, target, groups[ref], groups[name]))
            for ref, name in pairs
        ),
    )


def _test(
    metric: Metric, target: str, reference: Group, group: Group
) -> PairedDifference | SeedDifference | None:
    if not (reference.runs and group.runs):
        return None
    both = with_common_seeds(reference, group)
    test = compare_groups(target, *both, metric).primary
    return test if isinstance(test, PairedDifference | SeedDifference) else None
