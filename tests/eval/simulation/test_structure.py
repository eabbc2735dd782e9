"""Which pairs share people and images, and how much of a score these make."""

from __future__ import annotations

import numpy as np
import pytest

from eval.simulation.networks import Components, normal_distances, simulated_distances
from eval.simulation.structure import Sharing, sharing_of, structure_of, unshared

A1, A2, A3, B1, C1 = b"a1", b"a2", b"a3", b"b1", b"c1"


def crowded(pairs=1500, people=150, images=4):
    """Pairs of few people with few images each, so that most pairs share something."""
    rng = np.random.default_rng(1)
    first, second = rng.integers(people, size=(2, pairs))
    second = np.where(np.arange(pairs) % 2 == 0, first, second)
    a, b = rng.integers(images, size=(2, pairs))
    b = np.where((first == second) & (a == b), (a + 1) % images, b)
    encoded = [
        f"{p}/{i}".encode()
        for pair in zip(first, a, second, b, strict=True)
        for p, i in (pair[:2], pair[2:])
    ]
    return structure_of(encoded, np.array(first == second))


def test_images_are_known_by_their_bytes_and_people_by_their_same_pairs():
    found = structure_of([A1, A2, A2, A3, A1, B1, B1, C1], np.array([True, True, False, False]))
    a1, a2, a3, b1, c1 = 0, 1, 2, 3, 4
    assert found.images.tolist() == [[a1, a2], [a2, a3], [a1, b1], [b1, c1]]
    person = found.people
    assert person[0, 0] == person[0, 1] == person[1, 1] == person[2, 0]  # a1 - a2 - a3
    assert len({person[0, 0], person[2, 1], person[3, 1]}) == 3


def test_weights_squared_sum_to_one():
    for structure in (crowded(100), unshared(10)):
        for weights in (structure.person_weights, structure.image_weights):
            squares = np.asarray(weights.multiply(weights).sum(axis=1)).ravel()
            assert squares == pytest.approx(np.ones(len(structure.same)))


@pytest.mark.parametrize("truth", [Sharing(), Sharing(0.3, 0.0), Sharing(0.1, 0.5)])
def test_the_shares_are_found_again(truth):
    structure, rng = crowded(), np.random.default_rng(2)
    model = Components(normal_distances(0.9), by_pair=1.0, common=truth)
    fields = np.concatenate(
        [simulated_distances(model, structure, 1, (0.0,), rng)[0] for _ in range(40)]
    ).astype(np.float64)
    for kind in (structure.same, ~structure.same):
        fields[:, kind] -= fields[:, kind].mean()
        fields[:, kind] /= fields[:, kind].std()
    found = sharing_of(fields, structure)
    assert found.person == pytest.approx(truth.person, abs=0.05)
    assert found.image == pytest.approx(truth.image, abs=0.05)


def test_pairs_that_share_nothing_have_no_shares():
    fields = np.random.default_rng(3).normal(size=(2, 200))
    assert sharing_of(fields, unshared(200)) == Sharing(0.0, 0.0)
