"""CIFAR's Python version: values as Python 2 and 3 write them, hostile and broken pickles."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from labelled_files import (
    CIFAR_10,
    cifar_10_batches,
    cifar_100_batches,
    images,
    planes,
    python_2_pickle,
    write_pickles,
)

from data_prep.errors import DataError
from data_prep.labelled_images.cifar_python import CifarPython


def test_the_made_pickles_are_what_python_2_reads_back() -> None:
    batch = cifar_10_batches()["data_batch_2"]
    content = pickle.loads(python_2_pickle(batch), encoding="latin1")
    assert content["labels"] == batch["labels"]
    assert np.array_equal(content["data"], batch["data"])


@pytest.mark.parametrize("python_2", [True, False])
def test_cifar_10(tmp_path: Path, python_2: bool) -> None:
    write_pickles(tmp_path, cifar_10_batches(), python_2)
    assert CifarPython.matches(tmp_path)
    train, test = CifarPython(tmp_path, "train"), CifarPython(tmp_path, "test")
    assert (len(train), len(test), train.classes, train.size) == (20, 4, 10, (32, 32))
    assert list(train.class_names.values()) == CIFAR_10
    assert train.labels.tolist() == [*range(10), *range(10)]
    assert np.array_equal(train.image(9), images(4, 32, 3, seed=2)[1])
    assert np.array_equal(test.batch(np.arange(4)), images(4, 32, 3, seed=5))


@pytest.mark.parametrize("python_2", [True, False])
def test_cifar_100_has_fine_labels(tmp_path: Path, python_2: bool) -> None:
    write_pickles(tmp_path, cifar_100_batches(), python_2)
    train, test = CifarPython(tmp_path, "train"), CifarPython(tmp_path, "test")
    assert (len(train), len(test), train.classes) == (6, 4, 100)
    assert train.labels.tolist() == [99, 98, 97, 96, 95, 94]
    assert train.class_names[99] == "fine_99"
    assert np.array_equal(train.image(5), images(6, 32, 3)[5])


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_arrays_stored_column_by_column(tmp_path: Path, protocol: int) -> None:
    files = cifar_100_batches()
    write_pickles(tmp_path, files)
    files["train"]["data"] = np.asfortranarray(files["train"]["data"])
    (tmp_path / "train").write_bytes(pickle.dumps(files["train"], protocol))
    train = CifarPython(tmp_path, "train")
    assert np.array_equal(train.batch(np.arange(6)), images(6, 32, 3))


class Attack:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("place", ["data", "fine_labels", "filenames", "key"])
def test_nothing_is_executed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, protocol: int
) -> None:
    files = cifar_100_batches()
    write_pickles(tmp_path, files)
    attack = Attack(os.system, f"touch {tmp_path}/executed")
    if place == "key":
        files["train"][attack] = 1  # type: ignore[index]
    else:
        files["train"][place] = attack
    (tmp_path / "train").write_bytes(pickle.dumps(files["train"], protocol))
    with pytest.raises(DataError, match="refused") as error:
        CifarPython(tmp_path, "train")
    assert not (tmp_path / "executed").exists()
    assert "CIFAR batch" in str(error.value)
    assert "pair" not in str(error.value)


def test_a_hostile_names_file(tmp_path: Path) -> None:
    write_pickles(tmp_path, cifar_10_batches())
    (tmp_path / "batches.meta").write_bytes(pickle.dumps({"label_names": Attack(eval, "1/0")}))
    with pytest.raises(DataError, match=r"batches\.meta: wants to use builtins\.eval.*refused"):
        CifarPython(tmp_path, "test")


def test_keys_with_equal_hashes_are_refused_before_they_cost_time(tmp_path: Path) -> None:
    write_pickles(tmp_path, cifar_100_batches())
    bomb = {k * (2**61 - 1): None for k in range(1, 300)}
    (tmp_path / "train").write_bytes(pickle.dumps(bomb))
    with pytest.raises(DataError, match="opcode LONG1 has no place in a CIFAR batch: refused"):
        CifarPython(tmp_path, "train")
    (tmp_path / "train").write_bytes(pickle.dumps({(k, -k): None for k in range(2000)}))
    with pytest.raises(DataError, match="more lists or tuples than a CIFAR batch has"):
        CifarPython(tmp_path, "train")


def changed(**content: Any) -> bytes:
    return python_2_pickle(cifar_100_batches()["train"] | content)


GOOD = changed()
BAD = {
    "empty": (b"", "truncated or corrupt at byte 0 of 0"),
    "cut": (GOOD[:-100], "truncated or corrupt at byte"),
    "other file": (b"<!DOCTYPE html>", "no place in a CIFAR batch|truncated"),
    "list": (pickle.dumps([1, 2]), "holds a list, not the dict"),
    "no data": (pickle.dumps({"fine_labels": [1]}), r"no \(n, 3072\) array of bytes"),
    "wide": (changed(data=planes(images(6, 32, 3))[:, :3000].copy()), "array of bytes"),
    "flat": (changed(data=planes(images(1, 32, 3))[0]), "array of bytes"),
    "integers": (pickle.dumps(cifar_100_batches()["train"] |
                              {"data": np.zeros((6, 3072), np.int32)}), "array of bytes"),
    "no labels": (changed(fine_labels="x"), "has no list of whole numbers fine_labels"),
    "texts": (changed(fine_labels=["a"] * 6), "has no list of whole numbers fine_labels"),
    "fewer labels": (changed(fine_labels=[1] * 5), "5 labels for 6 images"),
    "large label": (changed(fine_labels=[1, 2, 100, 3, 4, 5]), "image 2 has label 100, but"),
    "negative label": (changed(fine_labels=[1, -1, 0, 3, 4, 5]), "image 1 has label -1, but"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_wrong_batches(tmp_path: Path, name: str) -> None:
    data, message = BAD[name]
    write_pickles(tmp_path, cifar_100_batches())
    (tmp_path / "train").write_bytes(data)
    with pytest.raises(DataError, match=message) as error:
        CifarPython(tmp_path, "train")
    assert str(error.value).startswith(f"{tmp_path}/train: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "has no list of names fine_label_names"),
        ({"fine_label_names": [1, 2]}, "has no list of names"),
        ({"fine_label_names": ["a"]}, "names 1 classes, fewer than two"),
    ],
)
def test_wrong_names(tmp_path: Path, content: dict[str, Any], message: str) -> None:
    write_pickles(tmp_path, cifar_100_batches() | {"meta": content})
    with pytest.raises(DataError, match=message):
        CifarPython(tmp_path, "train")


def test_a_missing_batch_is_named(tmp_path: Path) -> None:
    write_pickles(tmp_path, cifar_10_batches())
    (tmp_path / "data_batch_4").unlink()
    with pytest.raises(DataError, match="data_batch_4: No such file"):
        CifarPython(tmp_path, "train")
