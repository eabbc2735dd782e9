"""`data.cache: disk`: pixels decoded once into a file that runs and processes share.

The file's name contains a fingerprint of the source. The process that builds it locks the
unfinished file, `.NAME.partial`, which is renamed to NAME when complete. A killed build leaves an
unlocked partial file: the next build reuses or removes it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from arcface_plus.data.pixel_file import PixelFile, PixelFileWriter, file_bytes
from arcface_plus.data.room import gigabytes
from arcface_plus.data.sources import TrainingImages
from arcface_plus.data.workers import Progress, Workers
from data_prep.crop_size import SIDE
from data_prep.errors import DataError, UserError
from data_prep.files import partial_name, publish

_SUFFIX = ".pixels.npy"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_CHUNK = 64  # images that a thread decodes before writing them: 2.4 MB
Say = Callable[[str], None]


class DiskCache:
    """The pixel file of a source; `folder` None: next to the data."""

    def __init__(self, source: TrainingImages, folder: Path | None) -> None:
        fingerprint = source.fingerprint()
        self._source, self._seed = source, int(fingerprint, 16)
        self._folder = folder or source.folder
        self.path = self._folder / f"{source.name}.{fingerprint}{_SUFFIX}"

    def find(self, say: Say) -> PixelFile | None:
        """The finished file; None if there is none, or if it is damaged, which `say` reports."""
        try:
            cache = PixelFile(self.path, len(self._source), self._seed)
            cache.check_sample()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except DataError as error:
            say(f"not used: {error}")
            return None
        return cache

    def find_or_build(self, workers: Workers, progress: Progress | None, say: Say) -> PixelFile:
        """The finished file; if absent, one process builds it while the others wait.

        UserError before anything is decoded if the folder is not writable or the disk too full;
        DataError naming a record that cannot be decoded.
        """
        while (found := self.find(say)) is None:
            with self._claimed(say) as descriptor:
                if descriptor is None or self.find(_nothing) is not None:
                    continue  # another process was faster
                self._remove_abandoned()
                self._make_room(descriptor)
                images, size = len(self._source), gigabytes(file_bytes(len(self._source)))
                say(f"decoding {images} images into {self.path} ({size}, once)")
                self._build(descriptor, workers, progress)
        return found

    @property
    def _partial(self) -> Path:
        return partial_name(self.path)

    def _build(self, descriptor: int, workers: Workers, progress: Progress | None) -> None:
        def decode_and_write(start: int, stop: int) -> None:
            pixels = np.empty((stop - start, SIDE, SIDE, 3), np.uint8)
            for index in range(start, stop):
                pixels[index - start] = self._source.image(index)
            writer.write(start, pixels)

        try:
            writer = PixelFileWriter(descriptor, len(self._source), self._seed)
            workers.each_chunk(decode_and_write, len(self._source), _CHUNK, progress)
            writer.finish()
        except OSError as error:
            if error.errno in _FULL:
                raise self._unusable(f"disk full ({error.strerror})") from None
            raise
        publish(self._partial, self.path)

    @contextlib.contextmanager
    def _claimed(self, say: Say) -> Iterator[int | None]:
        """Yield the locked partial file, or None if it was gone by then; remove it afterwards."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._partial, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise self._unusable(f"cannot be written ({error.strerror})") from None
        try:
            if not self._lock(descriptor, fcntl.LOCK_NB):
                say(f"another process is building {self.path}: waiting for it")
                self._lock(descriptor, 0)
            if not _is(self._partial, descriptor):
                yield None
                return
            try:
                yield descriptor
            finally:
                if _is(self._partial, descriptor):
                    self._partial.unlink()
        finally:
            os.close(descriptor)

    def _lock(self, descriptor: int, wait: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | wait)
        except BlockingIOError:
            return False
        except OSError as error:
            raise self._unusable(f"does not support file locks ({error.strerror})") from None
        return True

    def _make_room(self, descriptor: int) -> None:
        """Reserve the whole file, so that a full disk is detected now and not in an hour."""
        os.ftruncate(descriptor, 0)
        needed = file_bytes(len(self._source))
        free = shutil.disk_usage(self._folder).free
        try:
            if needed <= free:
                os.posix_fallocate(descriptor, 0, needed)
                return
        except OSError as error:
            if error.errno not in _FULL:
                return  # a file system that cannot reserve space
        raise self._unusable(f"has {gigabytes(free)} free, the cache needs {gigabytes(needed)}")

    def _remove_abandoned(self) -> None:
        """Remove the unlocked partial files of other caches, left by killed builds."""
        for path in self._folder.glob(f".*{_SUFFIX}.partial"):
            if path == self._partial:
                continue
            with contextlib.suppress(OSError), open(path, "rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is(path, file.fileno()):
                    path.unlink()

    def _unusable(self, why: str) -> UserError:
        others = sorted(self._folder.glob(f"*{_SUFFIX}")) if self._folder.is_dir() else []
        old = f"; other caches there: {', '.join(p.name for p in others)}" if others else ""
        return UserError(
            f"{self._folder}: {why}; set data.cache_dir to another folder, or data.cache: none{old}"
        )


def _is(path: Path, descriptor: int) -> bool:
    """Whether the path still refers to the open file."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _nothing(_: str) -> None:
    return None
