"""Python's tarfile and GNU tar write, `TarScan` reads; what is broken is named with its byte."""

from __future__ import annotations

import contextlib
import io
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.errors import DataError
from data_prep.image_sets import tar_headers
from data_prep.image_sets.tar_headers import Member, TarScan

FILES = {
    "a.jpg": b"x" * 1300,
    "a.cls": b"7",
    "empty": b"",
    "Öl/" + "long" * 20 + "/" + "name" * 20 + ".png": b"deep",  # ustar splits it in two
    "n" * 300 + ".jpg": b"a name that no header holds",
    "a/./b.512": bytes(512),
}
FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def scan(path: Path) -> dict[str, bytes]:
    data = path.read_bytes()
    with TarScan(path) as tar:
        found = list(tar.members())
        assert all(tar.read(m, 1 << 20) == data[m.offset : m.offset + m.size] for m in found)
    return {m.name: data[m.offset : m.offset + m.size] for m in found}


@pytest.mark.parametrize("name", FORMATS)
def test_what_tarfile_writes(tmp_path: Path, name: str) -> None:
    files = {k: v for k, v in FILES.items() if name != "ustar" or len(k) < 256}
    with tarfile.open(tmp_path / "x.tar", "w", format=FORMATS[name]) as tar:
        folder = tarfile.TarInfo("a")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for key, data in files.items():
            info = tarfile.TarInfo(key)
            info.size = len(data)
            info.mtime = 1.5  # pax has to say so in a record of its own
            tar.addfile(info, io.BytesIO(data))
    assert scan(tmp_path / "x.tar") == files


def test_what_gnu_tar_writes(tmp_path: Path) -> None:
    (tmp_path / "in" / "Öl").mkdir(parents=True)
    names = ["1.jpg", "Öl/2.jpg", "x" * 120]
    for name in names:
        (tmp_path / "in" / name).write_bytes(name.encode() * 100)
    subprocess.run(["tar", "-C", tmp_path / "in", "-cf", tmp_path / "x.tar", "."], check=True)
    assert scan(tmp_path / "x.tar") == {f"./{n}": n.encode() * 100 for n in names}


def test_files_larger_than_the_window(tmp_path: Path, write_tar, monkeypatch) -> None:
    monkeypatch.setattr(tar_headers, "_WINDOW", 700)
    files = {f"{k}.jpg": bytes([k]) * (k * 211) for k in range(20)}
    assert scan(write_tar(tmp_path / "x.tar", files)) == files


def header(name: bytes = b"a.jpg", size: bytes = b"00000000005\0", kind: bytes = b"0") -> bytes:
    block = bytearray(512)
    block[: len(name)] = name
    block[124:136] = size
    block[148:156] = b"        "
    block[156:157] = kind
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


FIVE = b"hello" + bytes(507)
END = bytes(1024)


def test_a_large_size_in_binary_is_read(tmp_path: Path) -> None:
    size = b"\x80" + (5).to_bytes(11, "big")
    (tmp_path / "x.tar").write_bytes(header(size=size) + FIVE + END)
    with TarScan(tmp_path / "x.tar") as tar:
        assert list(tar.members()) == [Member("a.jpg", 512, 5)]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "broken at byte 0: the file ends without the end mark"),
        (header() + FIVE, "broken at byte 1024: the file ends without the end mark"),
        (header() + FIVE[:3], r"broken at byte 0: a\.jpg has 5 bytes, the file ends at 515"),
        (header() + FIVE + header()[:300], "broken at byte 1024: the file ends without"),
        (b"\x1f\x8b" + bytes(600), r"broken at byte 0: no tar header \(compressed\?"),
        (header() + FIVE + b"y" * 512 + END, "broken at byte 1024: no tar header$"),
        (header(size=b"-0000000005\0") + FIVE + END, "the size of a file is no number"),
        (header(size=b"what?      \0") + FIVE + END, "the size of a file is no number"),
        (header(size=b"\xff" * 12) + FIVE + END, "the size of a file is no number"),
        (header(size=b"\x80" + b"\xff" * 11) + FIVE + END, "the file ends at"),
        (header(kind=b"1") + END, r"a\.jpg is a link; store the file itself"),
        (header(kind=b"2") + END, r"a\.jpg is a link"),
        (header(kind=b"S") + FIVE + END, "sparse"),
        (header(kind=b"x") + FIVE + END, "pax records that cannot be read"),
        (header(kind=b"L", size=b"00000300000\0") + bytes(1 << 18) + END, "a name of 98304 bytes"),
        (
            header(kind=b"x", size=b"00000000013\0") + b"11 size=-1\n".ljust(512, b"\0") + END,
            "the size of a file is no number",
        ),
    ],
)
def test_what_is_broken_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "x.tar").write_bytes(content)
    with TarScan(tmp_path / "x.tar") as tar, pytest.raises(DataError, match=words) as error:
        list(tar.members())
    assert str(error.value).startswith(f"{tmp_path}/x.tar: broken at byte ")
    assert "\n" not in str(error.value)


def test_a_name_cannot_write_on_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(header(name=b"\x1b[31m\n.jpg", kind=b"2") + END)
    with TarScan(tmp_path / "x.tar") as tar, pytest.raises(DataError) as error:
        list(tar.members())
    assert str(error.value).isprintable()


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"x\.tar: No such file"):
        TarScan(tmp_path / "x.tar")


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("tar") / "x.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for key, data in FILES.items():
            info = tarfile.TarInfo(key)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path.read_bytes()


@settings(max_examples=300, deadline=None)
@given(draw=st.data())
def test_mutated_archives_raise_data_error_alone(
    honest: bytes, tmp_path_factory: pytest.TempPathFactory, draw: st.DataObject
) -> None:
    """Sums are made right again, or hardly a mutation would come further than to them."""
    mutated = bytearray(honest)
    for _ in range(draw.draw(st.integers(1, 4))):
        at = 512 * draw.draw(st.integers(0, len(honest) // 512 - 1))
        block = mutated[at : at + 512]
        for _ in range(draw.draw(st.integers(1, 4))):
            block[draw.draw(st.integers(0, 511))] = draw.draw(st.integers(0, 255))
        block[148:156] = b"        "
        block[148:156] = b"%06o\0 " % sum(block)
        mutated[at : at + 512] = block
    path = tmp_path_factory.getbasetemp() / "mutated.tar"
    path.write_bytes(mutated[: draw.draw(st.integers(0, len(mutated)))])
    with TarScan(path) as tar, contextlib.suppress(DataError):
        for member in tar.members():
            assert 0 <= member.offset <= member.offset + member.size <= len(mutated)
