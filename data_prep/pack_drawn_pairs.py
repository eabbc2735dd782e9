"""Class folders → pairs drawn from them: a .bin and the list of what was drawn."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from data_prep.draw_pairs import DrawnPair, check_count, draw_pairs
from data_prep.errors import DataError, UserError
from data_prep.files import check_writable, replacing
from data_prep.pack_pairs import ImageStore, PackedPairs, check_new, write_pair_file
from data_prep.pair_lists import list_text
from data_prep.people import read_people


@dataclass(frozen=True)
class DrawnFile:
    """What was written, and what it was drawn from."""

    packed: PackedPairs
    people: int  # in the pairs
    most_same: int  # same pairs of one person
    copies: int  # files that were left out, see People
    shared: int
    list: Path


def pack_drawn_pairs(
    root: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    list_file: str | os.PathLike[str] | None = None,
    pairs: int | None = None,
    seed: int = 0,
    encode: bool = False,
    quality: int = 95,
    progress: Callable[[int, int], None] | None = None,
) -> DrawnFile:
    """Write `out`, a .bin of pairs of the images in ROOT/person/…, and the list of the pairs.

    See `draw_pairs` for `pairs`, `seed` and what is drawn, `read_people` for the images that are
    left out, `pack_pairs` for `encode` and `quality`. `list_file` is by default the .bin's name
    with .csv; `pack_pairs(list_file, root, out)` makes the same .bin again. `progress` counts the
    images that are compared, then the pairs that are stored.

    Raises:
        DataError: there are too few people, or an image is unreadable or refused.
        UserError: `out` or the list exists, or an option is wrong.
    """
    root, out = Path(root), Path(out)
    listed = out.with_suffix(".csv") if list_file is None else Path(list_file)
    if listed == out:
        raise UserError(f"{out}: the pair file and its list have one name; end the first with .bin")
    for path in (out, listed):
        check_new(path)
    if listed.parent != out.parent:
        check_writable(listed)
    check_count(pairs)
    people = read_people(root, progress)
    try:
        drawn = draw_pairs(people.images, pairs, seed)
    except DataError as error:
        raise DataError(f"{root}: {error}") from None
    text = list_text(drawn)
    files = {name: root / name for pair in drawn for name in (pair.a, pair.b)}
    packed = write_pair_file(out, drawn, ImageStore(files, encode, quality, {}), progress)
    with replacing(listed, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
    same = Counter(_person(pair) for pair in drawn if pair.same)
    return DrawnFile(
        packed,
        len({name.split("/")[0] for name in files}),
        max(same.values()),
        people.copies,
        people.shared,
        listed,
    )


def _person(pair: DrawnPair) -> str:
    return pair.a.split("/")[0]
