"""The quick look at a JPEG's end must find just what the careful one finds."""

from __future__ import annotations

import random
import re

import cv2
import numpy as np
import pytest

from data_prep.image_container import container_damage


def jpeg(**flags: int) -> bytes:
    """A noisy crop, whose scan has many 0xFF bytes."""
    pixels = np.random.default_rng(0).integers(0, 256, (112, 112, 3), np.uint8)
    parameters = [n for name, k in flags.items() for n in (getattr(cv2, f"IMWRITE_JPEG_{name}"), k)]
    return cv2.imencode(".jpg", pixels, parameters)[1].tobytes()


PLAIN = jpeg()
SEEDS = {
    "plain": PLAIN,
    "restart markers": jpeg(RST_INTERVAL=3),
    "progressive": jpeg(PROGRESSIVE=1),
    "something behind": PLAIN + b"\0\0tail",
    "a thumbnail in front": PLAIN[:2] + b"\xff\xe1\x00\x0a\xff\xda\xff\x00\xff\xd9xy" + PLAIN[2:],
}


def careful(data: bytes) -> bool:
    """Whole: between the last start of scan and the first end of image only stuffed bytes."""
    last = data.rfind(b"\xff\xda")
    end = data.find(b"\xff\xd9", max(last, 0))
    markers = re.findall(rb"\xff+([^\x00\xff])", data[max(last, 0) + 2 : max(end, 0)])
    return end >= 0 and all(0xD0 <= marker[0] <= 0xD7 for marker in markers)


@pytest.mark.parametrize("name", SEEDS)
def test_whole_ones_pass(name: str) -> None:
    assert container_damage(SEEDS[name]) is None
    assert careful(SEEDS[name])


@pytest.mark.parametrize("name", SEEDS)
def test_broken_scans_are_found_where_the_careful_way_finds_them(name: str) -> None:
    seed, rng = SEEDS[name], random.Random(1)
    scan = seed.rfind(b"\xff\xda") + 20
    found = 0
    for _ in range(2000):
        data = bytearray(seed)
        at = rng.randrange(scan, len(seed))
        piece = rng.choice(
            [b"\xff", b"\xff\xd9", b"\xff\xda", b"\xff\xd3", b"\xff\xc4", b"\xff\xff"]
        )
        data[at : at + rng.choice((0, 1, 2))] = piece
        if rng.random() < 0.2:
            del data[rng.randrange(scan, len(data)) :]
        whole = container_damage(bytes(data)) is None
        assert whole == careful(bytes(data)), (at, piece)
        found += not whole
    assert found > 200


@pytest.mark.parametrize("end", [b"", b"\xff", b"\xff\xc4", b"\xff\xda", b"\xff\xd0", b"\xd9"])
def test_another_end_is_no_end(end: bytes) -> None:
    assert "truncated JPEG" in str(container_damage(PLAIN[:-2] + end))
