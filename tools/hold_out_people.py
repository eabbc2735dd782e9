"""Split a folder of one folder per person into two: most people, and a fifth held out.

    arcface-plus data extract lfw_train people
    python tools/hold_out_people.py people --fifth 1 --most most --held held
    arcface-plus data pack most lfw_most
    arcface-plus data pairs pairs/lfw_held.bin --from-folders held

A person is held out if the MD5 of the name, modulo 5, is `--fifth`: the same people everywhere, and
other people for another fifth. The new folders hold links to the old ones.
"""

from __future__ import annotations

import argparse
import hashlib
import os
from pathlib import Path

FIFTHS = 5


def fifth_of(name: str) -> int:
    """0 to 4."""
    return int(hashlib.md5(name.encode(), usedforsecurity=False).hexdigest(), 16) % FIFTHS


def split(people: Path, fifth: int, most: Path, held: Path) -> tuple[int, int]:
    """Link every person's folder into `most` or `held`; how many went into each."""
    counts = [0, 0]
    for place in (most, held):
        place.mkdir(parents=True)
    for person in sorted(path for path in people.iterdir() if path.is_dir()):
        out = fifth_of(person.name) == fifth
        os.symlink(person.resolve(), (held if out else most) / person.name)
        counts[out] += 1
    return counts[0], counts[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("people", type=Path)
    parser.add_argument("--fifth", type=int, choices=range(FIFTHS), required=True)
    parser.add_argument("--most", type=Path, required=True)
    parser.add_argument("--held", type=Path, required=True)
    given = parser.parse_args()
    for place in (given.most, given.held):
        if place.exists():
            parser.error(f"{place}: exists; give the name of a new folder")
    if not given.people.is_dir():
        parser.error(f"{given.people}: no such folder; `arcface-plus data extract` makes one")
    kept, out = split(given.people, given.fifth, given.most, given.held)
    print(f"{kept} people in {given.most}, {out} in {given.held}")


if __name__ == "__main__":
    main()
