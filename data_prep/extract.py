"""A .rec or .bin → image files and a list, so that the data can leave again."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_prep.class_names import NAME, write_class_names
from data_prep.collection import Pairs, Records, open_collection
from data_prep.csv_cells import as_cell
from data_prep.errors import DataError, UserError
from data_prep.files import replacing, write_bytes
from data_prep.image_header import image_header
from data_prep.image_lists import class_order
from data_prep.pair_lists import FOLDS, fold_sizes
from data_prep.training_set import read_index

_BLOCK = 256
LIST, PAIR_LIST = "images.tsv", "pairs.csv"


@dataclass(frozen=True)
class Extracted:
    """What was written; `files` may be fewer than `images` where pairs share an image."""

    images: int
    files: int
    classes: int
    pairs: int
    list: Path
    in_order: bool = True  # whether the folders' order is the classes', as `data pack` sees it


def extract(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Extracted:
    """Write every image of SRC into the new folder OUT, byte for byte, and a list of them.

    A .rec becomes OUT/class/key.jpg with images.tsv (path, class name or index); a .bin becomes
    OUT/000001.jpg … (each distinct image once) with pairs.csv (a, b, same, fold). `data pack` and
    `data pairs` read them. The list is written last: without it OUT is incomplete. Raises DataError
    naming what cannot be read, UserError if OUT is not empty.
    """
    out = Path(out)
    collection = open_collection(source)
    if not isinstance(collection, Records | Pairs):
        raise DataError(f"{source}: is a folder of images already")
    if isinstance(collection, Records) and collection.note:
        raise DataError(f"{collection.path}: {collection.note}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} is there already and not empty: delete it or choose another folder")
    out.mkdir(parents=True, exist_ok=True)
    if isinstance(collection, Records):
        return _extract_records(collection, out, threads, progress)
    return _extract_pairs(collection, out, progress)


def _extract_records(
    records: Records,
    out: Path,
    threads: int | None,
    progress: Callable[[int, int], None] | None,
) -> Extracted:
    index = read_index(records.reader)
    present = np.unique(index.labels).tolist()
    folders = _folder_names(present, records.class_names)
    for label in present:
        os.mkdir(f"{out}/{folders[label]}")
    order = np.argsort(index.labels, kind="stable")  # the list's first lines make the first class
    keys, labels = index.keys[order].tolist(), index.labels[order].tolist()
    digits = max(6, len(str(max(keys))))

    def write_block(start: int) -> list[str]:
        return [
            _write(f"{out}/", f"{folders[label]}/{key:0{digits}d}", records.reader[key].image)
            for key, label in zip(
                keys[start : start + _BLOCK], labels[start : start + _BLOCK], strict=True
            )
        ]

    done = 0
    with (
        ThreadPoolExecutor(threads or os.cpu_count() or 1, "extract") as pool,
        replacing(out / LIST, "w", encoding="utf-8", errors="surrogateescape") as lines,
    ):
        for names in pool.map(write_block, range(0, len(keys), _BLOCK)):
            for name in names:
                lines.write(f"{name}\t{folders[labels[done]]}\n")
                done += 1
            if progress is not None:
                progress(done, len(keys))
    if records.class_names:
        names_of = records.class_names
        write_class_names(out, [names_of.get(k, str(k)) for k in range(index.classes)])
    in_order = sorted(folders.values()) == [folders[label] for label in present]
    return Extracted(len(keys), len(keys), len(present), 0, out / LIST, in_order)


def _folder_names(labels: list[int], names: dict[int, str]) -> dict[int, str]:
    """Each class's name where it makes a good folder, its index elsewhere; no two are equal."""
    if _are_numbers_in_disorder([names[label] for label in labels if label in names]):
        names = {}
    taken = Counter(names.get(label, "") for label in labels)
    digits = max(6, len(str(labels[-1])))
    folders = {}
    for label in labels:
        folder = names.get(label, "")
        if not _is_folder_name(folder) or taken[folder] > 1:
            folder = f"{label:0{digits}d}"
            while taken[folder]:
                folder += "_"
            taken[folder] += 1
        folders[label] = folder
    return folders


def _are_numbers_in_disorder(names: list[str]) -> bool:
    """Whether `data pack` would sort these names by their values, which is another order."""
    try:
        return class_order(names, Path(LIST)) != names
    except DataError:  # 7 and 007
        return True


def _is_folder_name(name: str) -> bool:
    return (
        name not in ("", NAME, LIST)
        and not name.startswith(".")
        and as_cell(name) == name  # the list may be opened in a spreadsheet
        and not any(c in '/\\\t\n\r"' or ord(c) < 32 for c in name)
        and name == name.strip()
        and len(name.encode("utf-8", "surrogateescape")) < 250
    )


def _write(prefix: str, stem: str, image: bytes) -> str:
    """Write one image under the suffix of its format; returns its name relative to OUT."""
    header = image_header(image)
    suffix = {None: ".unknown", "jpeg": ".jpg"}.get(
        header and header.format, f".{header.format}" if header else ""
    )
    name = stem + suffix
    handle = os.open(prefix + name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        os.write(handle, image)
    finally:
        os.close(handle)
    return name


def _extract_pairs(
    pairs: Pairs, out: Path, progress: Callable[[int, int], None] | None
) -> Extracted:
    digits = len(str(len(pairs)))
    name_of: dict[bytes, str] = {}
    names = []
    for i, image in enumerate(pairs.images):
        if image not in name_of:
            name_of[image] = _write(f"{out}/", f"{len(name_of) + 1:0{digits}d}", image)
        names.append(name_of[image])
        if progress is not None and (i % _BLOCK == 0 or i + 1 == len(pairs)):
            progress(i + 1, len(pairs))
    count = len(pairs.same)
    folds = np.repeat(np.arange(1, FOLDS + 1), fold_sizes(count)).tolist()
    with_folds = count >= FOLDS
    lines = ["a,b,same,fold\n" if with_folds else "a,b,same\n"]
    for k, same in enumerate(pairs.same.tolist()):
        line = f"{names[2 * k]},{names[2 * k + 1]},{int(same)}"
        lines.append(f"{line},{folds[k]}\n" if with_folds else f"{line}\n")
    write_bytes(out / PAIR_LIST, "".join(lines).encode())
    return Extracted(len(pairs), len(name_of), 0, count, out / PAIR_LIST)
