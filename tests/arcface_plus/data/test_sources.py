"""The digest of a training set: what it sees, and what it does not."""

from __future__ import annotations

import os
import shutil

import cv2
import numpy as np
import pytest

from arcface_plus.data.sources import open_source
from data_prep.training_set import TrainingSetWriter


def images(seed=0):
    drawn = np.random.default_rng(seed).integers(0, 256, (6, 112, 112, 3), np.uint8)
    return [cv2.imencode(".jpg", image)[1].tobytes() for image in drawn]


def write(folder, kind, encoded, labels=(0, 0, 0, 1, 1, 1)):
    """The images as a record file or as class folders."""
    if kind == "records":
        with TrainingSetWriter(folder) as writer:
            for label, image in zip(labels, encoded, strict=True):
                writer.add(label, image)
    else:
        for i, (label, image) in enumerate(zip(labels, encoded, strict=True)):
            (folder / f"c{label}").mkdir(parents=True, exist_ok=True)
            (folder / f"c{label}" / f"{i}.jpg").write_bytes(image)
    return folder


@pytest.mark.parametrize("kind", ["records", "folders"])
def test_digest_sees_order_labels_and_content(tmp_path, kind):
    encoded = images()
    one = encoded[0]
    bitten = one[: len(one) // 2] + bytes([one[len(one) // 2] ^ 1]) + one[len(one) // 2 + 1 :]
    sets = {
        "as it was": write(tmp_path / "a", kind, encoded),
        "permuted in a class": write(tmp_path / "b", kind, [*encoded[1:3], one, *encoded[3:]]),
        "other labels": write(tmp_path / "c", kind, encoded, (0, 0, 1, 1, 1, 1)),
        "another set": write(tmp_path / "d", kind, images(1)),
        "one byte": write(tmp_path / "e", kind, [bitten, *encoded[1:]]),
    }
    digests = {name: open_source(folder).digest() for name, folder in sets.items()}
    assert len(set(digests.values())) == len(sets)
    assert all(len(digest) == 32 for digest in digests.values())


@pytest.mark.parametrize("kind", ["records", "folders"])
def test_a_copy_that_was_touched_has_the_same_digest(tmp_path, kind):
    first = write(tmp_path / "first", kind, images())
    copy = shutil.copytree(first, tmp_path / "moved" / "second")
    for folder, _, names in os.walk(copy):
        for name in names:
            os.utime(os.path.join(folder, name), ns=(5, 5))
    assert open_source(first).digest() == open_source(copy).digest()
    assert open_source(first).fingerprint() != open_source(copy).fingerprint()
