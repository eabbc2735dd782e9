"""Which images of an evaluation are also in a training set: a leak that flatters every accuracy.

Only equal bytes count: the same photo cropped or compressed anew is not found. `data check
--against` compares hashes of all bytes; this looks at lengths and excerpts first, which a run has
at hand anyway, and reads just the images that agree in both.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from data_prep.image_sets.base import EXCERPT, Excerpts, ImageSet, excerpt


def shared_images(images: ImageSet, excerpts: Excerpts, others: Sequence[bytes]) -> int:
    """How many distinct ones of `others` (encoded) are in the set byte for byte.

    excerpts: what `images.excerpts()` returned.
    """
    looks = {(len(image), excerpt(image)) for image in others}
    sought = set(others)
    alike = map(images.read, _with_looks(excerpts, looks))
    return len({image for image in alike if image in sought})


def _with_looks(excerpts: Excerpts, looks: set[tuple[int, bytes]]) -> list[int]:
    """Numbers of the images whose length and excerpt are among `looks`."""
    lengths, joined = excerpts
    halves = lengths - lengths // 2  # an excerpt begins in the middle
    at = np.concatenate([[0], np.cumsum(np.minimum(halves, EXCERPT))])
    candidates = np.flatnonzero(np.isin(lengths, [length for length, _ in looks]))
    return [i for i in candidates.tolist() if (int(lengths[i]), joined[at[i] : at[i + 1]]) in looks]
