"""A comparison as charts: what is drawn from which file, and one sentence for what is missing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eval.compare import Comparison, TargetComparison
from eval.judge import Group
from eval.report.charts import Chart, Line
from eval.roc import DIFFERENT_PAIRS_NEEDED, roc_curve_of
from eval.runs import Run
from eval.series import Series, accuracies, metrics

NO_METRICS = "metrics.jsonl is missing or does not hold it"
NO_SCORES = "the pairs' distances (.npz beside the verification file) are missing"


@dataclass(frozen=True)
class Section:
    """A heading, charts, and remarks: what the charts show and what is missing."""

    title: str
    charts: tuple[Chart, ...]
    remarks: tuple[str, ...]


def members(comparison: Comparison) -> Iterator[tuple[int, Group, Run]]:
    """Each run with its group and the group's number, which is its colour."""
    for number, group in enumerate(comparison.groups):
        for run in group.runs:
            yield number, group, run


def missing(what: str, runs: Sequence[str], why: str) -> list[str]:
    """One sentence that names the runs without something; nothing where there are none."""
    return [f"{what}: nothing from {', '.join(runs)} ({why})."] if runs else []


def sections(comparison: Comparison, class_angles: Mapping[str, ArrayLike]) -> list[Section]:
    """Curves over the training, angles of the class weights, ROC, scores."""
    logged = {run.name: metrics(run) for run in comparison.runs}
    return [
        _training(comparison, logged),
        _angles(comparison, logged, class_angles),
        _roc(comparison),
        _scores(comparison),
    ]


def _training(comparison: Comparison, logged: Mapping[str, Mapping[str, Series]]) -> Section:
    verified = {run.name: accuracies(run) for run in comparison.runs}
    drawn = [
        _course(comparison, "Loss", "loss", _of(logged, "loss"), NO_METRICS),
        *(
            _course(
                comparison, f"Verification accuracy on {target.name}", "10-fold accuracy, %",
                _of(verified, target.name), "no run directory with eval/step_*.json",
                scale=100, dots=True,
            )
            for target in comparison.targets
        ),
        _course(
            comparison, "Accuracy on training batches", "share of images, %",
            _of(logged, "accuracy"), NO_METRICS, scale=100,
        ),
        _course(comparison, "Learning rate", "learning rate", _of(logged, "lr"), NO_METRICS,
                log_y=True),
    ]  # fmt: skip
    return _section("Course of the training", drawn)


def _angles(
    comparison: Comparison,
    logged: Mapping[str, Mapping[str, Series]],
    class_angles: Mapping[str, ArrayLike],
) -> Section:
    drawn = [
        _angle_histogram(comparison, class_angles),
        *(
            _course(comparison, title, "degrees", _of(logged, key), NO_METRICS)
            for title, key in (
                ("Mean nearest-neighbour angle", "mean_min_angle_deg"),
                ("Smallest nearest-neighbour angle", "min_angle_deg"),
            )
        ),
    ]
    about = (
        "The angle between the weights of a class and those of the class nearest to it. "
        "Enlarging it is what the MMA regulariser is for."
    )
    return _section("Angles between classes", drawn, about)


def _angle_histogram(
    comparison: Comparison, class_angles: Mapping[str, ArrayLike]
) -> tuple[Chart | None, list[str]]:
    title = "Nearest-neighbour angles of the class weights"
    found = [
        (number, group.name, np.asarray(class_angles[run.name], dtype=np.float64))
        for number, group, run in members(comparison)
        if run.name in class_angles
    ]
    without = [run.name for run in comparison.runs if run.name not in class_angles]
    sentence = missing(title, without, "no checkpoint with class weights was handed in")
    if not found:
        return None, sentence
    every = np.concatenate([angles for *_, angles in found])
    # Finer with more classes, so that a bar is not one class.
    count = min(48, max(12, 2 * math.isqrt(max(len(angles) for *_, angles in found))))
    bins = _bins(float(every.min()), float(every.max()), count)
    lines = [
        _histogram(name, number, angles, bins, comparison.by_seed) for number, name, angles in found
    ]
    return Chart(title, "degrees", "share of the classes, %", lines, from_zero=True), sentence


def _roc(comparison: Comparison) -> Section:
    drawn = [_roc_of(comparison, target) for target in comparison.targets]
    about = "Grey: fewer than ten false accepts, where luck decides."
    return _section("ROC", drawn, about)


def _roc_of(comparison: Comparison, target: TargetComparison) -> tuple[Chart | None, list[str]]:
    lines, unsure = [], 0.0
    for number, group, run in members(comparison):
        scores = run.scores.get(target.name)
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
    title = f"ROC on {target.name}"
    chart = Chart(
        title, "false accept rate", "true accept rate, %", lines, log_x=True, unsure=unsure
    )
    return chart if lines else None, _without_scores(comparison, target, title)


def _scores(comparison: Comparison) -> Section:
    drawn = [
        found for target in comparison.targets for found in _score_histograms(comparison, target)
    ]
    about = (
        "Cosine similarity of the pairs; dashed: the thresholds that the folds use. "
        "The runs of a group are pooled."
    )
    return _section("Scores", drawn, about)


def _score_histograms(
    comparison: Comparison, target: TargetComparison
) -> list[tuple[Chart | None, list[str]]]:
    """One chart a group, all on the same axis."""
    pooled: list[tuple[Group, NDArray[np.float64], NDArray[np.bool_], list[float]]] = []
    results = dict(zip([run.name for run in comparison.runs], target.results, strict=True))
    for group in comparison.groups:
        runs = [run for run in group.runs if target.name in run.scores]
        if runs:
            scores = [run.scores[target.name] for run in runs]
            cosine = np.concatenate([1 - s.distances.astype(np.float64) / 2 for s in scores])
            found = [results[run.name] for run in runs]
            used = {1 - t / 2 for r in found if r is not None for t in r.accuracy.thresholds}
            pooled.append((group, cosine, np.concatenate([s.same for s in scores]), sorted(used)))
    title = f"Scores on {target.name}"
    drawn: list[tuple[Chart | None, list[str]]] = [
        (None, _without_scores(comparison, target, title))
    ]
    if pooled:
        bins = _bins(min(float(cosine.min()) for _, cosine, *_ in pooled), 1.0, 60)
    for group, cosine, same, rules in pooled:
        lines = [
            _histogram(name, colour, cosine[kind], bins, many=False)
            for name, colour, kind in (
                ("different people", 1, ~same),
                ("same person", 0, same),
            )
            if kind.any()
        ]
        chart = Chart(
            f"{title}: {group.name}", "cosine similarity", "share of the pairs of a kind, %",
            lines, from_zero=True, rules=rules,
        )  # fmt: skip
        drawn.append((chart, []))
    return drawn


def _without_scores(comparison: Comparison, target: TargetComparison, what: str) -> list[str]:
    without = [run.name for run in comparison.runs if target.name not in run.scores]
    return missing(what, without, NO_SCORES)


def _of(found: Mapping[str, Mapping[str, Series]], key: str) -> Callable[[Run], Series | None]:
    return lambda run: found[run.name].get(key)


def _course(
    comparison: Comparison,
    title: str,
    label: str,
    series_of: Callable[[Run], Series | None],
    why_missing: str,
    scale: float = 1,
    dots: bool = False,
    log_y: bool = False,
) -> tuple[Chart | None, list[str]]:
    """One figure of each run over the steps."""
    lines, without = [], []
    for number, group, run in members(comparison):
        series = series_of(run)
        if series is None or not series.steps:
            without.append(run.name)
            continue
        values = [scale * value for value in series.values]
        faint = len(group.runs) > 1
        lines.append(Line(group.name, number, series.steps, values, dots=dots, faint=faint))
    drawn = Chart(title, "step", label, lines, log_y=log_y) if lines else None
    return drawn, missing(title, without, why_missing)


def _bins(low: float, high: float, count: int) -> NDArray[np.float64]:
    return np.linspace(low, high if high > low else low + 1, count + 1)


def _histogram(
    name: str, colour: int, values: NDArray[np.float64], bins: NDArray[np.float64], many: bool
) -> Line:
    """A histogram as the outline of its bars, in % of its values."""
    counts, _ = np.histogram(values, bins)
    x = np.repeat(bins, 2)[1:-1]
    y = 100 * np.repeat(counts, 2) / max(len(values), 1)
    return Line(name, colour, x.tolist(), y.tolist(), area=not many, faint=many)


def _section(
    title: str, drawn: Sequence[tuple[Chart | None, list[str]]], about: str = ""
) -> Section:
    charts = tuple(chart for chart, _ in drawn if chart is not None)
    sentences = [sentence for _, found in drawn for sentence in found]
    return Section(title, charts, tuple(([about] if about and charts else []) + sentences))
