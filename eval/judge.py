"""Two recipes on one target: every test that their files allow, and the one that gives a verdict.

Which one that is depends on what there is, not on what it says. Several seeds of each: Welch's t
with the seed as the unit, the only one that speaks of recipes. One run of each: McNemar's exact
test on their decisions, or, where the pairs' distances were not kept, a paired t over the folds;
both speak of these two networks. The others are reported beside it and judge nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from eval.power import (
    SIGNIFICANCE,
    SeedsNeeded,
    resolved_by_pairs,
    resolved_by_seeds,
    seeds_needed,
)
from eval.runs import Run, TargetResult
from eval.statistics import (
    Bootstrap,
    McNemar,
    PairedDifference,
    SeedDifference,
    holm,
    mcnemar_exact,
    paired_bootstrap,
    paired_difference,
    welch,
)


@dataclass(frozen=True)
class Group:
    """Runs of one recipe that differ in the seed alone; a single run is a group of one."""

    name: str
    runs: tuple[Run, ...]


@dataclass(frozen=True)
class Verdict:
    """The one test that is judged; `p_holm` is corrected for all verdicts of the comparison."""

    unit: Literal["seeds", "pairs", "folds"]
    test: str
    mean: float
    interval: tuple[float, float]
    p: float
    p_holm: float


@dataclass(frozen=True)
class Difference:
    """A group against the reference on one target; accuracies as shares of 1.

    Attributes:
        reference, name, target, pairs: against whom, who, where, on how many pairs.
        verdict: the judged test; None where none can be judged.
        seeds: Welch's t over seeds; needs two runs of each.
        by_seed: paired t over seeds where both ran the same ones; reported, not judged.
        mcnemar: of the two networks, where each group is one run and the scores are there.
        bootstrap: over pairs, of the difference of the groups' mean rightness: how far other pairs
            of this kind would move it, the networks staying what they are.
        folds: paired t over the folds, of the groups' mean accuracies.
        resolves: the smallest true difference the judged test shows in 80% of the cases.
        needed: seeds of each that would show the difference asked about.
        sentence: what to conclude, in one sentence.
    """

    reference: str
    name: str
    target: str
    verdict: Verdict | None
    sentence: str
    seeds: SeedDifference | None = None
    by_seed: PairedDifference | None = None
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

    def to_json(self) -> dict[str, Any]:
        """Plain Python values."""
        return {**asdict(self), "shown": self.shown}


def compare_groups(target: str, reference: Group, group: Group, resolve: float) -> Difference:
    """All tests of `group` against `reference`; the sentence is written by `with_sentences`.

    `resolve` is the difference asked about, as a share of 1.
    """
    obstacle = _obstacle(target, reference, group)
    if obstacle is not None:
        return Difference(reference.name, group.name, target, None, f"not compared: {obstacle}")
    first, second = _results(reference, target), _results(group, target)
    x, y = ([result.accuracy.mean for result in results] for results in (first, second))
    mcnemar, bootstrap = _by_pairs(target, reference, group)
    found = Difference(
        reference.name,
        group.name,
        target,
        verdict=None,
        sentence="",
        seeds=welch(x, y) if min(len(x), len(y)) >= 2 else None,
        by_seed=_by_seed(target, reference, group),
        mcnemar=mcnemar,
        bootstrap=bootstrap,
        folds=paired_difference(_mean_folds(first), _mean_folds(second)),
        pairs=first[0].pairs,
    )
    return _judged(found, (len(x), len(y)), resolve)


def with_sentences(differences: Sequence[Difference]) -> list[Difference]:
    """Correct all verdicts by Holm's method and put each into words."""
    judged = [d.verdict for d in differences if d.verdict is not None]
    corrected = iter(holm([verdict.p for verdict in judged]))
    finished = []
    for difference in differences:
        if difference.verdict is None:
            finished.append(difference)
            continue
        found = replace(difference, verdict=replace(difference.verdict, p_holm=next(corrected)))
        finished.append(replace(found, sentence=_sentence(found, corrected=len(judged) > 1)))
    return finished


def _judged(found: Difference, runs: tuple[int, int], resolve: float) -> Difference:
    """`found` with its verdict, by what there is."""
    if found.seeds is not None:
        seeds = found.seeds
        return replace(
            found,
            verdict=Verdict(
                "seeds", "Welch's t", seeds.mean, seeds.interval, seeds.p, p_holm=seeds.p
            ),
            resolves=resolved_by_seeds(seeds.spread, *runs),
            needed=seeds_needed(resolve, seeds.spread, sum(runs) - 2),
        )
    if max(runs) > 1:
        few = found.reference if runs[0] == 1 else found.name
        why = (
            f"{few} is one run, so its spread from seed to seed is unknown; give two or more"
            if min(runs) == 1
            else "all runs of a group have one accuracy: are they copies of one run?"
        )
        return replace(
            found,
            sentence=f"not judged: no test of {found.name} against {found.reference} on "
            f"{found.target}: {why}",
        )
    if found.mcnemar is not None and found.bootstrap is not None:
        mcnemar, boot = found.mcnemar, found.bootstrap
        return replace(
            found,
            verdict=Verdict(
                "pairs", "McNemar's exact test", boot.mean, boot.interval, mcnemar.p, mcnemar.p
            ),
            resolves=resolved_by_pairs(mcnemar.only_first + mcnemar.only_second, found.pairs),
        )
    assert found.folds is not None
    folds = found.folds
    return replace(
        found,
        verdict=Verdict(
            "folds", "paired t over folds", folds.mean, folds.interval, folds.p, folds.p
        ),
    )


def _sentence(difference: Difference, corrected: bool) -> str:
    """The verdict in words: a difference and its size, or what could have been seen at best."""
    verdict = difference.verdict
    assert verdict is not None
    low, high = verdict.interval
    reach = f"± {100 * (high - low) / 2:.2f} points"
    p = format_p(verdict.p) + (f", Holm {format_p(verdict.p_holm)}" if corrected else "")
    names = f"{difference.name} {{}} {difference.reference}"
    runs = difference.seeds.runs if difference.seeds else (1, 1)
    basis = {
        "seeds": f"{runs[0]} and {runs[1]} seeds, {verdict.test}",
        "pairs": f"these two networks, {verdict.test}",
        "folds": f"these two networks, {verdict.test}",
    }[verdict.unit]
    if difference.shown:
        better = "better" if verdict.mean > 0 else "worse"
        return (
            f"{names.format(f'is {better} than')} by {100 * abs(verdict.mean):.2f} {reach} "
            f"on {difference.target}, {p} ({basis})"
        )
    sentence = (
        f"no difference could be shown between {names.format('and')} on {difference.target}: "
        f"{100 * verdict.mean:+.2f} {reach}, {p} ({basis})"
    )
    if difference.resolves:
        what = (
            f"{runs[0]} and {runs[1]} seeds"
            if verdict.unit == "seeds"
            else f"{difference.pairs} pairs"
        )
        sentence += f"; {what} resolve {100 * difference.resolves:.2f} points at best"
    return sentence


def format_p(p: float) -> str:
    """A p-value as it is written in a sentence."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _obstacle(target: str, reference: Group, group: Group) -> str | None:
    """Why two groups cannot be compared on a target: no result, or other pairs."""
    first: tuple[Run, TargetResult] | None = None
    for run in (*reference.runs, *group.runs):
        result = run.results.targets.get(target)
        if result is None:
            return f"{run.name} has no result for it"
        if first is None:
            first = run, result
        elif first[1].counts != result.counts:
            return f"other pairs ({_pairs(*first)}; {_pairs(run, result)})"
        elif _other_content(target, *first, run, result):
            return f"other pairs ({first[0].name} and {run.name} verified other images or truths)"
    return None


def _other_content(
    target: str, run: Run, result: TargetResult, other: Run, others: TargetResult
) -> bool:
    if result.pairs_sha256 and others.pairs_sha256:
        return result.pairs_sha256 != others.pairs_sha256
    if target in run.scores and target in other.scores:
        return not np.array_equal(run.scores[target].same, other.scores[target].same)
    return False


def _pairs(run: Run, result: TargetResult) -> str:
    pairs, same, images, unique, folds = result.counts
    return (
        f"{run.name}: {pairs} pairs, {same} same, {images} images, {unique} unique, {folds} folds"
    )


def _results(group: Group, target: str) -> list[TargetResult]:
    return [run.results.targets[target] for run in group.runs]


def _mean_folds(results: Sequence[TargetResult]) -> NDArray[np.float64]:
    return np.mean([result.accuracy.folds for result in results], axis=0)


def _by_pairs(
    target: str, reference: Group, group: Group
) -> tuple[McNemar | None, Bootstrap | None]:
    """McNemar's test and the bootstrap, where every run has its scores."""
    if any(target not in run.scores for run in (*reference.runs, *group.runs)):
        return None, None
    folds = len(_results(reference, target)[0].accuracy.folds)
    first, second = (
        np.array([run.scores[target].decisions(folds) for run in runs])
        for runs in (reference.runs, group.runs)
    )
    bootstrap = paired_bootstrap(second.mean(axis=0) - first.mean(axis=0), folds)
    single = len(first) == len(second) == 1
    return mcnemar_exact(first[0], second[0]) if single else None, bootstrap


def _by_seed(target: str, reference: Group, group: Group) -> PairedDifference | None:
    """Paired by seed, where both groups ran the same ones, each once."""
    x, y = (
        {str(run.seed): run.results.targets[target].accuracy.mean for run in one.runs}
        for one in (reference, group)
    )
    complete = len(x) == len(reference.runs) and len(y) == len(group.runs)
    if not complete or x.keys() != y.keys() or len(x) < 2:
        return None
    return paired_difference(list(x.values()), [y[seed] for seed in x])
