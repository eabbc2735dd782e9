"""A training set without what `data check` found wrong with it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_prep.check import Report
from data_prep.class_names import write_class_names
from data_prep.collection import Folder, Pairs
from data_prep.errors import DataError, UserError
from data_prep.training_set import TrainingSetWriter

#: Findings that cost an image its place. Of duplicates the first stays; where the same bytes have
#: two labels nobody knows which is right, so all of them go.
DROPPED = ("broken", "size", "label", "two labels", "duplicate", "leak")


@dataclass(frozen=True)
class Repaired:
    """What the new set has and what it left behind."""

    images: int
    classes: int
    dropped: int
    renumbered: bool  # classes that lost all images, or never had any, leave no gap


def repair(
    report: Report,
    out: str | os.PathLike[str],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Repaired:
    """Write the sound images of a checked .rec to the new set OUT, byte for byte.

    Classes are numbered 0 to C − 1 without gaps; labels.json says what each was before (its name,
    or its former number). Raises UserError for an OUT that holds a set, or a source that is not a
    .rec; DataError if nothing is left.
    """
    out = Path(out)
    collection = report.collection
    if isinstance(collection, Pairs | Folder):
        raise UserError(f"--repair needs a .rec; {collection.path} is a {collection.kind}")
    if (out / "train.rec").exists():
        raise UserError(f"{out / 'train.rec'} is there already: delete it or choose another folder")
    drop = np.zeros(len(collection), bool)
    for finding in report.findings:
        if finding.kind in DROPPED:
            drop[finding.image] = True
    kept = np.flatnonzero(~drop)
    if not len(kept):
        raise DataError(f"{collection.path}: no sound image is left, so nothing was written")
    kept = kept[np.argsort(report.labels[kept], kind="stable")]
    former, new_labels = np.unique(report.labels[kept], return_inverse=True)
    with TrainingSetWriter(out, report.size) as writer:
        for done, (i, label) in enumerate(zip(kept.tolist(), new_labels.tolist(), strict=True), 1):
            writer.add(label, collection.read(i))
            if progress is not None and (done % 256 == 0 or done == len(kept)):
                progress(done, len(kept))
        names = collection.class_names
        write_class_names(out, [names.get(label, str(label)) for label in former.tolist()])
    renumbered = bool((former != np.arange(len(former))).any())
    return Repaired(len(kept), len(former), int(drop.sum()), renumbered)
