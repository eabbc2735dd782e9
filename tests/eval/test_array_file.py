"""Arrays from others' files: every claim is checked before memory is taken."""

from __future__ import annotations

import io
import tracemalloc
import zipfile

import numpy as np
import pytest

from data_prep.errors import DataError
from eval import array_file
from eval.array_file import ArrayArchive, open_array


def npy(shape, descr="<f4", data=b"", fortran=False):
    """A .npy that claims what it likes."""
    file = io.BytesIO()
    header = {"shape": shape, "fortran_order": fortran, "descr": descr}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + data


def archive(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return path


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_writes_is_read(tmp_path, save):
    arrays = {
        "a": np.arange(12.0).reshape(3, 4),
        "names": np.array(["x", "yz"]),
        "one": np.array("runs/a"),
        "yes": np.array(True),
        "none": np.zeros((0, 4), np.float32),
    }
    save(tmp_path / "x.npz", **arrays)
    found = ArrayArchive(tmp_path / "x.npz", "write it again")
    assert found.keys == tuple(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found.read(name), array)
        assert found.read(name).dtype == array.dtype
    with found.open("a") as stream:
        stream.skip(1)
        assert stream.rows(1).tolist() == [[4, 5, 6, 7]]
    with pytest.raises(DataError, match=r"no array 'b' .it has a, names.*write it again"):
        found.read("b")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (npy((10**6, 10**6)), "announces 1000000×1000000 float32, 4000000000000 bytes, but .* 0"),
        (npy((2**40, 2**40)), "announces"),
        (npy((-2, -2), data=b"0" * 16), "expected an array of numbers or strings"),
        (npy((10**18,), "<U0"), "expected an array of numbers or strings"),
        (npy((3,), "|O", b"0" * 24), "expected an array of numbers or strings"),
        (npy((2, 2), data=b"0" * 16, fortran=True), "is in Fortran order"),
        (b"\x93NUMPY\x01\x00\xff\xff(((((", "is not a NumPy array"),
        (b"\x93NUMPY\x01\x00\x06\x00{'a'\n\n", "is not a NumPy array"),
        (b"", "is not a NumPy array"),
    ],
)
def test_claims_that_are_not_so(tmp_path, content, words):
    path = archive(tmp_path / "x.npz", {"a": content})
    tracemalloc.start()
    with pytest.raises(DataError, match=rf"x\.npz: a.*{words}") as caught:
        ArrayArchive(path, "r").read("a")
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()
    assert "\n" not in str(caught.value)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(array_file, "IN_MEMORY", 10_000)
    content = npy((1500,), data=bytes(6000))
    path = archive(tmp_path / "x.npz", {"a": content, "b": content}, zipfile.ZIP_DEFLATED)
    found = ArrayArchive(path, "leave it")
    assert found.read("a").sum() == 0
    with pytest.raises(DataError, match=r"b: has 6000 bytes, .* 10000 together; leave it"):
        found.read("b")


def test_a_directory_that_lies_about_sizes(tmp_path):
    path = archive(tmp_path / "x.npz", {"a": npy((2,), data=b"0" * 8)})
    content = bytearray(path.read_bytes())
    at = content.rindex(b"PK\x01\x02") + 24  # the directory's uncompressed size
    content[at : at + 4] = (2**31).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"not a readable \.npz .impossible sizes"):
        ArrayArchive(path, "r").read("a")


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x05\x06" + bytes(18), b"\x00" * 100])
def test_no_archive_at_all(tmp_path, content):
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"x\.npz: (not a readable \.npz|no array 'a')"):
        ArrayArchive(tmp_path / "x.npz", "r").read("a")


def test_a_bare_array_is_checked_alike():
    content = npy((2, 2), data=b"0" * 15)
    with pytest.raises(
        DataError, match=r"f: its header announces 2×2 float32, 16 bytes, but the file has 15"
    ):
        open_array(io.BytesIO(content), len(content), "f")
