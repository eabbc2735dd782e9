"""Files of embeddings: what they hold, and everything that can be wrong with them."""

from __future__ import annotations

import numpy as np
import pytest

from data_prep.errors import DataError, UserError
from eval.embeddings import FaceFile

ONE = np.ones((2, 4), np.float32)
ROWS = np.random.default_rng(5).standard_normal((24, 32)).astype(np.float32)


def read(file, size=3):
    return np.concatenate(list(file.blocks(size)))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_archives_are_read_in_blocks(tmp_path, save):
    probes, labels = ROWS, np.arange(24) % 5
    save(tmp_path / "p.npz", embeddings=probes, labels=labels, paths=[f"{i}.jpg" for i in labels])
    file = FaceFile(tmp_path / "p.npz")
    assert [len(block) for block in file.blocks(10)] == [10, 10, 4]
    np.testing.assert_array_equal(read(file), probes)
    np.testing.assert_array_equal(file.labels, labels)
    assert (len(file), file.dimensions) == (24, 32)
    assert file.row(3) == "row 3 (3.jpg)"


def test_a_bare_array_has_no_labels(tmp_path):
    np.save(tmp_path / "d.npy", ROWS.astype(np.float16))
    file = FaceFile(tmp_path / "d.npy")
    np.testing.assert_array_equal(read(file, 300), ROWS.astype(np.float16))
    assert file.labels is None
    assert file.row(2) == "row 2"


def test_class_names_and_origin_as_embed_writes_them(tmp_path):
    np.savez(
        tmp_path / "e.npz",
        embeddings=ONE,
        labels=np.array([1, 0]),
        class_names=["anna", "bob"],
        checkpoint="runs/a",
        flip=True,
    )
    file = FaceFile(tmp_path / "e.npz")
    assert file.labels.tolist() == ["bob", "anna"]
    assert file.made_with == "checkpoint runs/a, flip True"


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"features": ONE}, "no array 'embeddings' .it has features.; save it with np.savez"),
        ({"embeddings": ONE[0]}, "embeddings: expected at least one row of .* not .4,"),
        ({"embeddings": ONE.astype("U")}, "embeddings: expected float16, float32, float64"),
        ({"embeddings": ONE.T}, "are in Fortran order"),
        ({"embeddings": ONE, "labels": [1]}, r"labels must have the shape \(2,\), one per row"),
        (
            {"embeddings": ONE, "labels": np.array([1, "a"], object)},
            "labels: expected an array of numbers or strings, not .* object",
        ),
        ({"embeddings": ONE, "labels": [0, 2], "class_names": ["a"]}, "no name for label 2 of row"),
    ],
)
def test_archives_of_another_form(tmp_path, arrays, message):
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(UserError, match=message) as caught:
        FaceFile(tmp_path / "x.npz")
    assert "x.npz" in str(caught.value)


def test_one_row_may_not_be_of_any_length(tmp_path):
    np.savez_compressed(tmp_path / "x.npz", embeddings=np.ones((1, 2**17), np.float16))
    with pytest.raises(DataError, match=r"embeddings: expected .* not .1, 131072"):
        FaceFile(tmp_path / "x.npz")


def test_broken_files(tmp_path):
    with pytest.raises(DataError, match=r"x\.npz: no such embeddings file"):
        FaceFile(tmp_path / "x.npz")
    (tmp_path / "x.npz").write_bytes(b"no archive")
    with pytest.raises(DataError, match=r"x\.npz: not a readable \.npz"):
        FaceFile(tmp_path / "x.npz")
    (tmp_path / "x.npy").write_bytes(b"no array")
    with pytest.raises(DataError, match=r"x\.npy: embeddings is not a NumPy array"):
        FaceFile(tmp_path / "x.npy")
    np.save(tmp_path / "x.npy", ONE)
    whole = (tmp_path / "x.npy").read_bytes()
    (tmp_path / "x.npy").write_bytes(whole[:-1])
    with pytest.raises(
        DataError, match=r"announces 2×4 float32, 32 bytes, but the file has 31; it may"
    ):
        FaceFile(tmp_path / "x.npy")
    np.savez(tmp_path / "x.npz", embeddings=np.arange(4000, dtype=np.float32).reshape(40, 100))
    content = bytearray((tmp_path / "x.npz").read_bytes())
    content[len(content) // 2] ^= 255
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"x\.npz: not a readable \.npz .Bad CRC"):
        read(FaceFile(tmp_path / "x.npz"), 10)
