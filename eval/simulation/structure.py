"""Which pairs of a target share images and people, and how far that makes their scores alike.

A pair file has no names. Images are the same if their bytes are; people are known as far as pairs
of one person connect their images. An image that only occurs in pairs of two people counts as a
person of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

Floats = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class PairStructure:
    """(P,) whether a pair shows one person; (P, 2) numbers of its images and of their people.

    The effects of the two images of a pair have equal weights, those of two people too; weights
    squared sum to 1. One person's effect counts once.
    """

    same: NDArray[np.bool_]
    images: NDArray[np.int64]
    people: NDArray[np.int64]

    @cached_property
    def image_weights(self) -> csr_array:
        """(P, images)"""
        return _weights(self.images, np.full(self.images.shape, np.sqrt(0.5)))

    @cached_property
    def person_weights(self) -> csr_array:
        """(P, people)"""
        two = np.full(self.people.shape, np.sqrt(0.5))
        return _weights(self.people, np.where(self.same[:, None], [1.0, 0.0], two))


def _weights(members: NDArray[np.int64], weights: Floats) -> csr_array:
    rows = np.repeat(np.arange(len(members)), 2)
    shape = (len(members), int(members.max()) + 1)
    return csr_array(coo_array((weights.ravel(), (rows, members.ravel())), shape=shape))


def structure_of(images: Sequence[bytes], same: NDArray[np.bool_]) -> PairStructure:
    """The structure of a pair file: 2·P encoded images and (P,) booleans, as `read_pairs` gives."""
    numbers: dict[bytes, int] = {}
    pairs = np.array([numbers.setdefault(image, len(numbers)) for image in images]).reshape(-1, 2)
    links = pairs[same]
    graph = coo_array((np.ones(len(links)), (links[:, 0], links[:, 1])), shape=(len(numbers),) * 2)
    person = connected_components(graph, directed=False)[1].astype(np.int64)
    return PairStructure(same, pairs, person[pairs])


def unshared(pairs: int) -> PairStructure:
    """Pairs that share nothing; every second one shows one person."""
    same = np.arange(pairs) % 2 == 0
    images = np.arange(2 * pairs).reshape(-1, 2)
    return PairStructure(same, images, np.where(same[:, None], images[:, :1], images))


@dataclass(frozen=True)
class Sharing:
    """The shares of the variance of pairs' scores that come from their people and their images.

    Two pairs of one person then have the correlation `person`, two pairs with one image in common
    `image` / 2 more.
    """

    person: float = 0.0
    image: float = 0.0


NOTHING_SHARED = Sharing()


def sharing_of(fields: Floats, structure: PairStructure) -> Sharing:
    """The shares in (k, P) figures of pairs, each with mean 0 and variance 1.

    Products of two pairs' figures are regressed on the products that a person or an image in common
    would give (Haseman and Elston 1972, who estimated heritability so).
    """
    person, image = (
        _without_diagonal(weights @ weights.T)
        for weights in (structure.person_weights, structure.image_weights)
    )
    squares = np.array(
        [[float(a.multiply(b).sum()) for b in (person, image)] for a in (person, image)]
    )
    products = np.array(
        [float(np.mean([f @ (m @ f) for f in fields.astype(np.float64)])) for m in (person, image)]
    )
    shares = np.linalg.lstsq(squares, products, rcond=None)[0]
    first = float(np.clip(shares[0], 0.0, 0.95))
    return Sharing(first, float(np.clip(shares[1], 0.0, 0.95 - first)))


def _without_diagonal(matrix: csr_array) -> csr_array:
    matrix = csr_array(matrix)
    matrix.setdiag(0.0)
    return matrix
