"""The results of a GPU session as one JSON file and one page of Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any

PAPER_STEPS, PAPER_BATCH = 38_000, 440
BENCHES = ("step", "costs", "mma", "mhe", "checkpoint", "data")
_LAST_LINES = 12  # lines of the log to show if a stage failed


def publish(work: Path, out: Path, outcomes: list[dict[str, Any]]) -> None:
    """Write OUT/results.json and OUT/summary.md from the files that the stages wrote."""
    results = {
        "stages": outcomes,
        "machine": _json(work / "environment.json"),
        "benches": {name: _json(work / f"{name}.json") for name in BENCHES},
        "runs": {name: training(run) for name, run in _runs(work)},
    }
    (out / "results.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    (out / "summary.md").write_text("\n".join(page(results, work)) + "\n", encoding="utf-8")


def training(run: Path) -> dict[str, Any]:
    """A run's figures; rates and shares are medians over the logged steps after the first two."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    summary = _json(run / "summary.json") or {}
    steady = lines[2:] or lines
    figures: dict[str, Any] = {"steps": lines[-1]["step"] if lines else 0}
    if lines:
        figures |= {"first_loss": lines[0]["loss"], "last_loss": lines[-1]["loss"]}
    for name in ("images_per_second", "data_wait_fraction", "regularizer_time_fraction"):
        values = [line[name] for line in steady if line.get(name) is not None]
        figures[name] = median(values) if values else None
    rate = figures["images_per_second"]
    figures["hours_for_the_papers_images"] = (
        PAPER_STEPS * PAPER_BATCH / rate / 3600 if rate else None
    )
    for name in ("peak_memory_mb", "wall_seconds", "accuracy", "mean_min_angle_deg"):
        figures[name] = summary.get(name)
    return figures


def page(results: dict[str, Any], work: Path) -> Iterable[str]:
    """The lines of summary.md."""
    machine = results["machine"] or {}
    yield f"# GPU session, {machine.get('date', 'no date')}\n"
    yield ", ".join(f"{key} {value}" for key, value in machine.items() if key != "command") + "\n"
    yield from _table(results["stages"])
    for bench in results["benches"].values():
        for result in (bench or {}).get("results", []):
            yield f"\n## {result['title']}\n"
            yield from _table(result["rows"])
    if results["runs"]:
        yield "\n## Training\n"
        yield from _table([{"run": name} | run for name, run in results["runs"].items()])
    comparison = work / "comparison" / "compare.md"
    if comparison.is_file():
        yield "\n## ArcFace against ArcFace+\n"
        yield comparison.read_text(encoding="utf-8")
    for stage in results["stages"]:
        log = work / f"{stage['stage']}.log"
        if stage["outcome"] != "ok" and log.is_file():
            yield f"\n## {stage['stage']}: {stage['outcome']}\n\n```"
            yield from log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LAST_LINES:]
            yield "```"


def _runs(work: Path) -> Iterable[tuple[str, Path]]:
    for parent in (work / "runs", work / "seeds"):
        for run in sorted(parent.glob("*")):
            if (run / "metrics.jsonl").is_file():
                yield run.name, run


def _table(rows: list[dict[str, Any]]) -> Iterable[str]:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    yield "| " + " | ".join(column.replace("_", " ") for column in columns) + " |"
    yield "|" + "---|" * len(columns)
    for row in rows:
        yield "| " + " | ".join(_cell(row.get(column)) for column in columns) + " |"


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_cell(inner)}" for key, inner in value.items())
    return "–" if value is None else str(value).replace("|", "/")


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
