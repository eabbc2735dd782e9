"""Pair files: everything honest is read, whoever pickled it."""

from __future__ import annotations

import base64
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data_prep.errors import DataError
from data_prep.pairs import byte_offset, read_pairs, write_pairs

IMAGES = [b"\xff\xd8\x00\n'\"\\\x80", b"a" * 300, b"\xff\xd8\x00\n'\"\\\x80", b"\x89PNG"]

#: `pickle.dumps((bins, issame), p)` of Python 2.7's pickle and cPickle, p = 0, 1, 2, with the
#: images above but the second "b" alone, and issame = [True, False].
PYTHON_2 = [
    "KChscDAKUydceGZmXHhkOFx4MDBcblwnIlxcXHg4MCcKcDEKYVMnYicKcDIKYWcxCmFTJ1x4ODlQTkcnCnAzCmEobHA0"
    "CkkwMQphSTAwCmF0cDUKLg==",
    "KChscDEKUydceGZmXHhkOFx4MDBcblwnIlxcXHg4MCcKcDIKYVMnYicKYWcyCmFTJ1x4ODlQTkcnCnAzCmEobHA0Ckkw"
    "MQphSTAwCmF0Lg==",
]


def save(path: Path, content: Any, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(content, protocol))
    return path


def old_numpy(data: bytes) -> bytes:
    """The pickle as numpy 1 wrote it: its constructors stood in `numpy.core`."""
    if data[2:3] == b"\x95":
        data = data[:2] + data[11:]  # the frame's length would be wrong
    for name in (b"multiarray", b"numeric"):
        new, old = b"numpy._core." + name, b"numpy.core." + name
        data = data.replace(b"c%s\n" % new, b"c%s\n" % old)
        data = data.replace(b"\x8c%c%s" % (len(new), new), b"\x8c%c%s" % (len(old), old))
    assert b"numpy._core" not in data
    return data


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("container", [list, tuple])
def test_python_3_bytes(tmp_path: Path, protocol: int, container: type) -> None:
    path = save(tmp_path / "a.bin", (container(IMAGES), container([True, False])), protocol)
    images, same = read_pairs(path)
    assert images == IMAGES
    assert all(type(image) is bytes for image in images)
    assert same.dtype == bool
    assert same.tolist() == [True, False]


@pytest.mark.parametrize("text", PYTHON_2)
def test_python_2_protocol_0_as_it_wrote_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(base64.b64decode(text))
    images, same = read_pairs(path)
    assert images == [IMAGES[0], b"b", IMAGES[0], IMAGES[3]]
    assert same.tolist() == [True, False]


def binstring(data: bytes) -> bytes:
    """SHORT_BINSTRING or BINSTRING, what Python 2 wrote for a str at protocols 1 and 2."""
    if len(data) < 256:
        return b"U%c" % len(data) + data
    return b"T" + len(data).to_bytes(4, "little") + data


@pytest.mark.parametrize("protocol", [1, 2])
def test_python_2_binary_protocols(tmp_path: Path, protocol: int) -> None:
    short, long = binstring(IMAGES[0]) + b"q\x01", binstring(IMAGES[1]) + b"q\x02"
    images = b"]q\x00(" + short + long + b"h\x01" + binstring(IMAGES[3]) + b"q\x03e"
    truth = b"]q\x04(\x88\x89e" if protocol == 2 else b"]q\x04(I01\nI00\ne"
    data = b"\x80\x02" + images + truth + b"\x86" if protocol == 2 else b"(" + images + truth + b"t"
    (tmp_path / "a.bin").write_bytes(data + b"q\x05.")
    read, same = read_pairs(tmp_path / "a.bin")
    assert read == IMAGES
    assert same.tolist() == [True, False]


def test_python_2_numpy_arrays(tmp_path: Path) -> None:
    def array(shape: bytes, kind: bytes, data: bytes) -> bytes:
        dtype = b"cnumpy\ndtype\n(" + binstring(kind) + b"K\x00K\x01tR("
        dtype += b"K\x03" + binstring(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        start = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85"
        start += binstring(b"b") + b"tR"
        return start + b"(K\x01" + shape + dtype + b"\x89" + binstring(data) + b"tb"

    bins = b"](" + b"".join(array(b"K%c\x85" % len(i), b"u1", i) for i in (b"abc", b"\xff")) + b"e"
    truth = array(b"K\x01\x85", b"b1", b"\x01")
    (tmp_path / "a.bin").write_bytes(b"\x80\x02" + bins + truth + b"\x86.")
    assert read_pairs(tmp_path / "a.bin")[0] == [b"abc", b"\xff"]
    assert read_pairs(tmp_path / "a.bin")[1].tolist() == [True]


ARRAYS = [np.frombuffer(image, np.uint8) for image in IMAGES]
TRUTHS = {
    "bools": [True, False],
    "numbers": [1, 0],
    "numpy bools": [np.bool_(True), np.bool_(False)],
    "numpy numbers": [np.int64(1), np.uint8(0)],
    "array of bools": np.array([True, False]),
    "array of numbers": np.array([1, 0], ">i4"),
    "tuple": (True, False),
}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("truth", TRUTHS)
def test_numpy_of_any_age(tmp_path: Path, protocol: int, old: bool, truth: str) -> None:
    last = bytearray(IMAGES[3]) if protocol == 5 else ARRAYS[3]  # in-band only since protocol 5
    rows = [ARRAYS[0], ARRAYS[1][:, None].copy(), ARRAYS[0], last]
    data = pickle.dumps((rows, TRUTHS[truth]), protocol)
    (tmp_path / "a.bin").write_bytes(old_numpy(data) if old else data)
    images, same = read_pairs(tmp_path / "a.bin")
    assert images == IMAGES
    assert all(type(image) is bytes for image in images)
    assert same.tolist() == [True, False]


def test_one_array_of_all_images(tmp_path: Path) -> None:
    rows = np.frombuffer(b"abcdefgh", np.uint8).reshape(4, 2)
    images, _ = read_pairs(save(tmp_path / "a.bin", (rows, [True, False])))
    assert images == [b"ab", b"cd", b"ef", b"gh"]


def test_many_pairs_of_every_cheap_kind(tmp_path: Path) -> None:
    """The limits against bombs must not meet honest files, even of tiny or repeated images."""
    pairs = 5000
    for images in (
        [b"%d" % k for k in range(2 * pairs)],
        [IMAGES[0]] * (2 * pairs),
        [np.frombuffer(b"%d" % k, np.uint8) for k in range(2 * pairs)],
    ):
        for truth in ([np.bool_(k % 2) for k in range(pairs)], [True] * pairs):
            for protocol in (0, 2, 5):
                read, same = read_pairs(save(tmp_path / "a.bin", (images, truth), protocol))
                assert [bytes(i) for i in images] == read
                assert same.tolist() == [bool(t) for t in truth]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ((IMAGES, [True]), "4 images do not make 1 pairs of two"),
        (([], []), "0 images do not make 0 pairs"),
        ((IMAGES, [True, 2]), "pair 1: issame is a int that is neither 0 nor 1"),
        ((IMAGES, [True, None]), "pair 1: issame is a NoneType"),
        ((IMAGES, np.array([0, 3])), "pair 1: issame is 3, not 0 or 1"),
        ((IMAGES, np.array([[0, 1]])), "issame has 2 dimensions, not one"),
        ((IMAGES, 1), "its truth values are a int"),
        ((IMAGES, b"ab"), "its truth values are a bytes"),
        ((b"ab", [True]), "its images are a bytes, not a list"),
        ((["text", b"x"], [True]), "pair 0, image 0 is a str, not the bytes of an image"),
        (([b"x", None], [True]), "pair 0, image 1 is a NoneType"),
        (([b"x"] * 3 + [np.zeros(3, np.int32)], [True, True]), "pair 1, image 1 is a numpy array"),
        ((IMAGES, [True, False], "more"), r"holds no \(images, issame\) tuple"),
        (5, r"holds no \(images, issame\) tuple"),
        ((IMAGES, [0.0, 1.0]), "opcode BINFLOAT has no place"),
        ({"images": IMAGES}, "opcode EMPTY_DICT has no place"),
        ((IMAGES, np.array([0.0, 1.0])), "numpy array of type 'f8'"),
        ((np.array([b"x", b"y"], object), [True]), "numpy array of type 'O8'"),
    ],
)
def test_wrong_content_is_named(tmp_path: Path, content: Any, message: str) -> None:
    path = save(tmp_path / "a.bin", content)
    with pytest.raises(DataError, match=message) as error:
        read_pairs(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "data", [b"", b"\x00", b"PK\x03\x04", b"\xff\xd8\xff\xe0", b"hello\n", b"."]
)
def test_no_pickle_at_all(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.bin").write_bytes(data)
    with pytest.raises(DataError, match=r"a\.bin: "):
        read_pairs(tmp_path / "a.bin")
    with pytest.raises(DataError, match="no such file"):
        read_pairs(tmp_path / "b.bin")


def test_few_bytes_may_not_stand_for_terabytes(tmp_path: Path) -> None:
    """A file of 6 MB can refer 400,000 times to one image of 5 MB, which a digest would read."""
    path = save(tmp_path / "x.bin", ([bytes(1 << 22)] * 40_000, [True] * 20_000))
    assert path.stat().st_size < 1 << 23
    with pytest.raises(DataError, match=r"x\.bin: its pairs refer to over 64 GiB of images"):
        read_pairs(path)


@pytest.mark.parametrize("protocol", [0, 1, 2, 4, 5])
def test_truncated_anywhere_says_pair_and_byte(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "a.bin"
    whole = pickle.dumps((IMAGES, [np.bool_(True), np.bool_(False)]), protocol)
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"pair \d: the file is truncated or corrupt at byte"):
            read_pairs(path)


def test_our_own_files(tmp_path: Path) -> None:
    path = tmp_path / "ours.bin"
    write_pairs(path, IMAGES, np.array([True, False]))
    images, same = read_pairs(path)
    assert images == IMAGES
    assert same.tolist() == [True, False]
    with open(path, "rb") as file:  # InsightFace's way
        bins, issame = pickle.load(file, encoding="bytes")
    assert bins == IMAGES
    assert issame == [True, False]
    assert all(type(flag) is bool for flag in issame)
    at = byte_offset(path, IMAGES[1])
    assert path.read_bytes()[at : at + 300] == IMAGES[1]
    assert byte_offset(path, b"nowhere") == byte_offset(path, b"") == -1


def test_writing_is_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ours.bin"
    write_pairs(path, IMAGES, [True, True])
    with pytest.raises(DataError, match="4 images do not make 3 pairs"):
        write_pairs(path, IMAGES, [True] * 3)
    monkeypatch.setattr(pickle, "dump", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_pairs(path, IMAGES[::-1], [False, False])
    assert read_pairs(path)[0] == IMAGES
    assert [p.name for p in tmp_path.iterdir()] == ["ours.bin"]


def test_real_lfw(real_data: Path) -> None:
    images, same = read_pairs(real_data / "lfw" / "lfw.bin")
    assert (len(images), len(set(images)), int(same.sum())) == (12000, 7701, 3000)
