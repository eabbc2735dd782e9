"""A group against the reference on one target: all tests of the difference, and the verdict.

Difference, interval and p-value of a verdict come from one test, determined by the design of the
comparison. The other tests are only reported.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

from eval.metric import ACCURACY, METRICS
from eval.multiple_testing import SIGNIFICANCE
from eval.power import SeedsNeeded
from eval.score_test import PairedShares
from eval.statistics import Bootstrap, McNemar
from eval.t_tests import PairedDifference, SeedDifference

Design = Literal["same seeds", "other seeds", "pairs", "folds"]

TESTS: dict[Design, str] = {
    "same seeds": "paired t by seed",
    "other seeds": "Welch's t over seeds",
    "pairs": "McNemar's score test",
    "folds": "paired t over folds",
}
"""Design → the test that gives the verdict."""

UNITS: dict[Design, Literal["seeds", "pairs", "folds"]] = {
    "same seeds": "seeds",
    "other seeds": "seeds",
    "pairs": "pairs",
    "folds": "folds",
}


class _Test(Protocol):
    """The common interface of the four tests that may give a verdict."""

    @property
    def mean(self) -> float: ...
    @property
    def p(self) -> float: ...
    def interval_at(self, level: float) -> tuple[float, float]: ...


@dataclass(frozen=True)
class Verdict:
    """The result of the test that decides.

    Attributes:
        unit, test: the unit of its sample, and its name.
        mean: the difference, as a fraction.
        level, interval: the interval excludes zero exactly when the difference is shown, that is
            when `p_holm` < 5%. With several verdicts its level is therefore above 95%, see
            `eval.multiple_testing.interval_level`.
        p, p_holm: uncorrected, and corrected for all verdicts of the comparison or study.
        of: how many verdicts that are.
    """

    unit: Literal["seeds", "pairs", "folds"]
    test: str
    mean: float
    interval: tuple[float, float]
    level: float
    p: float
    p_holm: float
    of: int = 1


@dataclass(frozen=True)
class Difference:
    """A group against the reference on one target; figures as fractions.

    Attributes:
        reference, name, target, pairs: the names of both groups, the target, its number of pairs.
        metric: the name of the figure that is compared, one of `eval.metric.METRICS`.
        design: determines which test gives the verdict; None if there is no verdict.
        verdict: the result of that test; None if there is no verdict.
        sentence: the conclusion in one sentence.
        words: why there is no verdict, in two words; empty if there is one.
        by_seed: paired t by seed, if both groups ran the same seeds.
        seeds: Welch's t over seeds; needs two runs of each.
        score: the score test on the two networks' decisions, if each group is one run and has
            scores; `mcnemar` is its exact form.
        bootstrap: over pairs, of the difference of the groups' mean correctness: how much it could
            vary with other pairs of this kind, for the same networks.
        folds: paired t over the folds, of the groups' mean accuracies.
        resolves: the smallest true difference that the deciding test shows in 80% of the cases.
        needed: the number of seeds per recipe that would show the difference `resolve`.
    """

    reference: str
    name: str
    target: str
    verdict: Verdict | None = None
    sentence: str = ""
    words: str = ""
    design: Design | None = None
    seeds: SeedDifference | None = None
    by_seed: PairedDifference | None = None
    score: PairedShares | None = None
    mcnemar: McNemar | None = None
    bootstrap: Bootstrap | None = None
    folds: PairedDifference | None = None
    resolves: float | None = None
    needed: SeedsNeeded | None = None
    pairs: int = 0
    metric: str = ACCURACY.name

    @property
    def shown(self) -> bool:
        """Whether a difference is shown, after correction for all verdicts of the comparison."""
        return self.verdict is not None and self.verdict.p_holm < SIGNIFICANCE

    @property
    def favours_group(self) -> bool:
        """Whether the group's figure is better than the reference's, shown or not."""
        assert self.verdict is not None
        return (self.verdict.mean > 0) == METRICS[self.metric].higher_is_better

    @property
    def primary(self) -> _Test | None:
        """The test that the design determines; None if it has no result."""
        if self.design == "same seeds":
            return self.by_seed if self.by_seed and self.by_seed.standard_error > 0 else None
        if self.design == "other seeds":
            return self.seeds
        return {"pairs": self.score, "folds": self.folds}.get(self.design or "")

    def to_json(self) -> dict[str, Any]:
        """Plain Python values."""
        return {**asdict(self), "shown": self.shown}
