"""The pairs' distances as charts: ROC, and histograms of same and different pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.groups import Group
from eval.report.charts import Chart, Line
from eval.report.sections import (
    NO_SCORES,
    Drawn,
    Section,
    bins,
    histogram,
    members,
    missing,
    section,
)
from eval.roc import DIFFERENT_PAIRS_NEEDED, roc_curve_of

BINS = 60


def score_sections(groups: Sequence[Group], targets: Sequence[str]) -> list[Section]:
    """ROC and score histograms of every target."""
    return [_roc(groups, targets), _scores(groups, targets)]


def _roc(groups: Sequence[Group], targets: Sequence[str]) -> Section:
    about = "Grey: fewer than ten false accepts, where luck decides."
    return section("ROC", [_roc_of(groups, target) for target in targets], about)


def _roc_of(groups: Sequence[Group], target: str) -> Drawn:
    lines, unsure = [], 0.0
    for number, group, run in members(groups):
        scores = run.scores.get(target)
        if scores is None or scores.same.all() or not scores.same.any():
            continue
        far, tar = roc_curve_of(scores.distances, scores.same)
        unsure = max(unsure, DIFFERENT_PAIRS_NEEDED / int(np.sum(~scores.same)))
        seen = far > 0
        # A step: the rate of true accepts rises at a point, and holds until the next.
        x = np.repeat(far[seen], 2)[1:]
        y = 100 * np.repeat(tar[seen], 2)[:-1]
        faint = len(group.runs) > 1
        lines.append(Line(group.name, number, x.tolist(), y.tolist(), faint=faint))
    title = f"ROC on {target}"
    chart = Chart(
        title, "false accept rate, log scale", "true accept rate, %", lines,
        log_x=True, unsure=unsure,
    )  # fmt: skip
    return chart if lines else None, _without_scores(groups, target, title)


@dataclass(frozen=True)
class _Pooled:
    """The pairs of all runs of a group on a target: cosines, truths, thresholds as cosines."""

    number: int
    group: Group
    target: str
    cosine: NDArray[np.float64]
    same: NDArray[np.bool_]
    thresholds: tuple[float, ...]


def _scores(groups: Sequence[Group], targets: Sequence[str]) -> Section:
    pooled = [
        found
        for target in targets
        for number, group in enumerate(groups)
        if (found := _pool(number, group, target)) is not None
    ]
    remarks = [
        sentence
        for target in targets
        for sentence in _without_scores(groups, target, f"Scores on {target}")
    ]
    about = (
        "Cosine similarity of the pairs, on the same axes everywhere; dotted: the thresholds that "
        "the folds use. The runs of a group are pooled."
    )
    charts = list(zip(pooled, _score_charts(pooled), strict=True))
    stacks = [tuple(c for found, c in charts if found.target == target) for target in targets]
    stacks = [stack for stack in stacks if stack]
    return Section("Scores", tuple(stacks), tuple(([about] if stacks else []) + remarks))


def _pool(number: int, group: Group, target: str) -> _Pooled | None:
    runs = [run for run in group.runs if target in run.scores]
    if not runs:
        return None
    scores = [run.scores[target] for run in runs]
    used = {1 - t / 2 for run in runs for t in run.results.verified[target].accuracy.thresholds}
    return _Pooled(
        number,
        group,
        target,
        np.concatenate([1 - s.distances.astype(np.float64) / 2 for s in scores]),
        np.concatenate([s.same for s in scores]),
        tuple(sorted(used)),
    )


def _score_charts(pooled: Sequence[_Pooled]) -> list[Chart]:
    """One chart a target and group; all of them have the same axes, so that they compare."""
    if not pooled:
        return []
    low = min(float(found.cosine.min()) for found in pooled)
    edges = bins(low, 1.0, BINS)
    several = len({found.number for found in pooled}) > 1
    lines = {
        (found.target, found.number): [
            histogram(name, found.number, found.cosine[kind], edges, area=area, dashed=not area)
            for name, kind, area in (
                ("different people", ~found.same, False),
                ("same person", found.same, True),
            )
            if kind.any()
        ]
        for found in pooled
    }
    top = max(value for each in lines.values() for line in each for value in line.y)
    return [
        Chart(
            f"Scores on {found.target}{f': {found.group.name}' if several else ''}",
            "cosine similarity",
            "share of the pairs of a kind, %", lines[found.target, found.number],
            x_range=(low, 1.0), y_range=(0.0, top),
            rules=found.thresholds, rules_name="thresholds",
        )
        for found in pooled
    ]  # fmt: skip


def _without_scores(groups: Sequence[Group], target: str, what: str) -> list[str]:
    without = [run.name for *_, run in members(groups) if target not in run.scores]
    return missing(what, without, NO_SCORES)
