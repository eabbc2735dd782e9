"""How the project reads and writes files: completely or not at all, never over a special file."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from data_prep.errors import DataError, UserError

STDOUT = Path("-")


def read_file(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a file; DataError names it."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.readall()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None


def partial_name(path: Path) -> Path:
    """The name under which `path` is written before it is whole."""
    return path.with_name(f".{path.name}.partial")


@contextlib.contextmanager
def replacing(
    path: Path, mode: str = "wb", *, durable: bool = True, **text: Any
) -> Iterator[IO[Any]]:
    """A file object; what is written to it takes the name `path` when the block ends without error.

    A symbolic link stays, and the file that it points to is replaced. A special file (a FIFO, a
    device) is written to directly. So are our own standard output and standard error, under
    whatever name: "-", /dev/stdout, or the file that the shell sends them to.
    `durable`: wait for the disk, so that the file outlasts a power cut. `text`: `encoding`,
    `errors`, `newline` as for `open`.

    Raises:
        OSError: naming `path`, when it cannot be written (no permission, the disk is full …).
    """
    with _named(path):
        stream = _own_stream(path)
        if stream is not None:
            yield stream.buffer if "b" in mode else stream
            stream.flush()
            return
        if _is_special(path):
            with open(path, mode.replace("+", ""), **text) as file:
                yield file
            return
        target = path.resolve()
        partial = partial_name(target)
        try:
            with open(partial, mode, **text) as file:
                yield file
                file.flush()
                if durable:
                    os.fsync(file.fileno())
            publish(partial, target, durable=durable)
        finally:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file, UTF-8; see `replacing`."""
    with replacing(path, "w", encoding="utf-8") as file:
        file.write(text)


def write_bytes(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write a binary file; see `replacing`."""
    with replacing(path, durable=durable) as file:
        file.write(data)


def copy_file(source: Path, target: Path) -> None:
    """`target` becomes a copy of its own, whole or not at all and on the disk; see `replacing`."""
    with open(source, "rb") as file, replacing(target) as copy:
        shutil.copyfileobj(file, copy, 2**20)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def publish(partial: Path, final: Path, *, durable: bool = True) -> None:
    """Give a finished file or folder its final name; with `durable` the renaming lasts.

    Raises:
        OSError: naming `final`. The new name may be there all the same.
    """
    with _named(final):
        if final.is_file():
            shutil.copymode(final, partial)
        os.replace(partial, final)
        if durable:
            sync_folder(final.parent)


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it that are absent; they outlast a power cut."""
    if folder.is_dir():
        return
    if folder.parent != folder:
        make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make a renaming in the folder outlast a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_writable(path: Path | None) -> None:
    """Raise UserError, before any work, if `path` could not be written as a file; None passes."""
    if path is None or _own_stream(path) is not None:
        return
    if path.is_dir():
        raise UserError(f"{path}: is a directory; name a file")
    if _is_special(path):
        if not os.access(path, os.W_OK):
            raise UserError(f"{path}: no permission to write to it")
        return
    folder = path.resolve().parent
    if not folder.is_dir():
        raise UserError(f"{path}: its directory does not exist")
    _check_room(path, folder)


def check_folder_writable(folder: Path) -> None:
    """Raise UserError, before any work, if files could not be written into `folder`.

    The folder may be absent: then it must be possible to make it.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: is a file, not a directory")
    there = folder.resolve()
    while not there.exists():
        there = there.parent
    if not there.is_dir():
        raise UserError(f"{folder}: {there} is a file, not a directory")
    _check_room(folder, there)


def _check_room(named: Path, folder: Path) -> None:
    """Write a block into the folder and forget it: permissions alone do not tell of a full disk."""
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f"{named}: no permission to write in {folder}")
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise UserError(f"{named}: cannot write in {folder}: {error.strerror or error}") from None


def is_stream(path: Path) -> bool:
    """Whether writing to `path` sends bytes on instead of making a file: "-", a FIFO, a device."""
    return _own_stream(path) is not None or _is_special(path)


def is_stdout(path: Path) -> bool:
    """Whether what is written to `path` joins what we print: "-", /dev/stdout, the shell's file."""
    return _own_stream(path) is sys.stdout


def _own_stream(path: Path) -> Any:
    """sys.stdout or sys.stderr if `path` is where it leads, else None."""
    if path == STDOUT:
        return sys.stdout
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # no such file, or no descriptor
            if os.path.samestat(os.stat(path), os.fstat(stream.fileno())):
                return stream
    return None


def _is_special(path: Path) -> bool:
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """An OSError inside names `path`: the system names the partial file, or none at all."""
    try:
        yield
    except BrokenPipeError:  # whoever read our output has left: no fault of the file's
        raise
    except OSError as error:
        own = (None, str(partial_name(path)), str(path), str(partial_name(path.resolve())))
        if error.errno is None or (error.filename not in own and str(error.filename) not in own):
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
