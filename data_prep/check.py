"""Reads and decodes everything in a data set and lists what is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data_prep.collection import Folder, Pairs, Records, open_collection
from data_prep.crop_size import SIDE
from data_prep.errors import DataError
from data_prep.image_damage import damage
from data_prep.images import one_thread_each
from data_prep.training_set import EXACT_LABELS, read_property, read_size

_BLOCK = 64
_DIGEST = 16  # bytes; two of ten million images collide by chance once in 10^24 sets

#: What can be wrong, in the order of the report: kind → what it means.
KINDS = {
    "index": "the set's own count of its images is wrong",
    "broken": "cannot be read or decoded",
    "size": "decodes, but not to the set's size: training refuses it",
    "label": "the label is not a class of this set",
    "two labels": "the same bytes under two labels: one of them is wrong",
    "duplicate": "the same bytes as an earlier image of the class",
    "leak": "also in an evaluation file: accuracy on it would be too high",
    "truth": "a pair of an image and itself",
    "one kind": "all pairs are marked alike: accuracy on them means nothing",
}


@dataclass(frozen=True)
class Finding:
    """One thing wrong: `kind` of KINDS, `image` its number in the set (-1: the set as a whole)."""

    kind: str
    image: int
    message: str


@dataclass(frozen=True)
class Report:
    """What `check` found; `labels` are the images' classes, -1 where there is none."""

    collection: Records | Pairs | Folder
    findings: list[Finding]
    labels: NDArray[np.int64] = field(repr=False)
    size: tuple[int, int]  # height and width that images must have; 0, 0 where any will do

    @property
    def ok(self) -> bool:
        return not self.findings

    def count(self, kind: str) -> int:
        return sum(finding.kind == kind for finding in self.findings)


def check(
    path: str | os.PathLike[str],
    *,
    against: Sequence[str | os.PathLike[str]] = (),
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Read and decode every image of a .rec, .bin or folder on `threads` threads (all cores).

    `against` names evaluation .bin files whose images must not be in this set. Memory: 24 bytes
    per image. Raises DataError only if the set or a file of `against` cannot be opened at all.
    """
    forbidden = [(Path(name), _digests_of_pairs(Path(name))) for name in against]
    collection = open_collection(path)
    findings: list[Finding] = []
    if isinstance(collection, Records) and collection.note:
        findings.append(Finding("index", -1, collection.note))
    labels = np.full(len(collection), -1, np.int64)
    digests = np.zeros((len(collection), _DIGEST // 8), np.uint64)
    size = _size_of(collection)
    for done, block in _look_at_all(collection, size, threads):
        for i, label, digest, finding in block:
            labels[i] = label
            if finding is not None:
                findings.append(finding)
            if digest:
                digests[i] = np.frombuffer(digest, np.uint64)
        if progress is not None:
            progress(done, len(collection))
    findings += _label_findings(collection, labels)
    if isinstance(collection, Pairs):
        findings += _truth_findings(collection, digests)
    else:
        findings += _duplicates(collection, labels, digests)
    for name, known in forbidden:
        findings += _leaks(collection, digests, known, name)
    rank = list(KINDS)
    findings.sort(key=lambda finding: (rank.index(finding.kind), finding.image))
    return Report(collection, findings, labels, size)


def _size_of(collection: Records | Pairs | Folder) -> tuple[int, int]:
    """Height and width that every image must have; 0, 0 for a folder, where any will do."""
    if isinstance(collection, Folder):
        return 0, 0
    if isinstance(collection, Records):
        return read_size(collection.path.parent / "property") or (SIDE, SIDE)
    return SIDE, SIDE


Seen = tuple[int, int, bytes, Finding | None]


def _look_at_all(
    collection: Records | Pairs | Folder, size: tuple[int, int], threads: int | None
) -> Iterator[tuple[int, list[Seen]]]:
    """Blocks of what is known of each image: number, label, digest, finding."""

    def look_at(start: int) -> list[Seen]:
        end = min(start + _BLOCK, len(collection))
        return [_look(collection, i, size) for i in range(start, end)]

    with one_thread_each(), ThreadPoolExecutor(threads or os.cpu_count() or 1, "check") as pool:
        done = 0
        for block in pool.map(look_at, range(0, len(collection), _BLOCK)):
            done += len(block)
            yield done, block


def _look(collection: Records | Pairs | Folder, i: int, size: tuple[int, int]) -> Seen:
    label = -1
    try:
        if isinstance(collection, Records):
            data, value = collection.read_with_label(i)
            is_class = 0 <= value < EXACT_LABELS and value == int(value)
            label = int(value) if is_class else -2
        else:
            data = collection.read(i)
            label = int(collection.labels[i]) if isinstance(collection, Folder) else -1
    except DataError as error:
        reason = str(error).removeprefix(f"{collection.path}: ")
        return i, label, b"", Finding("broken", i, _with_name(collection, i, reason))
    digest = blake2b(data, digest_size=_DIGEST).digest()
    wrong = damage(data, *size)
    if wrong is None:
        return i, label, digest, None
    kind = "size" if " pixels, not " in wrong else "broken"
    return i, label, digest, Finding(kind, i, _with_name(collection, i, wrong))


def _with_name(collection: Records | Pairs | Folder, i: int, reason: str) -> str:
    name = collection.name(i)
    return reason if name in reason else f"{name}: {reason}"


def _label_findings(
    collection: Records | Pairs | Folder, labels: NDArray[np.int64]
) -> list[Finding]:
    """Labels that are not class indices, or are beyond the property file's classes."""
    if not isinstance(collection, Records):
        return []
    promised = read_property(collection.path.parent / "property")
    found = []
    for i in np.flatnonzero(labels == -2).tolist():
        value = collection.read_with_label(i)[1]
        message = f"{collection.name(i)}: label {value:g} is not a class index"
        found.append(Finding("label", i, message))
    if promised is not None:
        for i in np.flatnonzero(labels >= promised).tolist():
            message = (
                f"{collection.name(i)}: label {labels[i]}, but property says {promised} classes"
            )
            found.append(Finding("label", i, message))
    return found


def _groups(digests: NDArray[np.uint64]) -> Iterator[NDArray[np.int64]]:
    """Numbers of images with the same bytes, ascending, where there are several."""
    order = np.lexsort((digests[:, 1], digests[:, 0]))
    order = order[(digests[order] != 0).any(axis=1)]
    alike = (digests[order[1:]] == digests[order[:-1]]).all(axis=1)
    edges = np.flatnonzero(np.diff(alike.astype(np.int8), prepend=0, append=0)).reshape(-1, 2)
    for start, end in edges.tolist():
        yield np.sort(order[start : end + 1])


def _duplicates(
    collection: Records | Pairs | Folder, labels: NDArray[np.int64], digests: NDArray[np.uint64]
) -> list[Finding]:
    found = []
    for group in _groups(digests):
        classes = np.unique(labels[group])
        if len(classes) > 1:
            where = ", ".join(f"{collection.name(i)} (label {labels[i]})" for i in group[:4])
            more = f" and {len(group) - 4} more" if len(group) > 4 else ""
            found += [Finding("two labels", i, f"{where}{more}") for i in group.tolist()]
        else:
            first = collection.name(int(group[0]))
            for i in group[1:].tolist():
                message = f"{collection.name(i)}: the same bytes as {first}, label {labels[i]}"
                found.append(Finding("duplicate", i, message))
    return found


def _truth_findings(pairs: Pairs, digests: NDArray[np.uint64]) -> list[Finding]:
    """Pairs of an image with itself, trivially same or wrongly different; truth of one kind."""
    found = []
    for k in np.flatnonzero((digests[0::2] == digests[1::2]).all(axis=1)).tolist():
        if digests[2 * k].any():
            says = "same, trivially" if pairs.same[k] else "different, wrongly"
            message = f"pair {k}: both images are the same bytes (marked {says})"
            found.append(Finding("truth", 2 * k, message))
    if pairs.same.all() or not pairs.same.any():
        mark = "same" if pairs.same.all() else "different"
        found.append(Finding("one kind", -1, f"all {len(pairs.same):,} pairs are marked {mark}"))
    return found


def _digests_of_pairs(path: Path) -> NDArray[np.uint64]:
    """Digests of the distinct images of an evaluation file, a row each, sorted by first word."""
    pairs = open_collection(path)
    if not isinstance(pairs, Pairs):
        raise DataError(f"{path}: --against takes .bin files of pairs")
    unique = {blake2b(image, digest_size=_DIGEST).digest() for image in pairs.images}
    return np.frombuffer(b"".join(sorted(unique)), np.uint64).reshape(-1, _DIGEST // 8)


def _leaks(
    collection: Records | Pairs | Folder,
    digests: NDArray[np.uint64],
    known: NDArray[np.uint64],
    name: Path,
) -> list[Finding]:
    candidates = np.flatnonzero(np.isin(digests[:, 0], known[:, 0]))
    exact = {row.tobytes() for row in known}
    return [
        Finding("leak", i, f"{collection.name(i)}: the same bytes as an image of {name}")
        for i in candidates.tolist()
        if digests[i].tobytes() in exact
    ]
