"""1:N identification with distractors by MegaFace's protocol, and TAR at very low FAR.

A trial is a probe and one gallery image of the same identity, its mate. The gallery searched in a
trial holds only that mate and N distractors, no other images of this or other identities. The
trial succeeds at rank k if fewer than k distractors are at least as similar to the probe as the
mate is (Kemelmacher-Shlizerman et al., The MegaFace Benchmark, CVPR 2016, section 4). Similarity
is the cosine. All figures follow from one number per trial, how many distractors are ahead of the
mate, and from the highest scores of probe-distractor pairs. Both are collected in one pass over
the distractors, block by block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from data_prep.errors import UserError
from eval.embeddings import Faces, directions
from eval.search import NUMPY, TIE, ArrayLibrary, Highest, Progress, search

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

RANKS = (1, 5, 10)
FALSE_ACCEPT_RATES = {"1e-2": 100, "1e-3": 1000, "1e-4": 10**4, "1e-5": 10**5, "1e-6": 10**6}
"""Name of a false accept rate → 1/FAR, an integer so that counts are exact, largest rate first.
The largest rate determines the share of scores kept: 40 MB for 1e9 pairs."""

DIFFERENT_PAIRS_NEEDED = 10
"""As in `eval.roc`: with fewer than 10/FAR different pairs the figure is mostly noise."""


@dataclass(frozen=True, eq=False)
class IdentificationResult:
    """The result of `identify`.

    Attributes:
        rank_rates: number of distractors → rank k → share of trials in which the mate is among
            the k most similar. For fewer than all distractors it is the exact mean over all
            subsets of that size.
        tar_at_far: share of trials' pairs accepted by the lowest threshold whose false accept rate
            among the `different_pairs` is not above the target; counts, nothing interpolated.
            None if there are fewer than 10/FAR different pairs.
        thresholds: the cosine above which a pair is accepted at that FAR, or None.
        unavailable: why a figure is None.
        probe_rows, mate_rows: (trials,) which rows of probes and gallery a trial compares.
        similarities: (trials,) their cosines.
        ahead: (trials,) how many of all distractors tie with or beat the mate.
        different_pairs: probes × distractors.
        without_mate: images not used as probes because their identity has no other image (only
            without separate probes).
        identical: trials with cosine 1: probe and mate are probably the same image.
    """

    gallery: int
    probes: int
    distractors: int
    identities: int
    dimensions: int
    rank_rates: dict[int, dict[int, float]]
    tar_at_far: dict[str, float | None]
    thresholds: dict[str, float | None]
    probe_rows: Integers
    mate_rows: Integers
    similarities: Floats
    ahead: Integers
    without_mate: int
    unavailable: dict[str, str] = field(default_factory=dict)

    @property
    def trials(self) -> int:
        return len(self.ahead)

    @property
    def different_pairs(self) -> int:
        return self.probes * self.distractors

    @property
    def identical(self) -> int:
        return int(np.sum(self.similarities >= 1 - TIE))

    def to_json(self) -> dict[str, Any]:
        """Plain Python values; keys are strings, as in JSON."""
        return {
            "counts": {
                "gallery": self.gallery,
                "probes": self.probes,
                "distractors": self.distractors,
                "identities": self.identities,
                "trials": self.trials,
                "different_pairs": self.different_pairs,
                "without_mate": self.without_mate,
                "identical": self.identical,
            },
            "dimensions": self.dimensions,
            "rank": {
                str(n): {str(k): rate for k, rate in rates.items()}
                for n, rates in self.rank_rates.items()
            },
            "tar_at_far": dict(self.tar_at_far),
            "thresholds": dict(self.thresholds),
            "unavailable": dict(self.unavailable),
        }


def identify(
    gallery: Faces,
    distractors: Faces,
    probes: Faces | None = None,
    *,
    ranks: Sequence[int] = RANKS,
    library: ArrayLibrary = NUMPY,
    block: int = 4096,
    progress: Progress | None = None,
) -> IdentificationResult:
    """MegaFace's identification and verification of probes among distractors.

    Takes probes × distractors dot products and as many comparisons per mate. Memory holds gallery
    and probes, 1024 × `block` scores and 1/100 of all scores (see FALSE_ACCEPT_RATES).

    Args:
        gallery: labelled; an identity may have several images, each the mate of its own trials.
        distractors: read once, in order, `block` rows at a time. Labels are optional; if present,
            they must not occur in the gallery or the probes.
        probes: labelled; every identity must be in the gallery. None: every image of the gallery
            is the probe for every other image of its identity, as in MegaFace's use of FaceScrub.
        ranks: the k of rank-k, from 1.
        library: computes the scores.
        block: does not affect the results.
        progress: called with the number of distractors done and in total.

    Raises:
        UserError: labels missing or inconsistent, different dimensions, or an embedding that is
            zero or not finite; the message names set, row and identity.
    """
    _check_labels(gallery, distractors, probes)
    known = directions(gallery, None)
    asking = known if probes is None else directions(probes, known.shape[1])
    probe_rows, mate_rows = _trials(_names(gallery), None if probes is None else _names(probes))
    if not len(probe_rows):
        raise UserError(
            f"{gallery.name}: no identity has two images, so no probe has a mate; give --probes"
        )
    similarities = _similarities(asking, probe_rows, known, mate_rows, block)
    limits = (similarities - TIE).astype(np.float32)
    used, total = len(np.unique(probe_rows)), len(distractors)
    highest = Highest(used * total // min(FALSE_ACCEPT_RATES.values()) + 1)
    ahead = search(
        asking, probe_rows, limits, distractors, highest,
        library=library, block=block, progress=progress,
    )  # fmt: skip
    tars, thresholds, unavailable = _accept_rates(limits, highest.descending(), used * total)
    return IdentificationResult(
        gallery=len(gallery),
        probes=used,
        distractors=total,
        identities=len(np.unique(_names(gallery)[mate_rows])),
        dimensions=known.shape[1],
        rank_rates=_rank_rates(ahead, total, ranks),
        tar_at_far=tars,
        thresholds=thresholds,
        probe_rows=probe_rows,
        mate_rows=mate_rows,
        similarities=similarities,
        ahead=ahead,
        without_mate=len(gallery) - used if probes is None else 0,
        unavailable=unavailable,
    )


def _similarities(
    probes: NDArray[np.float32],
    probe_rows: Integers,
    mates: NDArray[np.float32],
    mate_rows: Integers,
    block: int,
) -> Floats:
    """(trials,) cosines of probe and mate, in float64, `block` trials at a time."""
    found = np.empty(len(probe_rows))
    for start in range(0, len(found), block):
        part = slice(start, start + block)
        pairs = probes[probe_rows[part]].astype(np.float64), mates[mate_rows[part]]
        found[part] = np.einsum("ij,ij->i", *pairs)
    return found


def _rank_rates(ahead: Integers, total: int, ranks: Sequence[int]) -> dict[int, dict[int, float]]:
    """Number of distractors → rank → share of trials."""
    return {
        size: {rank: expected_rank_rate(ahead, total, size, rank) for rank in ranks}
        for size in subset_sizes(total)
    }


def subset_sizes(total: int) -> list[int]:
    """The numbers of distractors to report: 10, 100, … below `total`, and `total`."""
    powers = [10**e for e in range(1, 19) if 10**e < total]
    return [*powers, total]


def expected_rank_rate(ahead: Integers, total: int, size: int, rank: int) -> float:
    """Share of trials with fewer than `rank` distractors ahead if only `size` of `total` are used.

    `ahead` (t,) of the `total` distractors are ahead of the mate. Among `size` of them, drawn
    without replacement, their number is hypergeometric; this gives the exact mean over all draws.
    """
    counts, trials = np.unique(ahead, return_counts=True)
    chance = stats.hypergeom.cdf(rank - 1, total, counts, size)
    return float(np.sum(chance * trials) / len(ahead))


def _accept_rates(
    limits: NDArray[np.float32], impostors: NDArray[np.float32], pairs: int
) -> tuple[dict[str, float | None], dict[str, float | None], dict[str, str]]:
    """TAR and threshold at each FAR, and the reason for each None.

    Of m different pairs floor(m · FAR) may be accepted. The lowest such threshold is the score of
    the next one; pairs above it are accepted.
    """
    tars: dict[str, float | None] = dict.fromkeys(FALSE_ACCEPT_RATES)
    thresholds: dict[str, float | None] = dict.fromkeys(FALSE_ACCEPT_RATES)
    unavailable = {}
    for name, inverse in FALSE_ACCEPT_RATES.items():
        needed = DIFFERENT_PAIRS_NEEDED * inverse
        if pairs < needed:
            unavailable[name] = f"needs {needed} different pairs, there are {pairs}"
            continue
        threshold = impostors[pairs // inverse]
        tars[name], thresholds[name] = float(np.mean(limits > threshold)), float(threshold)
    return tars, thresholds, unavailable


def _check_labels(gallery: Faces, distractors: Faces, probes: Faces | None) -> None:
    """Raise UserError unless the gallery has all the probes' identities and no distractor's."""
    for faces in (gallery, probes):
        if faces is not None and faces.labels is None:
            raise UserError(
                f"{faces.name}: has no identities; add labels (one folder per identity, or "
                "`labels` in the .npz)"
            )
    for faces in (probes, distractors):
        if faces is None or None in (faces.dimensions, gallery.dimensions):
            continue
        if faces.dimensions != gallery.dimensions:
            raise UserError(
                f"{faces.name}: {faces.dimensions}-d embeddings, but {gallery.name} has "
                f"{gallery.dimensions}-d ones; embed both with the same model"
            )
    identities = set(_names(gallery).tolist())
    if probes is not None:
        strange = np.flatnonzero(~np.isin(_names(probes), list(identities)))
        if len(strange):
            row = int(strange[0])
            who = str(_names(probes)[row])
            raise UserError(
                f"{probes.name}: identity {who!r} of {probes.row(row)} is not in the gallery "
                f"{gallery.name} ({len(strange)} such probes); add it there or remove the probe"
            )
    if distractors.labels is not None:
        common = identities & set(np.unique(distractors.labels).astype(str).tolist())
        if common:
            rows = np.flatnonzero(np.isin(_names(distractors), list(common)))
            row = int(rows[0])
            who = str(_names(distractors)[row])
            raise UserError(
                f"{distractors.name}: identity {who!r} of {distractors.row(row)} is also in the "
                f"gallery {gallery.name} ({len(rows)} such images); remove it from the "
                "distractors, or if it is a different person, rename it or leave the labels out"
            )


def _names(faces: Faces) -> NDArray[np.str_]:
    """(n,) identities as text, so that number 7 and "7" are the same person."""
    assert faces.labels is not None
    return faces.labels.astype(str)


def _trials(
    gallery: NDArray[np.str_], probes: NDArray[np.str_] | None
) -> tuple[Integers, Integers]:
    """Rows of probe and mate of every trial, sorted by probe, then by mate."""
    order = np.argsort(gallery, kind="stable")
    asked = gallery if probes is None else probes
    first = np.searchsorted(gallery[order], asked, side="left")
    count = np.searchsorted(gallery[order], asked, side="right") - first
    probe_rows = np.repeat(np.arange(len(asked)), count)
    within = np.arange(len(probe_rows)) - np.repeat(np.cumsum(count) - count, count)
    mate_rows = order[np.repeat(first, count) + within]
    if probes is None:  # an image is not its own mate
        others = probe_rows != mate_rows
        probe_rows, mate_rows = probe_rows[others], mate_rows[others]
    return probe_rows, mate_rows
