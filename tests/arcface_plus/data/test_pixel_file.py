"""The file of decoded pixels: numpy's format, and no damaged image is ever read."""

from __future__ import annotations

import os

import numpy as np
import pytest

from arcface_plus.data.pixel_file import PixelFile, PixelFileWriter, checksums, file_bytes
from data_prep.errors import DataError

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 112, 112, 3), np.uint8)
SEED = 0xFEDCBA9876543210  # of the top bit, too


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "p.npy"
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT)
    writer = PixelFileWriter(descriptor, 5, SEED)
    writer.write(3, PIXELS[3:])  # in any order
    writer.write(0, PIXELS[:3])
    writer.finish()
    os.close(descriptor)
    return file


def read(file: PixelFile, *indices: int) -> np.ndarray:
    out = np.empty((len(indices), 112, 112, 3), np.uint8)
    file.read(np.array(indices), out)
    return out


def test_it_is_numpys_format_and_reads_in_any_order(path):
    assert path.stat().st_size == file_bytes(5)
    assert np.array_equal(np.load(path, mmap_mode="r"), PIXELS)
    file = PixelFile(path, 5, SEED)
    assert np.array_equal(read(file, 4, 0, 0, 2), PIXELS[[4, 0, 0, 2]])
    file.check_sample()


@pytest.mark.parametrize("image", range(5))
def test_a_flipped_bit_is_found_in_its_image_only(path, image):
    at = len(path.read_bytes()) - 5 * 8 - (5 - image) * PIXELS[0].size + 777
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 4]))
    file = PixelFile(path, 5, SEED)
    others = [i for i in range(5) if i != image]
    assert np.array_equal(read(file, *others), PIXELS[others])
    with pytest.raises(DataError, match=f"image {image} is damaged; remove the file"):
        read(file, *range(5))
    with pytest.raises(DataError, match="is damaged"):
        file.check_sample()


def test_files_of_other_images_are_rejected(path):
    with pytest.raises(DataError, match="image 0 is damaged"):
        PixelFile(path, 5, SEED + 1).check_sample()
    with pytest.raises(DataError, match=r"has \d+ bytes instead of"):
        PixelFile(path, 6, SEED)
    with open(path, "r+b") as file:
        file.write(b"\x93NUMPX")
    with pytest.raises(DataError, match="its header is damaged"):
        PixelFile(path, 5, SEED)


def test_swapped_images_are_found():
    order = np.array([0, 1])
    one, other = checksums(order, PIXELS[:2], SEED), checksums(order[::-1], PIXELS[:2], SEED)
    assert not (one == other).any()
