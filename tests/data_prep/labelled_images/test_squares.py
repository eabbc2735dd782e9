"""Images of different sizes as squares."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from labelled_files import png, write_imagenet

from data_prep.errors import DataError
from data_prep.labelled_images import open_labelled_images
from data_prep.labelled_images.squares import Middles, Squares, single_view


def write(folder, shapes, split="train"):
    """Two classes; every image is a horizontal ramp of red and a vertical one of green."""
    for k, (height, width) in enumerate(shapes):
        place = folder / split / f"class_{k % 2}"
        place.mkdir(parents=True, exist_ok=True)
        pixels = np.zeros((height, width, 3), np.uint8)
        pixels[..., 0] = np.linspace(0, 255, width)[None, :].round()
        pixels[..., 1] = np.linspace(0, 255, height)[:, None].round()
        (place / f"{k}.png").write_bytes(png(pixels))
    return folder


@pytest.mark.parametrize("shape", [(60, 40), (40, 60), (40, 40), (10, 31)])
def test_the_middle_of_the_scaled_image_is_kept(tmp_path, shape):
    squares = Squares(open_labelled_images(write(tmp_path, [shape, (20, 20)]), "train"), 20)
    image = squares.image(0).astype(float)
    assert image.shape == (20, 20, 3)
    height, width = shape
    shorter = min(shape)
    for channel, length, ramp in ((0, width, image[10, :, 0]), (1, height, image[:, 10, 1])):
        cut = 0.5 * (length - shorter) / length  # this share is missing at either end
        expected = 255 * np.array([cut, 1 - cut])
        step = 255 / (20 * length / shorter)
        assert ramp[[0, -1]] == pytest.approx(expected, abs=1.5 * step), channel
        assert (np.diff(ramp) >= 0).all()


def test_squares_that_fit_are_left_as_they_are(tmp_path):
    images = open_labelled_images(write(tmp_path, [(24, 24), (24, 24)]), "train")
    assert np.array_equal(Squares(images, 24).image(0), images.image(0))


def test_scaling_down_averages(tmp_path):
    folder = write(tmp_path, [(40, 40), (40, 40)])
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    (folder / "train/class_0/0.png").write_bytes(png(noise))
    small = Squares(open_labelled_images(folder, "train"), 20).image(0)
    means = noise.reshape(20, 2, 20, 2, 3).mean(axis=(1, 3))
    assert np.abs(small - means).max() <= 0.5


def test_middles_are_slices(tmp_path):
    images = open_labelled_images(write(tmp_path, [(24, 24), (24, 24)]), "train")
    middles = Middles(images, 15)
    assert middles.size == (15, 15)
    assert np.array_equal(middles.image(1), images.image(1)[4:19, 4:19])
    assert np.array_equal(middles.batch(np.array([1, 0]))[1], images.image(0)[4:19, 4:19])
    with pytest.raises(ValueError, match="a square of 25 is larger than images of 24×24"):
        Middles(images, 25)


def test_a_single_view_is_scaled_first(tmp_path):
    images = open_labelled_images(write(tmp_path, [(60, 40), (40, 60)]), "train")
    assert single_view(images, None, None) is images
    view = single_view(images, 20, 12)
    assert (len(view), view.classes, view.size) == (2, 2, (12, 12))
    assert np.array_equal(view.image(1), Squares(images, 20).image(1)[4:16, 4:16])


def test_imagenets_files_and_a_part_of_them(tmp_path):
    write_imagenet(tmp_path)
    images = open_labelled_images(tmp_path, "train")
    with pytest.raises(DataError, match="the first image"):
        images.image(1)
    squares = Squares(images, 32)
    assert squares.batch(np.arange(len(squares))).shape == (12, 32, 32, 3)
    part = Squares(images.subset(np.array([5, 1])), 32)
    assert np.array_equal(part.image(1), squares.image(1))


def test_the_digest_changes_with_the_side_and_the_files(tmp_path):
    images = open_labelled_images(write(tmp_path, [(24, 24), (24, 24)]), "train")
    digests = {
        images.digest(), Squares(images, 20).digest(), Squares(images, 24).digest(),
        Middles(images, 20).digest(),
    }  # fmt: skip
    assert len(digests) == 4
    assert Squares(images, 20).fingerprint() != Squares(images, 21).fingerprint()
    before = Squares(images, 20).digest()
    cv2.imwrite(str(tmp_path / "train/class_0/0.png"), np.zeros((24, 24, 3), np.uint8))
    assert Squares(open_labelled_images(tmp_path, "train"), 20).digest() != before
