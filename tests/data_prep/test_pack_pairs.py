"""A list and a folder of crops become a pair file: bytes, order, and what is refused."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from data_prep.errors import DataError, UserError
from data_prep.images import decode_rgb
from data_prep.pack_pairs import find_image, pack_pairs
from data_prep.pairs import read_pairs


def crop(seed: int, side: int = 112, suffix: str = ".jpg") -> bytes:
    small = np.random.default_rng(seed).integers(0, 256, (7, 7, 3), np.uint8)
    pixels = cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(suffix, pixels)[1].tobytes()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for k in range(4):
        (tmp_path / "crops" / f"p{k}").mkdir(parents=True)
        (tmp_path / "crops" / f"p{k}" / "1.jpg").write_bytes(crop(k))
    return tmp_path / "crops"


def listed(tmp_path: Path, *pairs: tuple[str, str, int]) -> Path:
    path = tmp_path / "pairs.csv"
    path.write_text("a,b,same\n" + "".join(f"{a},{b},{same}\n" for a, b, same in pairs))
    return path


def test_bytes_and_truth_in_the_order_of_the_list(tmp_path: Path, root: Path) -> None:
    members = [(k % 4, k // 4 % 4) for k in range(20)]
    pairs = [(f"p{a}/1.jpg", f"p{b}/1.jpg", int(k % 2 == 0)) for k, (a, b) in enumerate(members)]
    seen: list[tuple[int, int]] = []
    out = tmp_path / "out" / "x.bin"
    made = pack_pairs(listed(tmp_path, *pairs), root, out, progress=lambda *at: seen.append(at))
    images, same = read_pairs(out)
    assert images == [crop(k) for pair in members for k in pair]
    assert same.tolist() == [k % 2 == 0 for k in range(20)]
    assert (made.pairs, made.same, made.images, made.encoded, made.usable) == (20, 10, 4, 0, True)
    assert seen[-1] == (20, 20)


def test_what_is_no_crop_is_refused_or_encoded(tmp_path: Path, root: Path) -> None:
    (root / "p0" / "2.png").write_bytes(crop(9, 224, ".png"))
    source = listed(tmp_path, ("p0/1.jpg", "p0/2.png", 1))
    with pytest.raises(DataError, match=r"line 2: .*2\.png is png 224x224, not a 112x112 JPEG"):
        pack_pairs(source, root, tmp_path / "x.bin")
    made = pack_pairs(source, root, tmp_path / "x.bin", encode=True, quality=100)
    assert (made.encoded, made.usable) == (1, False)
    images, _ = read_pairs(tmp_path / "x.bin")
    assert images[0] == crop(0)
    wanted = cv2.resize(decode_rgb(crop(9, 224, ".png")), (112, 112), interpolation=cv2.INTER_AREA)
    assert np.abs(decode_rgb(images[1]).astype(int) - wanted).mean() < 3


def test_mistakes_leave_no_file(tmp_path: Path, root: Path) -> None:
    source = listed(tmp_path, ("p0/1.jpg", "p9/1.jpg", 1))
    with pytest.raises(DataError, match=r"p9/1\.jpg"):
        pack_pairs(source, root, tmp_path / "x.bin")
    (root / "p1" / "1.jpg").write_bytes(crop(1)[:300])
    with pytest.raises(DataError, match=r"line 2"):
        pack_pairs(listed(tmp_path, ("p0/1.jpg", "p1/1.jpg", 1)), root, tmp_path / "x.bin")
    with pytest.raises(DataError, match="none: no such folder of images"):
        pack_pairs(source, tmp_path / "none", tmp_path / "x.bin")
    with pytest.raises(UserError, match="--quality 101 is out of range"):
        pack_pairs(source, root, tmp_path / "x.bin", quality=101)
    assert not list(tmp_path.glob("*.bin*"))
    (tmp_path / "x.bin").touch()
    with pytest.raises(UserError, match=r"x\.bin is there already"):
        pack_pairs(source, root, tmp_path / "x.bin")


def test_names_stay_below_the_folder_and_may_have_another_suffix(root: Path) -> None:
    assert find_image(root, "p1/1.jpg", 0) == root / "p1/1.jpg"
    assert find_image(root, "./p1/1.png", 0) == root / "p1/1.jpg"
    assert find_image(root, "../Data/p1/1.jpg", 0) is None
    assert find_image(root, "../Data/p1/1.jpg", 1) == root / "p1/1.jpg"
    assert find_image(root / "p0", "../p1/1.jpg", 0) is None
    assert find_image(root, "p1/1.jpg", 2) is None
