"""An inspection as lines for a terminal."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from data_prep.inspect.inspect import BATCH, STEPS, Inspection

_LISTED = 5
_BAR = 40


def describe(found: Inspection) -> list[str]:
    """Everything about a data set in some twenty lines."""
    lines = [f"{found.path} ({found.kind})"]
    lines += _pair_lines(found) if found.kind == "pair file" else _class_lines(found)
    lines += _image_lines(found)
    if found.kind != "pair file":
        epochs = _about(STEPS / found.steps_per_epoch)
        lines += [
            f"{'one epoch':<14} {_about(found.steps_per_epoch)} steps at batch {BATCH}; "
            f"the recipe's {STEPS:,} steps are {epochs} epochs",
            f"{'to train':<14} {size(found.bytes_on_disk)} on disk; {size(found.cache_bytes)} more "
            "of memory with data.cache: memory or device",
        ]
    return lines


def _pair_lines(found: Inspection) -> list[str]:
    pairs = found.images // 2
    lines = [
        f"{'pairs':<14} {pairs:,}: {found.same:,} same, {pairs - found.same:,} different",
        f"{'images':<14} {found.images:,}, of which {found.unique_images:,} differ",
    ]
    if found.same in (0, pairs):
        kind = "same" if found.same else "different"
        lines.append(f"{'':<14} all are {kind}: accuracy on them means nothing")
    if pairs < 10 or pairs % 10:
        lines.append(f"{'':<14} {pairs} pairs do not make ten equal folds")
    return lines


def _class_lines(found: Inspection) -> list[str]:
    counts = found.per_class[found.per_class > 0]
    low, middle, high = counts.min(), np.median(counts), counts.max()
    lines = [
        f"{'images':<14} {found.images:,}",
        f"{'classes':<14} {found.classes:,}; images in each: {low} to {high}, median {middle:g}",
    ]
    if found.gaps:
        some = ", ".join(map(str, found.gaps[:_LISTED]))
        more = ", …" if len(found.gaps) > _LISTED else ""
        lines.append(f"{'label gaps':<14} {len(found.gaps):,} labels have no image: {some}{more}")
    else:
        lines.append(f"{'label gaps':<14} none")
    if found.promised_classes not in (None, found.classes):
        lines.append(
            f"{'property':<14} says {found.promised_classes} classes, "
            f"the labels say {found.classes}"
        )
    if found.other_files:
        lines.append(f"{'other files':<14} {found.other_files:,}, ignored")
    return lines + histogram_lines(counts)


def histogram_lines(counts: NDArray[np.int64]) -> list[str]:
    """Classes by their number of images, as bars; the bins double where the range is wide."""
    spans, heights = histogram(counts)
    lines = [f"{'images/class':>14} classes"]
    for span, height in zip(spans, heights, strict=True):
        bar = "█" * round(_BAR * height / max(heights)) or ("▏" if height else "")
        lines.append(f"{span:>14} {height:>7,} {bar}")
    return lines


def histogram(counts: NDArray[np.int64]) -> tuple[list[str], list[int]]:
    """What each bin holds, such as "4 to 7", and how many of the counts are in it."""
    edges = histogram_edges(counts)
    heights, _ = np.histogram(counts, [*edges, edges[-1] + 1])  # no count is as large as the last
    bins = pairwise(edges)
    spans = [f"{low}" if end == low + 1 else f"{low} to {end - 1}" for low, end in bins]
    return spans, heights[:-1].tolist()


def histogram_edges(counts: NDArray[np.int64]) -> list[int]:
    """First numbers of at most some fifteen bins over all counts, and one past the last."""
    low, high = int(counts.min()), int(counts.max())
    if high - low < 12:
        return list(range(low, high + 2))
    edges = [1]
    while edges[-1] <= high:
        edges.append(edges[-1] * 2)
    return [edge for k, edge in enumerate(edges) if edges[min(k + 1, len(edges) - 1)] > low]


def _image_lines(found: Inspection) -> list[str]:
    low, middle, high = found.image_bytes
    of = f"of {found.sampled:,} sampled" if found.sampled < found.images else "of all"
    lines = [
        f"{'formats':<14} {_counts(found.formats)} ({of})",
        f"{'sizes':<14} {_counts(found.sizes)}",
        f"{'bytes':<14} {low:,} to {high:,} per image, median {middle:,}",
        f"{'mean colour':<14} R {found.mean_rgb[0]:.1f} G {found.mean_rgb[1]:.1f} "
        f"B {found.mean_rgb[2]:.1f}: {found.colour}",
    ]
    if found.unreadable:
        lines.append(f"{'UNREADABLE':<14} {len(found.unreadable)} {of}; `data check` lists all:")
        lines += [f"{'':<14} {reason}" for reason in found.unreadable[:_LISTED]]
    return lines


def _about(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.1f}"


def _counts(of: dict[str, int]) -> str:
    if len(of) == 1:
        return next(iter(of))
    shown = [f"{name} {count:,}" for name, count in list(of.items())[:_LISTED]]
    return ", ".join(shown) + (f", {len(of) - _LISTED} more" if len(of) > _LISTED else "")


def size(count: float) -> str:
    """Bytes for a person: 18.6 GB."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}" if unit != "B" else f"{count:.0f} B"
        count /= 1000
    return f"{count:.3g} TB"
