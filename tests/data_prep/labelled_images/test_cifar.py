"""Planes become pixels, labels that are no class are refused, versions are told apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from labelled_files import cifar_10_batches, write_cifar_100_binary, write_pickles

from data_prep.errors import DataError
from data_prep.labelled_images.cifar import check_labels, from_planes
from data_prep.labelled_images.cifar_binary import CifarBinary
from data_prep.labelled_images.cifar_python import CifarPython


def test_planes_are_red_green_and_blue_row_by_row():
    pixels = from_planes(np.arange(2 * 3072).reshape(2, 3072))
    assert pixels.shape == (2, 32, 32, 3)
    assert pixels[1, 5, 7].tolist() == [3072 + plane * 1024 + 5 * 32 + 7 for plane in range(3)]


@pytest.mark.parametrize("label", [-1, 10])
def test_the_first_label_that_is_no_class_is_named(label):
    check_labels(Path("b"), np.array([0, 9]), 10)
    with pytest.raises(DataError, match=f"b: image 1 has label {label}, but there are 10 classes"):
        check_labels(Path("b"), np.array([9, label, 77]), 10)


@pytest.mark.parametrize(
    ("write", "kind", "classes", "images"),
    [
        (lambda folder: write_pickles(folder, cifar_10_batches(3)), CifarPython, 10, 15),
        (write_cifar_100_binary, CifarBinary, 100, 6),
    ],
)
def test_a_folder_is_of_one_version_and_of_none_without_the_names(
    tmp_path, write, kind, classes, images
):
    write(tmp_path)
    assert [found for found in (CifarPython, CifarBinary) if found.matches(tmp_path)] == [kind]
    train = kind(tmp_path, "train")
    assert (train.classes, len(train)) == (classes, images)
    (files,) = (files for files in kind.data_sets if files.are_in(tmp_path))
    (tmp_path / files.names_file).unlink()
    assert not kind.matches(tmp_path)
