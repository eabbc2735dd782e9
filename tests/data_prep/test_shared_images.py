"""Images that a training set and an evaluation share are counted, each once, in any set."""

from __future__ import annotations

import numpy as np
import pytest

from data_prep.image_sets import open_image_set
from data_prep.shared_images import shared_images
from data_prep.training_set import TrainingSetWriter


@pytest.fixture
def images() -> list[bytes]:
    """Of many lengths, some equal in length and some in what an excerpt shows."""
    random = np.random.default_rng(0)
    made = [random.bytes(int(n)) for n in random.integers(1, 400, 60)]
    twin = bytearray(made[7])
    twin[0] ^= 1  # as long, and the same in the middle
    return [*made, bytes(twin)]


def count(folder, others: list[bytes]) -> int:
    found = open_image_set(folder)
    return shared_images(found, found.excerpts(), others)


def test_shared_images_are_counted_as_a_naive_loop_does(tmp_path, images):
    with TrainingSetWriter(tmp_path) as writer:
        for i, image in enumerate(images[:40]):
            writer.add(i // 10, image)
    for others in (images[35:], images[:40], [images[5]] * 9, [images[60], images[7]], []):
        assert count(tmp_path, others) == len(set(images[:40]) & set(others))


def test_equal_length_and_middle_are_not_enough(tmp_path, images):
    with TrainingSetWriter(tmp_path) as writer:
        writer.add(0, images[7])
        writer.add(1, images[8])
    assert count(tmp_path, [images[60]]) == 0


def test_only_images_that_look_alike_are_read(tmp_path, images, monkeypatch):
    with TrainingSetWriter(tmp_path) as writer:
        for i, image in enumerate(images[:40]):
            writer.add(i // 10, image)
    found = open_image_set(tmp_path)
    excerpts = found.excerpts()
    read = []
    plain = found.read
    monkeypatch.setattr(found, "read", lambda i: read.append(i) or plain(i))
    assert shared_images(found, excerpts, [images[3], images[50]]) == 1
    assert read == [3]
