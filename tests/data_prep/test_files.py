"""Whole or not at all; links are followed, devices and pipes are written to, full disks named."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from data_prep import files
from data_prep.errors import DataError, UserError
from data_prep.files import (
    check_folder_writable,
    check_writable,
    copy_file,
    is_stdout,
    is_stream,
    make_folder,
    publish,
    read_file,
    replacing,
    sha256_of,
    write_bytes,
    write_text,
)


def test_a_file_appears_whole(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "é\n")
    write_bytes(tmp_path / "b", b"\0\1")
    assert (tmp_path / "a.txt").read_bytes() == "é\n".encode()
    assert (tmp_path / "b").read_bytes() == b"\0\1"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.txt", "b"]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    write_bytes(tmp_path / "b", b"\0\1")
    assert read_file(tmp_path / "b") == b"\0\1"
    with pytest.raises(DataError, match=r"gone: No such file"):
        read_file(tmp_path / "gone")
    with pytest.raises(DataError, match="Is a directory"):
        read_file(tmp_path)


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), replacing(path, "w") as file:
        file.write("new" * (1 // 0))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_and_its_target_is_written(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("old")
    (tmp_path / "link").symlink_to("target")
    write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "new"


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()))
    reader.start()
    write_text(pipe, "through")
    reader.join(10)
    assert got == ["through"]
    assert pipe.is_fifo()


def test_a_device_stays_a_device(tmp_path: Path) -> None:
    (tmp_path / "null").symlink_to("/dev/null")
    write_text(tmp_path / "null", "gone")
    assert (tmp_path / "null").is_symlink()
    assert Path("/dev/null").is_char_device()


def test_a_dash_is_standard_output(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    write_text(Path("-"), "text")
    write_bytes(Path("-"), b"\0bytes")
    assert capfdbinary.readouterr().out == b"text\0bytes"


WRITER = """
import sys
from pathlib import Path
from data_prep.files import check_writable, is_stdout, write_text
print("before")
path = Path(sys.argv[1])
check_writable(path)
write_text(path, "written\\n")
print("after", is_stdout(path))
"""


def test_standard_output_under_its_other_names(tmp_path: Path) -> None:
    """As a pipe it was looked for under the name pipe:[…]; as a file it was replaced under us."""
    command = [sys.executable, "-c", WRITER]
    piped = subprocess.run([*command, "/dev/stdout"], stdout=subprocess.PIPE, check=True)
    assert piped.stdout == b"before\nwritten\nafter True\n"
    errors = subprocess.run([*command, "/dev/stderr"], capture_output=True, check=True)
    assert (errors.stdout, errors.stderr) == (b"before\nafter False\n", b"written\n")
    out = tmp_path / "out"
    for name in ("/dev/stdout", str(out)):
        with open(out, "wb") as file:
            subprocess.run([*command, name], stdout=file, check=True)
        assert out.read_bytes() == b"before\nwritten\nafter True\n"
    assert list(tmp_path.iterdir()) == [out]


def test_what_is_a_stream(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, stream in (("-", True), ("pipe", True), ("/dev/full", True), ("new", False)):
        assert is_stream(Path("-") if path == "-" else tmp_path / path) == stream
    assert not is_stream(tmp_path)
    assert is_stdout(Path("-"))
    assert not is_stdout(tmp_path / "pipe")


def test_permissions_of_a_replaced_file_stay(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    (tmp_path / "a").chmod(0o600)
    write_text(tmp_path / "a", "new")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


def test_a_full_disk_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        write_text(tmp_path / "a.txt", "x")
    assert caught.value.filename == str(tmp_path / "a.txt")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_names_the_file_asked_for(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        write_text(tmp_path / "none" / "a.txt", "x")
    assert caught.value.filename == str(tmp_path / "none" / "a.txt")


def test_check_writable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_writable(None)
    check_writable(Path("-"))
    check_writable(Path("/dev/null"))
    check_writable(tmp_path / "new")
    with pytest.raises(UserError, match="is a directory; name a file"):
        check_writable(tmp_path)
    with pytest.raises(UserError, match="its directory does not exist"):
        check_writable(tmp_path / "none" / "a")
    monkeypatch.setattr(files.os, "access", lambda *_: False)
    with pytest.raises(UserError, match="no permission to write in"):
        check_writable(tmp_path / "new")


def test_check_folder_writable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_folder_writable(tmp_path / "a" / "b")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file, not a directory"):
        check_folder_writable(tmp_path / "file")
    with pytest.raises(UserError, match="is a file, not a directory"):
        check_folder_writable(tmp_path / "file" / "below")
    monkeypatch.setattr(files.os, "access", lambda *_: False)
    with pytest.raises(UserError, match="no permission to write in"):
        check_folder_writable(tmp_path / "a" / "b")


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_disk_that_fails_at_the_renaming_is_told_with_the_name(tmp_path, monkeypatch, kind):
    """fsync of a folder knows no file."""
    partial, final = tmp_path / ".final.partial", tmp_path / "final"
    partial.mkdir() if kind == "folder" else partial.write_text("x")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        publish(partial, final)
    assert caught.value.filename == str(final)


def test_a_full_disk_is_found_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(UserError, match=r"a\.json: cannot write in .*: No space left on device"):
        check_writable(tmp_path / "a.json")
    with pytest.raises(UserError, match=r"pictures: cannot write in .*: No space left on device"):
        check_folder_writable(tmp_path / "pictures")
    assert list(tmp_path.iterdir()) == []


def test_a_copy_is_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"0" * 3_000_000)
    os.link(tmp_path / "a", tmp_path / "b")
    copy_file(tmp_path / "a", tmp_path / "b")
    assert not os.path.samefile(tmp_path / "a", tmp_path / "b")
    assert sha256_of(tmp_path / "b") == hashlib.sha256(b"0" * 3_000_000).hexdigest()


def test_folders_are_made_and_each_new_name_is_synced(tmp_path, monkeypatch) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(files, "sync_folder", synced.append)
    for _ in range(2):
        make_folder(tmp_path / "a/b")
    assert (tmp_path / "a/b").is_dir()
    assert synced == [tmp_path, tmp_path / "a"]
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError, match="file"):
        make_folder(tmp_path / "file")
