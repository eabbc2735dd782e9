"""A group against the reference on one target: all tests of the difference, and the verdict.

Difference, interval and p-value of a verdict come from one test, the one that the design of the
comparison asks for. The other tests stand beside it and decide nothing.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

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
    """What the four tests that may give a verdict have in common."""

    @property
    def mean(self) -> float: ...
    @property
    def p(self) -> float: ...
    def interval_at(self, level: float) -> tuple[float, float]: ...


@dataclass(frozen=True)
class Verdict:
    """The one test that is judged.

    Attributes:
        unit, test: what its sample consists of, and its name.
        mean: the difference, a share of 1.
        level, interval: the interval leaves out zero exactly where the difference is shown, that
            is where `p_holm` < 5%; for that its level is above 95% where several verdicts are
            corrected, see `eval.multiple_testing.interval_level`.
        p, p_holm: by itself, and corrected for all verdicts of the comparison.
    """

    unit: Literal["seeds", "pairs", "folds"]
    test: str
    mean: float
    interval: tuple[float, float]
    level: float
    p: float
    p_holm: float


@dataclass(frozen=True)
class Difference:
    """A group against the reference on one target; accuracies as shares of 1.

    Attributes:
        reference, name, target, pairs: against whom, who, where, on how many pairs.
        design: what decides which test gives the verdict; None where none can be given.
        verdict: the judged test; None where none can be judged.
        sentence: what to conclude, in one sentence.
        words: why there is no verdict, in two words; empty where there is one.
        by_seed: paired t by seed, where both groups ran the same seeds.
        seeds: Welch's t over seeds; needs two runs of each.
        score: the score test on the two networks' decisions, where each group is one run and the
            scores are there; `mcnemar` is its exact form.
        bootstrap: over pairs, of the difference of the groups' mean rightness: how far other pairs
            of this kind would move it, the networks staying what they are.
        folds: paired t over the folds, of the groups' mean accuracies.
        resolves: the smallest true difference the judged test shows in 80% of the cases.
        needed: seeds of each that would show the difference asked about.
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

    @property
    def shown(self) -> bool:
        """Whether a difference could be shown, all verdicts of the comparison considered."""
        return self.verdict is not None and self.verdict.p_holm < SIGNIFICANCE

    @property
    def primary(self) -> _Test | None:
        """The test that the design asks for; None where it has no value."""
        if self.design == "same seeds":
            return self.by_seed if self.by_seed and self.by_seed.standard_error > 0 else None
        if self.design == "other seeds":
            return self.seeds
        return {"pairs": self.score, "folds": self.folds}.get(self.design or "")

    def to_json(self) -> dict[str, Any]:
        """Plain Python values."""
        return {**asdict(self), "shown": self.shown}
