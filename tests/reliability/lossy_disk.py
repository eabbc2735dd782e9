"""A disk without power: of what was done to it, only what was synced is sure to be there.

Files and folders are nodes. A file's bytes last from the `fsync` of the file on, a name (new,
renamed or removed) from the `fsync` of its folder on. Before that each may be there or not, by
itself, in any order: stricter than a journalling file system, as POSIX allows.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from file_operations import Operation


@dataclass(eq=False)
class File:
    data: bytes = b""
    synced: bytes = b""


@dataclass(eq=False)
class Folder:
    """`unsynced`: changes since the last sync, oldest first, an operation each; None removes."""

    entries: dict[str, File | Folder] = field(default_factory=dict)
    synced: dict[str, File | Folder] = field(default_factory=dict)
    unsynced: list[dict[str, File | Folder | None]] = field(default_factory=list)


class Losses(Protocol):
    """What a power cut does to what was not synced."""

    def keeps_name(self) -> bool: ...

    def content(self, file: File) -> bytes: ...


class EverythingLost:
    def keeps_name(self) -> bool:
        return False

    def content(self, file: File) -> bytes:
        return file.synced


class NamesKept(EverythingLost):
    """As ext4 and XFS often do: the renaming is there, the data are not."""

    def keeps_name(self) -> bool:
        return True


class Chance:
    """Each unsynced change is there or not; new data are absent, there, cut off or zeros."""

    def __init__(self, seed: object) -> None:
        self._draw = random.Random(str(seed))

    def keeps_name(self) -> bool:
        return self._draw.random() < 0.5

    def content(self, file: File) -> bytes:
        appended = file.data.startswith(file.synced)  # which spares what was there
        same = len(file.synced) if appended else 0
        old, new = file.data[:same], file.data[same:]
        lost = (new[: len(new) // 2], bytes(len(new)))
        return self._draw.choice((file.synced, file.data, *(old + rest for rest in lost)))


class Disk:
    """The folder that was watched, from what was there (all of it synced) on."""

    def __init__(self, there: Path | None = None) -> None:
        self.root = _read(there) if there is not None else Folder()

    def do(self, operation: Operation, detail: Any) -> None:
        """One recorded operation; one that failed (no such file) changes nothing."""
        name, path = operation
        node = self._at(path)
        if name == "open":
            if node is None:
                self._change(path, File())
            elif "w" in detail and isinstance(node, File):
                node.data = b""
        elif name == "mkdir" and node is None:
            self._change(path, Folder())
        elif node is None:
            return
        elif name == "write" and isinstance(node, File):
            offset, data = detail
            node.data = (
                node.data[:offset].ljust(offset, b"\0") + data + node.data[offset + len(data) :]
            )
        elif name == "fsync":
            _sync(node)
        elif name in ("unlink", "remove", "rmdir"):
            self._change(path, None)
        elif name in ("rename", "replace"):
            self._rename(path, detail, node)
        elif name != "mkdir":
            raise AssertionError(f"{name} {path}: not known here")

    def after_power_cut(self, losses: Losses) -> dict[str, bytes | None]:
        """What is found afterwards: contents by path, None for a folder."""
        found: dict[str, bytes | None] = {}

        def look(folder: Folder, prefix: str) -> None:
            entries = dict(folder.synced)
            for change in folder.unsynced:
                if losses.keeps_name():
                    _apply(entries, change)
            for name, node in sorted(entries.items()):
                if isinstance(node, File):
                    same = node.data == node.synced
                    found[prefix + name] = node.synced if same else losses.content(node)
                else:
                    found[prefix + name] = None
                    look(node, f"{prefix}{name}/")

        look(self.root, "")
        return found

    def _at(self, path: str) -> File | Folder | None:
        node: File | Folder | None = self.root
        for part in Path(path).parts:
            node = node.entries.get(part) if isinstance(node, Folder) else None
        return node

    def _change(self, path: str, node: File | Folder | None) -> None:
        parent = self._at(str(Path(path).parent))
        if isinstance(parent, Folder):
            _record(parent, {Path(path).name: node})

    def _rename(self, source: str, target: str, node: File | Folder) -> None:
        old, new = Path(source), Path(target)
        assert old.parent == new.parent, "a run renames within one folder only"
        parent = self._at(str(old.parent))
        assert isinstance(parent, Folder)
        _record(parent, {old.name: None, new.name: node})


def _record(folder: Folder, change: dict[str, File | Folder | None]) -> None:
    _apply(folder.entries, change)
    folder.unsynced.append(change)


def _apply(entries: dict[str, File | Folder], change: dict[str, File | Folder | None]) -> None:
    for name, node in change.items():
        if node is None:
            entries.pop(name, None)
        else:
            entries[name] = node


def _sync(node: File | Folder) -> None:
    if isinstance(node, File):
        node.synced = node.data
    else:
        node.synced, node.unsynced = dict(node.entries), []


def _read(path: Path) -> Folder:
    folder = Folder()
    for entry in path.iterdir():
        if entry.is_dir():
            folder.entries[entry.name] = _read(entry)
        else:
            data = entry.read_bytes()
            folder.entries[entry.name] = File(data, data)
    _sync(folder)
    return folder
