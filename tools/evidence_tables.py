"""The tables of docs/evidence.md from the folders of studies (`arcface-plus study … --out DIR`).

    python tools/evidence_tables.py DIR [DIR…]

Verdicts and the accuracy's intervals are those of study.json. The other intervals are 95% t
intervals of the differences paired by seed, without correction: secondary figures, no verdicts.
The last table, of several studies together, is not part of any plan either.
"""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scipy import stats

from data_prep.errors import DataError
from data_prep.json_file import read_json_mapping
from eval.runs import read_run
from eval.series import metrics
from eval.t_tests import paired_difference
from eval.wording import interval, p_value, percent, points

ANGLES = {"min_angle_deg": "smallest angle", "mean_min_angle_deg": "mean smallest angle"}
RATIO = "regularizer_gradient_ratio"
LATE = 0.5
"""The ratio is the median over the logged steps of this last share of a run."""


def main(folders: Sequence[str]) -> None:
    studies = {Path(folder): read_json_mapping(Path(folder) / "study.json") for folder in folders}
    for folder, study in studies.items():
        print(f"## {study['name']}\n")
        for title, rows in (
            ("accuracy", accuracy_rows(study)),
            ("secondary", secondary_rows(study)),
            ("training", training_rows(study, folder)),
        ):
            print(f"{title}\n\n{markdown(rows)}\n")
    if len(studies) > 1:
        print(f"## together\n\n{markdown(together_rows(list(studies.values())))}\n")


def accuracy_rows(study: Mapping[str, Any]) -> list[list[str]]:
    """A header, then a row a variant and target: mean ± deviation, difference, verdict."""
    rows = [["variant", "runs", "accuracy, %", "difference, points", "interval", "p", "verdict"]]
    judged = {(c["target"], c["variant"]): c for c in study["comparisons"]}
    for target in study["targets"]:
        for name, arm in study["variants"].items():
            row = [name, str(len(arm["runs"])), _figure(arm, target)]
            found = judged.get((target, name))
            if found is None or found["difference"] is None:
                rows.append([*row, "", "", "", "" if found is None else found["verdict"]])
                continue
            bounds = f"{interval(found['interval'])} ({100 * found['level']:.1f}%)"
            row += [points(found["difference"]), bounds, p_value(found["p_holm"])]
            rows.append([*row, found["verdict"]])
    return rows


def together_rows(studies: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """A header, then a row a variant that every study has: its mean difference over the studies.

    Studies count alike, and seeds within a study. The error is that of a sum of independent means
    (Satterthwaite's degrees of freedom).
    """
    rows = [["variant", *(study["name"] for study in studies), "mean", "95% interval", "p"]]
    shared = set.intersection(*({c["variant"] for c in study["comparisons"]} for study in studies))
    for name in studies[0]["variants"]:
        if name not in shared:
            continue
        found = [paired_difference(*_paired_values(study, name)) for study in studies]
        squares = [d.standard_error**2 for d in found]
        mean = statistics.fmean(d.mean for d in found)
        error = math.sqrt(sum(squares)) / len(found)
        freedom = sum(squares) ** 2 / sum(
            square**2 / (d.n - 1) for square, d in zip(squares, found, strict=True)
        )
        bounds = stats.t.interval(0.95, freedom, mean, error)
        p = 2 * stats.t.sf(abs(mean) / error, freedom)
        rows.append(
            [name, *(points(d.mean) for d in found), points(mean), interval(bounds), p_value(p)]
        )
    return rows


def _paired_values(study: Mapping[str, Any], name: str) -> tuple[list[float], list[float]]:
    """The first target's figures of the reference and of the variant, by common seeds."""
    target = study["targets"][0]
    reference = next(c["reference"] for c in study["comparisons"] if c["variant"] == name)
    x, y = (
        {run["seed"]: run["values"][target] for run in study["variants"][arm]["runs"]}
        for arm in (reference, name)
    )
    seeds = [seed for seed in x if seed in y]
    return [x[seed] for seed in seeds], [y[seed] for seed in seeds]


def secondary_rows(study: Mapping[str, Any]) -> list[list[str]]:
    """A header, then a row a variant: each secondary figure and its difference."""
    header, columns = ["variant"], []
    for each in study["secondary"]:
        header += [f"{each['metric']} {each['target']}, %", "difference, 95% interval"]
        columns.append((each["variants"], {d["variant"]: d for d in each["differences"]}))
    rows = [header]
    for name in study["variants"]:
        row = [name]
        for figures, differences in columns:
            row.append(_mean_and_spread(figures[name]) if name in figures else "")
            found = differences.get(name)
            row.append(
                f"{points(found['difference'])}, {interval(found['interval'])}" if found else ""
            )
        rows.append(row)
    return rows


def training_rows(study: Mapping[str, Any], folder: Path) -> list[list[str]]:
    """A header, then a row a variant: angles at the last step, and the gradient ratio."""
    rows = [["variant"]]
    for label in ANGLES.values():
        rows[0] += [f"{label}, °", "difference, 95% interval"]
    rows[0].append("gradient ratio, late")
    curves = {
        name: {run["seed"]: metrics(read_run(folder / run["run"])) for run in arm["runs"]}
        for name, arm in study["variants"].items()
    }
    reference = {c["variant"]: c["reference"] for c in study["comparisons"]}
    for name, by_seed in curves.items():
        row = [name]
        for key in ANGLES:
            last = {seed: found[key].values[-1] for seed, found in by_seed.items()}
            row.append(_spread(list(last.values())))
            against = curves.get(reference.get(name, ""), {})
            common = [seed for seed in last if seed in against]
            row.append(_degrees([against[s][key].values[-1] for s in common],
                                [last[s] for s in common]))  # fmt: skip
        ratios = [late(found[RATIO].values) for found in by_seed.values() if RATIO in found]
        rows.append([*row, f"{statistics.median(ratios):.2g}" if ratios else ""])
    return rows


def late(values: Sequence[float]) -> float:
    """The median over the last half."""
    return statistics.median(values[int(len(values) * (1 - LATE)) :])


def markdown(rows: Sequence[Sequence[str]]) -> str:
    header, *others = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([header, "|" + "---|" * len(rows[0]), *others])


def _figure(arm: Mapping[str, Any], target: str) -> str:
    if target not in arm["mean"]:
        return ""
    return _mean_and_spread({"mean": arm["mean"][target], "std": arm["std"][target]})


def _mean_and_spread(figure: Mapping[str, float | None]) -> str:
    assert figure["mean"] is not None
    spread = "" if figure["std"] is None else f" ± {percent(figure['std'])}"
    return percent(figure["mean"]) + spread


def _spread(values: Sequence[float]) -> str:
    if not values:
        return ""
    mean = f"{statistics.fmean(values):.1f}"
    return mean if len(values) < 2 else f"{mean} ± {statistics.stdev(values):.1f}"


def _degrees(first: Sequence[float], second: Sequence[float]) -> str:
    if len(first) < 2:
        return ""
    found = paired_difference(first, second)
    low, high = found.interval
    return f"{found.mean:+.1f}, {low:+.1f} to {high:+.1f}".replace("-", "−")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (DataError, OSError) as error:
        sys.exit(f"error: {error}")
