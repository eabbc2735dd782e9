"""What a study found: its arms, their figures beside a paper's, and the judged comparisons.

An arm is a variant with its runs by seed. Comparisons of two arms use the seeds that both have, so
that an unfinished study, too, is paired by seed. All verdicts of a study are corrected together.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval.compare import RESOLVE, Comparison, GroupFigure, comparison_of, figure_over_runs
from eval.difference import Difference
from eval.groups import Group, with_common_seeds
from eval.judge import compare_groups, with_verdicts
from eval.metric import ACCURACY, Metric
from eval.secondary import Secondary
from eval.wording import verdict_words


@dataclass(frozen=True)
class Arm:
    """A variant. `seeds` were planned, `group` has the finished runs; `paper`: by target, a share.

    `changes`: what it changes of the base recipe, by dotted key.
    """

    name: str
    group: Group
    seeds: tuple[int, ...]
    paper: Mapping[str, float]
    changes: Mapping[str, object]

    def figure(self, target: str, metric: Metric) -> GroupFigure | None:
        """Mean and spread over the finished runs."""
        return figure_over_runs(self.group.values(target, metric))


@dataclass(frozen=True)
class Unfinished:
    """A run that the study has no result of, and why."""

    name: str
    why: str


@dataclass(frozen=True)
class Study:
    """Everything that the reports of a study show.

    `overall` has all arms and no differences. `comparisons`: one for each reference, in the order
    of the file. `secondary`: figures without verdicts. `paper`, `hypothesis`, `plan` are the
    user's texts.
    of the file. `paper`, `hypothesis`, `plan` and `needs` are the user's texts.
    """

    name: str
    targets: tuple[str, ...]
    arms: tuple[Arm, ...]
    overall: Comparison
    comparisons: tuple[Comparison, ...]
    unfinished: tuple[Unfinished, ...]
    secondary: tuple[Secondary, ...] = ()
    paper: str = ""
    hypothesis: str = ""
    plan: str = ""
    needs: str = ""

    @property
    def metric(self) -> Metric:
        """The figure that is judged."""
        return self.overall.metric

    @property
    def differences(self) -> list[Difference]:
        """All judged and unjudged differences."""
        return [d for c in self.comparisons for target in c.targets for d in target.differences]

    @property
    def warnings(self) -> tuple[str, ...]:
        """Those of all comparisons, each once."""
        return tuple(dict.fromkeys(w for c in self.comparisons for w in c.warnings))

    @property
    def caveats(self) -> tuple[str, ...]:
        """The limits of all comparisons, each once."""
        return tuple(dict.fromkeys(c for each in self.comparisons for c in each.caveats))

    def to_json(self) -> dict[str, Any]:
        """Plain Python values, as written to study.json; all figures are shares of 1."""
        return {
            "schema": 1,
            "name": self.name,
            "metric": {
                "name": self.metric.name,
                "unit": "fraction",
                "higher_is_better": self.metric.higher_is_better,
            },
            "checkpoint": "last",
            "targets": list(self.targets),
            "complete": not self.unfinished,
            "variants": {arm.name: self._arm_json(arm) for arm in self.arms},
            "comparisons": [_comparison_json(d) for d in self.differences],
            "secondary": [each.to_json() for each in self.secondary],
            "not_run": [{"run": each.name, "why": each.why} for each in self.unfinished],
            "paper": self.paper,
            "hypothesis": self.hypothesis,
            "plan": self.plan,
            "needs": self.needs,
        }

    def _arm_json(self, arm: Arm) -> dict[str, Any]:
        figures = {t: f for t in self.targets if (f := arm.figure(t, self.metric)) is not None}
        return {
            "runs": [
                {
                    "seed": run.seed,
                    "run": str(run.path),
                    "step": run.step,
                    "values": {
                        target: self.metric.read(run.results.targets[target])
                        for target in self.targets
                        if target in run.results.targets
                    },
                }
                for run in arm.group.runs
            ],
            "seeds": list(arm.seeds),
            "mean": {target: figure.mean for target, figure in figures.items()},
            "std": {target: figure.std for target, figure in figures.items()},
            "paper": dict(arm.paper),
            "changes": dict(arm.changes),
        }


def judged(
    arms: Sequence[Arm],
    pairs: Sequence[tuple[str, str]],
    targets: Sequence[str],
    resolve: float = RESOLVE,
    changed: Collection[str] = (),
    metric: Metric = ACCURACY,
) -> tuple[Comparison, ...]:
    """Compare arms, one `Comparison` for each reference, with Holm's correction over all of them.

    Args:
        pairs: (reference, variant).
        resolve: the difference, as a share, for which to compute the number of seeds needed.
        changed: dotted keys that the arms differ in on purpose.
        metric: the figure that is compared.
    """
    groups = {arm.name: arm.group for arm in arms}
    by_name = {arm.name: arm for arm in arms}
    places = [(target, *pair) for target in targets for pair in pairs]
    found = with_verdicts(
        [_compared(target, by_name[ref], by_name[name], metric) for target, ref, name in places],
        resolve,
    )
    result = []
    for reference in dict.fromkeys(reference for reference, _ in pairs):
        others = [name for ref, name in pairs if ref == reference]
        differences = [d for d in found if d.reference == reference]
        members = [groups[reference], *(groups[name] for name in others)]
        result.append(comparison_of(members, targets, differences, changed, metric))
    return tuple(result)


def _compared(target: str, reference: Arm, arm: Arm, metric: Metric) -> Difference:
    for each in (reference, arm):
        if not each.group.runs:
            return Difference(
                reference.name, arm.name, target,
                sentence=f"not compared: {each.name} has no finished run", words="not run yet",
                metric=metric.name,
            )  # fmt: skip
    groups = with_common_seeds(reference.group, arm.group)
    planned = min(len(reference.seeds), len(arm.seeds))
    if planned > 1 and min(len(group.runs) for group in groups) == 1:
        # The test of one run each is about two networks, and this study is about recipes.
        return Difference(
            reference.name, arm.name, target,
            sentence=f"not judged yet: {arm.name} against {reference.name} on {target}: one "
            f"finished run of {planned} is not enough",
            words="too few seeds", metric=metric.name,
        )  # fmt: skip
    return compare_groups(target, *groups, metric)


def _comparison_json(found: Difference) -> dict[str, Any]:
    verdict = found.verdict
    seeds = found.by_seed.n if found.by_seed else None
    return {
        "target": found.target,
        "reference": found.reference,
        "variant": found.name,
        "difference": verdict.mean if verdict else None,
        "interval": list(verdict.interval) if verdict else None,
        "level": verdict.level if verdict else None,
        "p": verdict.p if verdict else None,
        "p_holm": verdict.p_holm if verdict else None,
        "test": verdict.test if verdict else None,
        "paired_seeds": seeds,
        "shown": found.shown,
        "verdict": verdict_words(found),
        "sentence": found.sentence,
    }
