"""Real images: which a step sees, in which range; other sizes are refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from labelled_files import (
    cifar_10_batches,
    write_cifar_10_binary,
    write_class_folders,
    write_mnist,
    write_pickles,
)

from arcface_plus.data.order import batch_indices
from arcface_plus.gan.images import load_images
from data_prep.errors import UserError
from data_prep.labelled_images import open_labelled_images

CPU = torch.device("cpu")


def test_a_step_sees_the_images_of_its_number(tmp_path):
    write_pickles(tmp_path, cifar_10_batches(4))
    images = load_images(str(tmp_path), 32, CPU)
    source = open_labelled_images(tmp_path, "train")
    assert len(images) == len(source) == 20
    batch = images.batch(seed=3, step=7, size=6)
    assert (batch.shape, batch.dtype) == ((6, 3, 32, 32), torch.float32)
    for image, index in zip(batch, batch_indices(3, 7, 6, 20), strict=True):
        expected = (source.image(int(index)).astype(np.float64) - 127.5) / 127.5
        np.testing.assert_allclose(image.numpy().transpose(1, 2, 0), expected, atol=1e-6)


def test_every_layout_gives_the_same_batches(tmp_path):
    write_pickles(tmp_path / "python", cifar_10_batches(4))
    write_cifar_10_binary(tmp_path / "binary", 4)
    python, binary = (load_images(str(tmp_path / name), 32, CPU) for name in ("python", "binary"))
    assert torch.equal(python.pixels, binary.pixels)
    assert python.digest == binary.digest


def test_the_digest_changes_with_an_image(tmp_path):
    files = cifar_10_batches(4)
    write_pickles(tmp_path / "a", files)
    files["data_batch_3"]["data"][0, 0] ^= 1
    write_pickles(tmp_path / "b", files)
    digests = {load_images(str(tmp_path / name), 32, CPU).digest for name in "ab"}
    assert len(digests) == 2


def test_what_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"missing key data\.train \(a folder\): use --set"):
        load_images(None, 32, CPU)
    write_mnist(tmp_path / "mnist")
    with pytest.raises(UserError, match=r"images are 28×28; the GAN is for 32×32 alone"):
        load_images(str(tmp_path / "mnist"), 32, CPU)


def test_class_folders_are_decoded(tmp_path):
    write_class_folders(tmp_path, ["cat", "dog"])
    images = load_images(str(tmp_path), 32, CPU)
    source = open_labelled_images(tmp_path, "train")
    assert np.array_equal(images.pixels.numpy(), np.stack([source.image(k) for k in range(6)]))
