"""The lists that say which two images make a pair: LFW, CFP, plain lists and CSV.

Each reader returns the pairs in an order whose ten contiguous tenths are the folds that the source
defines, which is what a .bin can express.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data_prep.align.landmarks import split_fields
from data_prep.csv_cells import as_cell
from data_prep.errors import DataError, UserError
from data_prep.images import is_image_name

FOLDS = 10
KINDS = ("auto", "lfw", "cfp-fp", "cfp-ff", "list")
_TRUTHS = {
    **dict.fromkeys(("1", "1.0", "true", "same", "yes"), True),
    **dict.fromkeys(("0", "0.0", "-1", "false", "different", "diff", "no"), False),
}
_NEVER_LISTED = "\t\n\r\\"  # separators of fields, lines and, as Windows writes them, folders


class Place(NamedTuple):
    """A line of a list; places of one file sort by line."""

    file: Path
    line: int

    def __str__(self) -> str:
        return f"{self.file}: line {self.line}"


class Pair(NamedTuple):
    """Two images by their paths relative to the images' folder, and the line that names them."""

    a: str
    b: str
    same: bool
    where: Place


def read_pair_list(source: str | os.PathLike[str], kind: str = "auto") -> list[Pair]:
    """Pairs of any source, in fold order. DataError names the file and the line.

    kind: lfw (pairs.txt), cfp-fp or cfp-ff (CFP's Protocol folder, or the one it is in), list
    (two paths and 1 or 0 per line, CSV or spaces, as AgeDB-30's), or auto: a file is recognized by
    its first line, a folder is CFP's and needs its kind.
    """
    source = Path(source)
    if kind not in KINDS:
        raise UserError(f"--kind {kind!r} is not known; choose one of {', '.join(KINDS)}")
    if kind == "auto":
        kind = _recognize(source)
    if kind == "lfw":
        return read_lfw(source)
    if kind == "list":
        return read_list(source)
    return read_cfp(source, kind.removeprefix("cfp-").upper())


def _recognize(source: Path) -> str:
    if source.is_dir():
        raise UserError(
            f"{source} is a folder: for CFP's Protocol give --kind cfp-fp (frontal and profile) or "
            "cfp-ff (frontal and frontal)"
        )
    first = next(_lines(source), (0, ""))[1]
    return "lfw" if re.fullmatch(r"[0-9]+(\s+[0-9]+)?", first) else "list"


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines that are not blank, stripped."""
    try:
        with open(path, encoding="utf-8-sig", errors="surrogateescape") as file:
            for number, line in enumerate(file, 1):
                if stripped := line.strip():
                    yield number, stripped
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None


def read_lfw(path: Path) -> list[Pair]:
    """LFW's pairs.txt: `folds pairs`, then per fold that many same and that many different lines.

    A same line is `name n1 n2`, a different one `name1 n1 name2 n2`; image n of name is
    name/name_000n.jpg. pairsDevTest.txt and pairsDevTrain.txt, whose first line is the number of
    pairs alone, are one set that is dealt into ten folds.
    """
    lines = list(_lines(path))
    header = lines[0][1].split() if lines else []
    if not 1 <= len(header) <= 2 or not all(map(_is_count, header)):
        raise DataError(
            f"{path}: line 1: expected the numbers of folds and of pairs (LFW's pairs.txt)"
        )
    folds, half = (1, int(header[0])) if len(header) == 1 else (int(header[0]), int(header[1]))
    if folds not in (1, FOLDS):
        raise DataError(f"{path}: line 1: {folds} folds; a .bin has {FOLDS}")
    if len(lines) - 1 != 2 * half * folds or not half:
        raise DataError(
            f"{path}: line 1 announces {2 * half * folds} pairs, but {len(lines) - 1} lines "
            "follow; the list is truncated or edited"
        )
    pairs = []
    for at, (number, line) in enumerate(lines[1:]):
        same = at % (2 * half) < half
        pairs.append(_lfw_pair(line, same, Place(path, number)))
    return pairs if folds == FOLDS else deal(pairs)


def _is_count(text: str) -> bool:
    return re.fullmatch(r"[0-9]{1,9}", text) is not None


def _lfw_pair(line: str, same: bool, where: Place) -> Pair:
    fields = line.split("\t") if "\t" in line else line.split()
    if len(fields) == 3:
        fields.insert(2, fields[0])
        is_same = True
    else:
        is_same = False
    if len(fields) != 4 or not (_is_count(fields[1]) and _is_count(fields[3])):
        raise DataError(f"{where}: neither `name n1 n2` nor `name1 n1 name2 n2`")
    if is_same != same:
        kind = "same-person" if same else "different-person"
        raise DataError(f"{where}: expected a {kind} pair here; a line is missing or extra")
    a, b = (f"{name}/{name}_{int(n):04d}.jpg" for name, n in (fields[:2], fields[2:]))
    return Pair(a, b, same, where)


def read_cfp(folder: Path, split: str) -> list[Pair]:
    """CFP's Protocol: Split/FP or FF/01 … 10/same.txt and diff.txt, lines of two image numbers.

    The numbers count in image_list_F.txt and, for the second image of FP, image_list_P.txt (named
    Pair_list_F.txt and Pair_list_P.txt in some copies), whose lines are a number and a path.
    """
    protocol = folder if (folder / "Split").is_dir() else folder / "Protocol"
    if not (protocol / "Split" / split).is_dir():
        raise DataError(f"{folder}: no Split/{split} in it; give CFP's Protocol folder")
    first = _cfp_images(protocol, "F")
    second = _cfp_images(protocol, "P") if split == "FP" else first
    pairs: list[Pair] = []
    sizes = []
    for fold in range(1, FOLDS + 1):
        before = len(pairs)
        for file, same in (("same.txt", True), ("diff.txt", False)):
            path = protocol / "Split" / split / f"{fold:02d}" / file
            for number, line in _lines(path):
                where = Place(path, number)
                fields = line.replace(",", " ").split()
                if len(fields) != 2 or not (fields[0] in first and fields[1] in second):
                    raise DataError(f"{where}: not two numbers of images in the protocol's lists")
                pairs.append(Pair(first[fields[0]], second[fields[1]], same, where))
        sizes.append(len(pairs) - before)
    if sizes != fold_sizes(len(pairs)):
        raise DataError(
            f"{protocol / 'Split' / split}: folds of {', '.join(map(str, sizes))} pairs, but "
            "the ten folds of a .bin are equal; is the download complete?"
        )
    return pairs


def _cfp_images(protocol: Path, letter: str) -> dict[str, str]:
    names = (f"image_list_{letter}.txt", f"Pair_list_{letter}.txt")
    path = next((protocol / name for name in names if (protocol / name).is_file()), None)
    if path is None:
        raise DataError(f"{protocol}: neither {names[0]} nor {names[1]} in it")
    images = {}
    for number, line in _lines(path):
        fields = line.split(maxsplit=1)
        if len(fields) != 2 or not _is_count(fields[0]):
            raise DataError(f"{path}: line {number}: not an image's number and its path")
        images[fields[0]] = fields[1]
    return images


def read_list(path: Path) -> list[Pair]:
    """Two paths and 1 or 0 per line (same, different, true, false, yes, no): CSV, tabs or spaces.

    A first line of column names is skipped. A fourth column, if there is one, holds the fold's
    number. Without it, if every tenth of the list holds pairs of both kinds, its order is the
    folds' order (so are AgeDB-30's and CFP-FP's lists in common use); otherwise, as when all same
    pairs come first, `deal` makes the folds.
    """
    pairs: list[Pair] = []
    folds: list[int] = []
    for number, line in _lines(path):
        where = Place(path, number)
        fields = split_fields(line, str(where))
        if number == 1 and _is_header(fields):
            continue
        truth = _TRUTHS.get(fields[2].lower()) if len(fields) in (3, 4) else None
        if truth is None or not fields[0] or not fields[1]:
            raise DataError(f"{where}: expected two paths and 1 (same) or 0 (different)")
        pairs.append(Pair(fields[0], fields[1], truth, where))
        if len(fields) == 4:
            if not _is_count(fields[3]):
                raise DataError(f"{where}: the fold must be a whole number")
            folds.append(int(fields[3]))
    if not pairs:
        raise DataError(f"{path}: no pairs in it")
    if folds:
        return _in_fold_order(pairs, folds, path)
    kinds = [pair.same for pair in pairs]
    return pairs if has_both_kinds_in_each_fold(kinds) else deal(pairs)


def _is_header(fields: list[str]) -> bool:
    """Whether a first line names columns; `a,b,same` does, `x.jpg,y.jpg,same` does not."""
    if len(fields) not in (3, 4) or is_image_name(fields[0]):
        return False
    word = fields[2].lower()
    return word == "same" or (word not in _TRUTHS and not word.lstrip("+-.").isdecimal())


def _in_fold_order(pairs: list[Pair], folds: list[int], path: Path) -> list[Pair]:
    if len(folds) != len(pairs):
        raise DataError(f"{path}: {len(pairs) - len(folds)} lines lack the fold of the others")
    sizes = [count for _, count in sorted(Counter(folds).items())]
    if sizes != fold_sizes(len(pairs)):
        raise DataError(
            f"{path}: {len(sizes)} folds of {min(sizes)} to {max(sizes)} pairs; a .bin has ten "
            "equal ones"
        )
    order = sorted(range(len(pairs)), key=lambda at: folds[at])
    return [pairs[at] for at in order]


def list_text(pairs: Sequence[tuple[str, str, bool]]) -> str:
    """Pairs in fold order → a CSV file (a, b, same, fold) that `read_list` reads back.

    UserError for a name that no line can hold.
    """
    folds = np.repeat(np.arange(1, FOLDS + 1), fold_sizes(len(pairs))).tolist()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("a", "b", "same", "fold"))
    for (a, b, same), fold in zip(pairs, folds, strict=True):
        writer.writerow((_listed_name(a), _listed_name(b), int(same), fold))
    return text.getvalue()


def _listed_name(name: str) -> str:
    """`name` as a list may hold it: `./` saves a leading blank, and no spreadsheet runs it."""
    if any(c in name for c in _NEVER_LISTED):
        raise UserError(
            f"{name}: a list of pairs cannot hold a tab, line break or backslash; rename the file "
            "or folder"
        )
    return f"./{name}" if name[0].isspace() or as_cell(name) != name else name


def fold_sizes(pairs: int) -> list[int]:
    """Pairs in each of ten contiguous folds, as scikit-learn's KFold cuts them."""
    return [pairs // FOLDS + (fold < pairs % FOLDS) for fold in range(FOLDS)]


def has_both_kinds_in_each_fold(same: Sequence[bool]) -> bool:
    """Whether each contiguous tenth holds same and different pairs."""
    end = 0
    for size in fold_sizes(len(same)):
        kinds = set(same[end : end + size])
        end += size
        if len(kinds) < 2:
            return False
    return True


def deal(pairs: list[Pair]) -> list[Pair]:
    """Pairs in the order of ten folds with equal shares of same pairs, each fold same first.

    Within a kind the order stays, so that a list which has such folds already comes out unchanged
    except for the order inside a fold.
    """
    same = [pair for pair in pairs if pair.same]
    different = [pair for pair in pairs if not pair.same]
    dealt: list[Pair] = []
    start = 0
    for size in fold_sizes(len(pairs)):
        end = start + size
        low, high = (round(len(same) * at / len(pairs)) for at in (start, end))
        dealt += same[low:high] + different[start - low : end - high]
        start = end
    return dealt
