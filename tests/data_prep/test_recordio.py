"""RecordIO against a second, deliberately naive reader and writer made from the format's notes."""

from __future__ import annotations

import contextlib
import os
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.errors import DataError
from data_prep.recordio import RecordReader, RecordWriter

MAGIC = struct.pack("<I", 0xCED7230A)


def naive_parts(payload: bytes) -> bytes:
    """One record as the notes say: split at aligned magics, which are dropped."""
    words = [payload[i : i + 4] for i in range(0, len(payload), 4)]
    pieces, piece = [], b""
    for word in words:
        if word == MAGIC:
            pieces.append(piece)
            piece = b""
        else:
            piece += word
    pieces.append(piece)
    out = b""
    for i, piece in enumerate(pieces):
        flag = 0 if len(pieces) == 1 else 1 if i == 0 else 3 if i == len(pieces) - 1 else 2
        out += MAGIC + struct.pack("<I", flag << 29 | len(piece)) + piece + bytes(-len(piece) % 4)
    return out


def naive_payload(label: float | list[float], image: bytes, key: int) -> bytes:
    if isinstance(label, list):
        head = struct.pack("<IfQQ", len(label), 0, key, 0)
        return head + struct.pack(f"<{len(label)}f", *label) + image
    return struct.pack("<IfQQ", 0, label, key, 0) + image


def naive_set(folder: Path, records: list[tuple[float | list[float], bytes]]) -> Path:
    rec, idx = b"", ""
    for key, (label, image) in enumerate(records):
        idx += f"{key}\t{len(rec)}\n"
        rec += naive_parts(naive_payload(label, image, key))
    (folder / "train.rec").write_bytes(rec)
    (folder / "train.idx").write_text(idx)
    return folder / "train.rec"


IMAGES = {
    "empty": b"",
    "one byte": b"a",
    "four bytes": b"abcd",
    "magic only": MAGIC,
    "magic at the start": MAGIC + b"tail",
    "magic in the middle": b"head" + MAGIC + b"tail!",
    "magic at the end": b"head" + MAGIC,
    "two in a row": b"head" + MAGIC * 2 + b"x",
    "several": MAGIC + b"1234" + MAGIC + b"5678" + MAGIC * 3 + b"90",
    "not aligned": b"a" + MAGIC + b"bc" + MAGIC,
    "half of one at the end": b"abcd" + MAGIC[:2],
    "longer than one read": os.urandom(70000) + MAGIC + os.urandom(3),
    "split beyond one read": b"a" * 65536 + MAGIC + b"b" * 65536 + MAGIC + b"c",
}


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("label", [7.0, [7.0], [7.0, 1.0]])
def test_bytes_are_those_of_the_format_both_ways(
    tmp_path: Path, name: str, label: float | list[float]
) -> None:
    records: list[tuple[float | list[float], bytes]] = [(label, IMAGES[name]), (1.0, b"next")]
    path = naive_set(tmp_path, records)
    (tmp_path / "ours").mkdir()
    with RecordWriter(tmp_path / "ours" / "a.rec") as writer:
        for key, (label_, image) in enumerate(records):
            writer.write(key, image, label_)
    assert (tmp_path / "ours" / "a.rec").read_bytes() == path.read_bytes()
    assert (tmp_path / "ours" / "a.idx").read_text() == path.with_suffix(".idx").read_text()
    with RecordReader(path) as reader:
        assert len(reader) == 2
        assert reader[0].image == IMAGES[name]
        assert reader[0].id == 0
        assert np.array_equal(reader[0].label, label)
        assert isinstance(reader[0].label, float) == isinstance(label, float)
        assert reader[1].image == b"next"
        assert reader[1].id == 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([MAGIC, b"\x00", b"ab", b"wxyz", MAGIC[:3]]), max_size=12))
def test_any_mixture_of_magics_comes_back(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("mixture")
    image = b"".join(pieces)
    with RecordWriter(folder / "a.rec") as writer:
        writer.write(3, image, 2.0)
    assert (folder / "a.rec").read_bytes() == naive_parts(naive_payload(2.0, image, 3))
    assert RecordReader(folder / "a.rec")[3].image == image


def test_magic_in_the_header_is_split_too(tmp_path: Path) -> None:
    with RecordWriter(tmp_path / "a.rec") as writer:
        writer.write(0xCED7230A, b"image", [1.0, 2.0])  # the id holds the magic, aligned
    reader = RecordReader(tmp_path / "a.rec")
    record = reader[0xCED7230A]
    assert (record.id, record.image) == (0xCED7230A, b"image")
    assert reader.first_labels(reader.keys).tolist() == [1.0]


@pytest.mark.parametrize("image", [b"image of 13 b", b"head" + MAGIC + b"tail", MAGIC + b"x"])
def test_truncated_anywhere_names_key_and_offset(tmp_path: Path, image: bytes) -> None:
    path = naive_set(tmp_path, [(0.0, b"first"), (1.0, image)])
    whole = path.read_bytes()
    start = len(naive_parts(naive_payload(0.0, b"first", 0)))
    padding = -len(image.split(MAGIC)[-1]) % 4
    for length in range(len(whole) - padding):
        path.write_bytes(whole[:length])
        with RecordReader(path) as reader, pytest.raises(DataError) as error:
            _ = [reader[key] for key in (0, 1)]
        bad = 0 if length < start - 3 else 1
        assert f"record {bad} at byte {start * bad} is broken" in str(error.value)
        assert str(path) in str(error.value)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("0\t0\nx\t5\n", 2),
        ("0\t0\n1\n2\t9\n3\n", 2),
        ("0\t0\n1\t2\t3\n4\n", 2),
        ("0\t0\n1 8 2 9\n", 2),
        ("0\t0\n\n-1\t5\n", 3),
        ("0\t0\n1\t1.5\n", 2),
        ("0\t9999999999999999999\n", 1),
        ("0\t0\n1_0\t3\n", 2),
        ("0\t0\n1\t3\x00\n", 2),
        ("0\t0\r1\t3\r", 1),
        ("٣\t0\n", 1),
    ],
)
def test_bad_index_names_the_line(tmp_path: Path, text: str, line: int) -> None:
    path = naive_set(tmp_path, [(0.0, b"x")])
    path.with_suffix(".idx").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=rf"train.idx: line {line} is not"):
        RecordReader(path)


def test_index_oddities_that_are_fine(tmp_path: Path) -> None:
    path = naive_set(tmp_path, [(0.0, b"x"), (1.0, b"y")])
    second = path.with_suffix(".idx").read_text().split()[3]
    path.with_suffix(".idx").write_bytes(f"\r\n7\t{second}\r\n\n 5 0".encode())
    reader = RecordReader(path)
    assert (reader[7].image, reader[5].image) == (b"y", b"x")
    assert reader.keys.tolist() == [7, 5]
    assert 5 in reader
    assert 6 not in reader
    with pytest.raises(DataError, match=r"no record 6 \(the .idx has keys 5 to 7\)"):
        reader[6]
    assert reader.first_labels(np.array([5, 7])).tolist() == [0.0, 1.0]


def test_the_order_and_the_gaps_of_the_index_do_not_matter(tmp_path: Path) -> None:
    images = [bytes([k]) * (10 + 3000 * (k % 4)) for k in range(40)]
    path = naive_set(tmp_path, [(float(k), image) for k, image in enumerate(images)])
    lines = (tmp_path / "train.idx").read_text().splitlines()
    inside = [f"{100 + k}\t{int(lines[9].split()[1]) + k}" for k in (4, 8)]  # within record 9
    for some in (lines[::-1], lines[5:30:7], lines[3::2] + lines[:3], [lines[9], *inside]):
        (tmp_path / "train.idx").write_text("\n".join(some) + "\n")
        with RecordReader(path) as reader:
            for key in (key for key in reader.keys.tolist() if key < 100):
                assert (reader[key].label, reader[key].image) == (key, images[key])
            with pytest.raises(DataError, match="no record 41"):
                reader[41]


def test_empty_index_and_repeated_key_and_missing_files(tmp_path: Path) -> None:
    path = naive_set(tmp_path, [(0.0, b"x")])
    for nothing in ("", "\n", " \r\n\n"):
        path.with_suffix(".idx").write_text(nothing)
        with pytest.raises(DataError, match="no record 0"):
            RecordReader(path)[0]
    path.with_suffix(".idx").write_text("4\t0\n4\t8\n")
    with pytest.raises(DataError, match="key 4 occurs twice"):
        RecordReader(path)
    path.with_suffix(".idx").unlink()
    with pytest.raises(DataError, match=r"train.idx: no such file"):
        RecordReader(path)
    with pytest.raises(DataError, match=r"none.rec: no such file"):
        RecordReader(tmp_path / "none.rec")


@pytest.mark.parametrize("offset", [3, 8, 1 << 40, 10**17])
def test_offset_into_nowhere(tmp_path: Path, offset: int) -> None:
    path = naive_set(tmp_path, [(0.0, b"x" * 64)])
    path.with_suffix(".idx").write_text(f"9\t{offset}\n")
    reader = RecordReader(path)
    with pytest.raises(DataError, match=f"record 9 at byte {offset} is broken"):
        reader[9]
    with pytest.raises(DataError, match=f"record 9 at byte {offset} is broken"):
        reader.first_labels(reader.keys)


def test_more_labels_than_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.rec"
    path.write_bytes(naive_parts(struct.pack("<IfQQ", 1 << 31, 0, 0, 0) + b"abc"))
    path.with_suffix(".idx").write_text("0\t0\n")
    with pytest.raises(DataError, match="record 0 at byte 0 is broken: claims 2147483648 labels"):
        RecordReader(path)[0]


def test_first_labels_are_those_of_the_records(tmp_path: Path) -> None:
    labels: list[float | list[float]] = [3.0, [4.0, 9.0], 0.0, [5.0], 16777216.0, 0.5]
    path = naive_set(tmp_path, [(label, b"i" * k) for k, label in enumerate(labels)])
    reader = RecordReader(path)
    assert reader.first_labels(reader.keys).tolist() == [3.0, 4.0, 0.0, 5.0, 16777216.0, 0.5]
    backwards = reader.keys[::-1]
    assert reader.first_labels(backwards).tolist() == [0.5, 16777216.0, 5.0, 0.0, 4.0, 3.0]


@pytest.mark.parametrize("label", [2.0**24 + 1, 0.1, float("nan"), float("inf"), [1.0, 1e40], 1e39])
def test_label_that_float32_cannot_hold(tmp_path: Path, label: float | list[float]) -> None:
    with (
        pytest.raises(DataError, match=r"record 5: label .* is not exact as float32"),
        RecordWriter(tmp_path / "a.rec") as writer,
    ):
        writer.write(5, b"", label)


def test_labels_of_numpy_and_of_odd_shapes(tmp_path: Path) -> None:
    with RecordWriter(tmp_path / "a.rec") as writer:
        writer.write(0, b"a", np.float32(3))  # type: ignore[arg-type]
        writer.write(1, b"b", np.array([1, 2], np.int64))
        writer.write(2, b"c", np.array(5))
        with pytest.raises(DataError, match="record 3: a label is a number or"):
            writer.write(3, b"d", [])
        with pytest.raises(DataError, match="record 3: a label is a number or"):
            writer.write(3, b"d", np.zeros((2, 2)))
    reader = RecordReader(tmp_path / "a.rec")
    assert [np.array(reader[k].label).tolist() for k in range(3)] == [3.0, [1.0, 2.0], 5.0]


def test_keys_ascend_and_name_ends_in_rec(tmp_path: Path) -> None:
    with RecordWriter(tmp_path / "a.rec") as writer:
        writer.write(2, b"a")
        with pytest.raises(DataError, match="key 2 after key 2"):
            writer.write(2, b"b")
    with pytest.raises(DataError, match=r"must be named \*.rec"):
        RecordWriter(tmp_path / "a.bin")


def test_interruption_leaves_the_former_files_alone(tmp_path: Path) -> None:
    with RecordWriter(tmp_path / "a.rec") as writer:
        writer.write(0, b"former")
    with contextlib.suppress(KeyboardInterrupt), RecordWriter(tmp_path / "a.rec") as writer:
        writer.write(0, b"half a set")
        raise KeyboardInterrupt
    assert RecordReader(tmp_path / "a.rec")[0].image == b"former"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.idx", "a.rec"]


@pytest.mark.parametrize("survivor", ["idx goes", "rec appears"])
def test_cut_short_while_replacing_leaves_no_mismatched_pair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, survivor: str
) -> None:
    with RecordWriter(tmp_path / "a.rec") as writer:
        writer.write(0, b"former")
    calls = 0
    real = os.replace

    def dies(source: Path, target: Path) -> None:
        nonlocal calls
        calls += 1
        if calls == (1 if survivor == "idx goes" else 2):
            raise OSError("power cut")
        real(source, target)

    writer = RecordWriter(tmp_path / "a.rec")
    writer.write(0, b"a longer, later one")
    monkeypatch.setattr(os, "replace", dies)
    with pytest.raises(OSError, match="power cut"):
        writer.close()
    with pytest.raises(DataError, match=r"a.idx: no such file"):
        RecordReader(tmp_path / "a.rec")


def test_many_threads_share_a_reader(tmp_path: Path) -> None:
    images = [os.urandom(100 + k) + MAGIC * (k % 3) for k in range(300)]
    path = naive_set(tmp_path, [(float(k), image) for k, image in enumerate(images)])
    order = np.random.default_rng(0).permutation(np.repeat(np.arange(300), 20))
    with RecordReader(path) as reader, ThreadPoolExecutor(16) as pool:
        records = list(pool.map(lambda key: reader[int(key)], order))
    assert all(r.image == images[k] and r.label == k for k, r in zip(order, records, strict=True))


def test_ten_gigabytes_are_opened_without_being_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.rec"
    record = naive_parts(naive_payload([3.0, 1.0], b"far away", 1))
    far = 10 << 30
    with open(path, "wb") as file:
        file.write(naive_parts(naive_payload(2.0, b"near", 0)))
        file.seek(far)
        file.write(record)
    assert path.stat().st_blocks * 512 < 1 << 20, "the file system does not keep sparse files"
    path.with_suffix(".idx").write_text(f"0\t0\n1\t{far}\n2\t5000000000\n")
    with RecordReader(path) as reader:
        assert reader.size == far + len(record)
        assert reader[1].image == b"far away"
        assert reader.first_labels(np.array([0, 1])).tolist() == [2.0, 3.0]
        with pytest.raises(DataError, match="no RecordIO magic at byte 5000000000"):
            reader[2]


def test_a_record_beyond_the_format_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(DataError, match=r"record 0: 536870912 bytes are beyond .* 512 MiB"),
        RecordWriter(tmp_path / "a.rec") as writer,
    ):
        writer.write(0, bytes(1 << 29))


def test_parts_out_of_order(tmp_path: Path) -> None:
    path = tmp_path / "a.rec"
    path.with_suffix(".idx").write_text("0\t0\n")
    payload = naive_payload(0.0, b"", 0)

    def part(flag: int) -> bytes:
        return MAGIC + struct.pack("<I", flag << 29 | len(payload)) + payload

    for flags, bad in (((2,), 0), ((3,), 0), ((1, 0), 1), ((1, 2, 1), 2), ((5,), 0), ((1, 7), 1)):
        path.write_bytes(b"".join(part(flag) for flag in flags))
        where = bad * (8 + len(payload))
        with pytest.raises(DataError, match=f"part at byte {where} has flag {flags[bad]}"):
            RecordReader(path)[0]
