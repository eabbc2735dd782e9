"""Two recipes on one target: all tests that their files allow, and the one that gives the verdict.

The design of the comparison determines that test, never the outcome:

- several runs each, with the same seeds: the paired t by seed;
- several runs each, with other seeds: Welch's t;
- one run each, with the pairs' distances: the score test on their decisions;
- one run each, without them: the paired t over the folds.

The first two are about the recipes, the others about these two networks. Difference, interval and
p-value of a verdict come from that one test. The other tests are only reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.difference import TESTS, UNITS, Difference, Verdict
from eval.groups import Group, leak, obstacle
from eval.metric import ACCURACY, METRICS, Metric
from eval.multiple_testing import holm, interval_level
from eval.power import paired, resolved, resolved_by_pairs, seeds_needed, unpaired
from eval.runs import Result, TargetResult
from eval.score_test import paired_shares
from eval.statistics import mcnemar_exact, paired_bootstrap
from eval.t_tests import PairedDifference, paired_difference, welch
from eval.wording import sentence


def compare_groups(
    target: str, reference: Group, group: Group, metric: Metric = ACCURACY
) -> Difference:
    """All tests of `group` against `reference`; `with_verdicts` adds the verdicts.

    Figures other than the accuracy are only compared over seeds.
    """
    found = Difference(reference.name, group.name, target, metric=metric.name)
    if why := obstacle(target, reference, group, metric):
        return replace(found, sentence=f"not compared: {why}", words="not compared")
    first, second = reference.results(target), group.results(target)
    x, y = (each.values(target, metric) for each in (reference, group))
    found = replace(
        found,
        seeds=welch(x, y) if min(len(x), len(y)) >= 2 else None,
        by_seed=_by_seed(target, reference, group, metric),
        pairs=first[0].trials,
    )
    if metric.tested_by_pairs:
        folds = paired_difference(_mean_folds(first), _mean_folds(second))
        found = replace(found, folds=folds, **_by_pairs(target, reference, group))
    if why := leak(target, reference, group):
        return _unjudged(found, "trained on it", why)
    return _designed(found, (len(x), len(y)))


def with_verdicts(differences: Sequence[Difference], resolve: float) -> list[Difference]:
    """Give each difference the verdict of its design's test, with Holm's correction over all.

    `resolve` is the difference, as a fraction, for which to compute the number of seeds needed.
    """
    tests = [found.primary for found in differences]
    p_values = [test.p for test in tests if test is not None]
    corrected, level = iter(holm(p_values)), interval_level(p_values)
    finished = []
    for found, test in zip(differences, tests, strict=True):
        if test is None or found.design is None:
            finished.append(found)
            continue
        verdict = Verdict(
            UNITS[found.design],
            TESTS[found.design],
            test.mean,
            test.interval_at(level),
            level,
            test.p,
            next(corrected),
            len(p_values),
        )
        judged = replace(_with_power(found, 1 - level, resolve), verdict=verdict)
        finished.append(replace(judged, sentence=sentence(judged, len(p_values))))
    return finished


def _designed(found: Difference, runs: tuple[int, int]) -> Difference:
    """`found` with the design of the comparison."""
    if max(runs) > 1 and min(runs) == 1:
        few = found.reference if runs[0] == 1 else found.name
        why = f"{few} is one run, so its spread from seed to seed is unknown; give two or more"
        return _unjudged(found, "too few seeds", why)
    if max(runs) == 1 and found.folds is None:
        why = "one run each says nothing of the spread from seed to seed; give two or more"
        return _unjudged(found, "too few seeds", why)
    if max(runs) == 1:
        return replace(found, design="folds" if found.score is None else "pairs")
    found = replace(found, design="same seeds" if found.by_seed else "other seeds")
    if found.primary is None:
        why = (
            "the difference is the same for every seed"
            if found.by_seed
            else f"all runs of a group have the same {METRICS[found.metric].label}"
        )
        return _unjudged(found, "no spread", f"{why}; the runs may be copies, or all at 0% or 100%")
    return found


def _with_power(found: Difference, significance: float, resolve: float) -> Difference:
    """`found` with the smallest difference that it can show at the level of its interval."""
    if found.design == "pairs":
        assert found.score is not None
        disagreements = found.score.only_first + found.score.only_second
        return replace(found, resolves=resolved_by_pairs(disagreements, found.pairs, significance))
    if found.design == "same seeds":
        assert found.by_seed is not None
        spread, n = found.by_seed.spread, found.by_seed.n
        return replace(
            found,
            resolves=resolved(paired(spread, n), significance),
            needed=seeds_needed(resolve, spread, n - 1, paired, significance),
        )
    if found.design == "other seeds":
        assert found.seeds is not None
        spread, runs = found.seeds.spread, found.seeds.runs
        return replace(
            found,
            resolves=resolved(unpaired(spread, *runs), significance),
            needed=seeds_needed(
                resolve, spread, sum(runs) - 2, lambda s, n: unpaired(s, n, n), significance
            ),
        )
    return found


def _unjudged(found: Difference, words: str, why: str) -> Difference:
    told = f"not judged: no test of {found.name} against {found.reference} on {found.target}: {why}"
    return replace(found, sentence=told, words=words)


def _folds(result: Result) -> tuple[float, ...]:
    assert isinstance(result, TargetResult), "only pairs have folds"
    return result.accuracy.folds


def _mean_folds(results: Sequence[Result]) -> NDArray[np.float64]:
    return np.mean([_folds(result) for result in results], axis=0)


def _by_pairs(target: str, reference: Group, group: Group) -> dict[str, Any]:
    """The tests on decisions by field name; empty unless every run has its scores."""
    if any(target not in run.scores for run in (*reference.runs, *group.runs)):
        return {}
    folds = len(_folds(reference.results(target)[0]))
    first, second = (
        np.array([run.scores[target].decisions(folds) for run in runs])
        for runs in (reference.runs, group.runs)
    )
    bootstrap = paired_bootstrap(second.mean(axis=0) - first.mean(axis=0), folds)
    if not len(first) == len(second) == 1:
        return {"bootstrap": bootstrap}
    return {
        "bootstrap": bootstrap,
        "score": paired_shares(first[0], second[0]),
        "mcnemar": mcnemar_exact(first[0], second[0]),
    }


def _by_seed(
    target: str, reference: Group, group: Group, metric: Metric
) -> PairedDifference | None:
    """The test paired by seed; None unless both groups ran the same seeds, each once."""
    x, y = (one.values_by_seed(target, metric) for one in (reference, group))
    if x is None or y is None or x.keys() != y.keys() or len(x) < 2:
        return None
    return paired_difference(list(x.values()), [y[seed] for seed in x])
