"""What lies where in a .tar file: one pass over its headers, nothing extracted.

POSIX ustar and pax (IEEE 1003.1) and GNU tar's long names and large sizes. Python's tarfile says
the same, but takes five times as long: half a minute for a million files, at every start.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from data_prep.errors import DataError, printable

_BLOCK = 512
_END = bytes(_BLOCK)
_WINDOW = 1 << 20  # bytes read at a time: small files come along with their headers
_NAME_LIMIT = 1 << 16  # bytes of a long name or of pax records
_FILE, _OLD_FILE, _CONTIGUOUS = b"0", b"\0", b"7"
_LINKS = (b"1", b"2")
_LONG_NAME, _PAX, _GNU_SPARSE = b"L", b"x", b"S"
_PAX_RECORD = re.compile(rb"(\d{1,9}) ([^=]+)=")


class Member(NamedTuple):
    """A regular file in the archive: its name, and where its bytes are."""

    name: str
    offset: int
    size: int


class TarScan:
    """One sequential reading of a .tar. Every size and place is checked against the file's end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = open(path, "rb", buffering=0)  # noqa: SIM115  (closed by `close`)
        except OSError as error:
            raise DataError(f"{path}: {error.strerror or error}") from None
        self.status = os.fstat(self._file.fileno())
        self._start, self._window = 0, b""

    def members(self) -> Iterator[Member]:
        """Regular files in their order. DataError, naming file and byte, where it breaks off.

        Folders and devices are passed over. A link is an error: the file that it stands for may be
        anywhere.
        """
        at = 0
        name, size = None, None  # of the next member, where records before it say so
        while (header := self._read(at, _BLOCK)) != _END:
            if len(header) < _BLOCK:
                raise self._broken(at, "the file ends without the end mark of a tar")
            self._check(header, at)
            kind = header[156:157]
            if kind in (_PAX, _LONG_NAME) or size is None:
                length = self._number(header[124:136], at)
            else:
                length = size
            start = at + _BLOCK
            if start + length > self.status.st_size:
                shown = printable(name or _name(header))
                raise self._broken(
                    at, f"{shown} has {length} bytes, the file ends at {self.status.st_size}"
                )
            if kind == _LONG_NAME:
                name = _text(self._records(start, length).rstrip(b"\0"))
            elif kind == _PAX:
                name, size = self._pax(start, length, name, size)
            else:
                member = Member(name or _name(header), start, length)
                name = size = None
                if kind in _LINKS:
                    raise self._broken(
                        at, f"{printable(member.name)} is a link; store the file itself"
                    )
                if kind == _GNU_SPARSE:
                    raise self._broken(at, f"{printable(member.name)} is stored as a sparse file")
                if kind in (_FILE, _OLD_FILE, _CONTIGUOUS) and not member.name.endswith("/"):
                    yield member
            at = start + (length + _BLOCK - 1) // _BLOCK * _BLOCK

    def read(self, member: Member, limit: int) -> bytes:
        """The first `limit` bytes of a member, cheap right after `members` gave it."""
        return self._read(member.offset, min(member.size, limit))

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> TarScan:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self, offset: int, length: int) -> bytes:
        """Bytes of the file, fewer only at its end."""
        begin = offset - self._start
        if begin < 0 or begin + length > len(self._window):
            self._start, begin = offset, 0
            try:
                self._window = os.pread(self._file.fileno(), max(length, _WINDOW), offset)
            except OSError as error:
                raise self._broken(offset, str(error.strerror or error)) from None
        return self._window[begin : begin + length]

    def _check(self, header: bytes, at: int) -> None:
        """The sum of a header's bytes, with blanks in the place of the sum itself."""
        summed = header[:148] + b"        " + header[156:]
        # Adler-32 holds the sum of the bytes plus one, modulo 65521; `sum` takes ten times as long.
        if zlib.adler32(summed) & 0xFFFF != (_octal(header[148:156]) + 1) % 65521:
            hint = "" if at else " (compressed? shards must be plain .tar files)"
            raise self._broken(at, f"no tar header{hint}")

    def _number(self, field: bytes, at: int) -> int:
        """Octal digits, or GNU's binary number for what they cannot hold."""
        number = int.from_bytes(field[1:], "big") if field[0] == 0x80 else _octal(field)
        if number < 0:
            raise self._broken(at, "the size of a file is no number")
        return number

    def _records(self, start: int, length: int) -> bytes:
        if length > _NAME_LIMIT:
            raise self._broken(start, f"a name of {length} bytes")
        return self._read(start, length)

    def _pax(
        self, start: int, length: int, name: str | None, size: int | None
    ) -> tuple[str | None, int | None]:
        """Path and size by pax records, `length keyword=value` and a line break each."""
        records = self._records(start, length)
        at = 0
        while match := _PAX_RECORD.match(records, at):
            end = at + int(match[1])
            if end <= match.end() or end > len(records):
                break
            value = records[match.end() : end - 1]
            if match[2] == b"path":
                name = _text(value)
            elif match[2] == b"size":
                if not value.isdigit() or len(value) > 18:
                    raise self._broken(start, "the size of a file is no number")
                size = int(value)
            at = end
        if records[at:].strip(b"\0"):
            raise self._broken(start, "pax records that cannot be read")
        return name, size

    def _broken(self, at: int, why: str) -> DataError:
        return DataError(f"{self.path}: broken at byte {at}: {why}")


def _octal(field: bytes) -> int:
    """A number in octal digits, −1 if it is none."""
    try:
        return int(field.strip(b" \0"), 8)
    except ValueError:
        return -1


def _name(header: bytes) -> str:
    name = header[:100].split(b"\0", 1)[0]
    if header[257:262] == b"ustar" and header[345] and header[262] == 0:  # GNU's has other uses
        name = header[345:500].split(b"\0", 1)[0] + b"/" + name
    return _text(name)


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
