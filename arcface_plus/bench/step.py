"""A complete training step, ours against the reference step, ArcFace and ArcFace+, in one run.

The batch is already on the device: `bench data` measures the data path. The four steps are timed
interleaved. On a GPU a turn is several steps with one synchronization at the end, so that a step
that needs no synchronization benefits, and work that only some steps do (MMA's searches) counts.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from statistics import mean, median
from typing import Any

import torch

from arcface_plus.bench.memory import MEGABYTE, peak_resident_mb
from arcface_plus.bench.our_step import OurStep
from arcface_plus.bench.reference_step import ReferenceStep
from arcface_plus.bench.timing import measure
from arcface_plus.config.tree import RunConfig, validate
from arcface_plus.runtime import resolve_precision
from data_prep.crop_size import SIDE

PAPER_STEPS = 38_000
CLASSES = 10_575  # CASIA-WebFace
REGULARIZERS: dict[str, dict[str, Any]] = {
    "ArcFace": {"name": "none"},
    "ArcFace+": {"name": "mma", "weight": 0.03},
}
RIVALS = tuple(f"{who} {loss}" for who in ("reference", "ours") for loss in REGULARIZERS)
Step = ReferenceStep | OurStep
_NO_ROOM: dict[str, Any] = {"note": "out of GPU memory"}


@dataclass(frozen=True)
class Sizes:
    """What is trained. `micro_batch`: size of the parts of a batch in our step only."""

    backbone: str
    batch: int
    classes: int = CLASSES
    micro_batch: int | None = None


@dataclass(frozen=True)
class Rounds:
    """`turns` timed turns of `steps` steps each, after `warmup` turns."""

    turns: int
    steps: int
    warmup: int = 1


def default_sizes(device: torch.device) -> Sizes:
    """The paper's sizes on a GPU; on a CPU sizes that take at most four minutes on two cores."""
    return Sizes("r50", 440) if device.type == "cuda" else Sizes("r18", 16)


def default_rounds(device: torch.device) -> Rounds:
    return Rounds(turns=10, steps=10) if device.type == "cuda" else Rounds(turns=5, steps=1)


def run(
    device: torch.device, sizes: Sizes | None = None, rounds: Rounds | None = None
) -> dict[str, Any]:
    """Measure time and memory of the four steps.

    Returns ``{"title": str, "rows": [{…}]}``. A row: name; milliseconds per step (the median over
    turns) and their mean; images_per_second; ratio (the reference's time with the same loss over
    this one's); hours_for_38000_steps; peak_mb (10⁶ bytes: weights, optimizer and activations of
    this step alone); mma_share (the share of the ArcFace+ step that it takes beyond the ArcFace
    step, from the median over turns). A step that does not fit on the GPU has a ``note`` instead of
    figures; one that diverged or could not be compiled has both.
    """
    sizes = sizes or default_sizes(device)
    rounds = rounds or default_rounds(device)
    rows: dict[str, dict[str, Any]] = {name: {"name": name} for name in RIVALS}
    steps: dict[str, Step] = {}
    synchronize = torch.cuda.synchronize if device.type == "cuda" else None
    with cudnn_search():
        for name in RIVALS:
            peak = _build(name, sizes, device, steps)
            rows[name] |= _NO_ROOM if peak is None else {"peak_mb": peak}
        for name, step in list(steps.items()):  # now that all of them are in memory
            if not _fits(step, name, steps):
                rows[name] = {"name": name} | _NO_ROOM
        turns = {name: _turn(step, rounds.steps) for name, step in steps.items()}
        taken = measure(turns, rounds.turns, rounds.warmup, synchronize)
    seconds = {name: [turn / rounds.steps for turn in turns] for name, turns in taken.items()}
    for name in steps:
        rows[name] = {"name": name} | figures(name, seconds, sizes.batch) | rows[name]
        notes = _notes(steps[name])
        if notes:
            rows[name]["note"] = "; ".join(notes)
    return {"title": _title(sizes, rounds, device), "rows": list(rows.values())}


@contextmanager
def cudnn_search() -> Iterator[None]:
    """Let cuDNN choose the fastest algorithms, as in `train` and in the restated code."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def figures(name: str, seconds: dict[str, list[float]], batch: int) -> dict[str, Any]:
    """A row's figures from the seconds per step of each turn; `seconds` holds all rows'."""
    who, loss = name.split()
    here = median(seconds[name])
    rival = seconds.get(f"reference {loss}")
    plain = seconds.get(f"{who} ArcFace")
    share = None
    if loss == "ArcFace+" and plain is not None:
        beyond = [a - b for a, b in zip(seconds[name], plain, strict=True)]
        share = median(beyond) / here
    return {
        "milliseconds": 1e3 * here,
        "milliseconds_mean": 1e3 * mean(seconds[name]),
        "images_per_second": batch / here,
        "ratio": median(rival) / here if rival is not None else None,
        "hours_for_38000_steps": PAPER_STEPS * here / 3600,
        "mma_share": share,
    }


def build(name: str, sizes: Sizes, device: torch.device) -> Step:
    """The step of one of `RIVALS`, on a batch of noise that is the same for all."""
    who, loss = name.split()
    config = configured(sizes, loss)
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(sizes.batch, 3, SIDE, SIDE, generator=generator).mul_(2).sub_(1).to(device)
    labels = torch.randint(sizes.classes, (sizes.batch,), generator=generator).to(device)
    if who == "ours":
        return OurStep(config, images, labels, sizes.classes)
    return ReferenceStep(
        config.model.build_backbone(),
        images,
        labels,
        dimensions=config.class_weights.dimensions,
        classes=sizes.classes,
        regularized=loss == "ArcFace+",
    )


def configured(sizes: Sizes, loss: str) -> RunConfig:
    """The config of the paper's recipe, as for `arcface-plus train`."""
    tree = {
        "run": {"name": "bench"},
        "data": {"batch_size": sizes.batch, "micro_batch_size": sizes.micro_batch},
        "model": {"backbone": {"name": sizes.backbone}},
        "regularizer": REGULARIZERS[loss],
    }
    return validate(tree, "bench step")


def _notes(step: Step) -> list[str]:
    notes = [] if math.isfinite(float(step())) else ["the loss is not finite"]
    if isinstance(step, OurStep) and step.uncompiled:
        notes.append(f"not compiled: {step.uncompiled}")
    return notes


def _build(name: str, sizes: Sizes, device: torch.device, steps: dict[str, Step]) -> float | None:
    """Add the step to `steps` and run it; its peak memory in MB, or None if it does not fit."""
    if device.type != "cuda":
        steps[name] = build(name, sizes, device)
        return weigh_on_cpu(name, sizes)
    before = torch.cuda.memory_allocated(device)

    def begin() -> None:
        steps[name] = build(name, sizes, device)
        steps[name]()  # compiles, whose memory is not the step's
        torch.cuda.reset_peak_memory_stats(device)
        for _ in range(2):
            steps[name]()
        torch.cuda.synchronize(device)

    if not _fits(begin, name, steps):
        return None
    return (torch.cuda.max_memory_allocated(device) - before) / MEGABYTE


def _fits(work: Callable[[], object], name: str, steps: dict[str, Step]) -> bool:
    """Whether the GPU's memory suffices for `work`; if not, the step is removed."""
    try:
        work()
        return True
    except torch.cuda.OutOfMemoryError:
        steps.pop(name, None)
    gc.collect()  # outside the handler: the exception's frames keep the tensors alive
    torch.cuda.empty_cache()
    return False


def weigh_on_cpu(name: str, sizes: Sizes) -> float:
    """Peak memory (MB) of two steps beyond the imports, in a separate process.

    Each step needs its own process, since the peak of resident memory cannot be reset.
    """
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(_peak_on_cpu, name, sizes, torch.get_num_threads()).result()


def _peak_on_cpu(name: str, sizes: Sizes, threads: int) -> float:
    torch.set_num_threads(threads)
    torch.ones(8, 3, 8, 8).sum()  # loads the libraries
    before = peak_resident_mb()
    step = build(name, sizes, torch.device("cpu"))
    for _ in range(2):
        step()
    return peak_resident_mb() - before


def _turn(step: Step, count: int) -> Callable[[], None]:
    def turn() -> None:
        for _ in range(count):
            step()

    return turn


def _title(sizes: Sizes, rounds: Rounds, device: torch.device) -> str:
    micro = f" in parts of {sizes.micro_batch} (ours)" if sizes.micro_batch else ""
    precision = resolve_precision("auto", device)
    ways = (
        f"ours {precision}, compiled, channels last; reference fp16, eager, contiguous"
        if device.type == "cuda"
        else "both fp32 and eager, ours channels last, reference contiguous"
    )
    return (
        f"training step on {device.type}: {sizes.backbone}, batch {sizes.batch}{micro}, "
        f"{sizes.classes:,} classes; {ways}; medians of {rounds.turns} turns of {rounds.steps}"
    )
