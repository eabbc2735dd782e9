"""A list and a folder of crops become a pair file: bytes, order, and what is refused."""

from __future__ import annotations

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest

from data_prep.errors import DataError, UserError
from data_prep.image_header import image_header
from data_prep.images import decode_rgb, encode_as
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


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


MIXED = [(f"a/{k}.jpg", f"b/{k}.jpg", k % 4 < 2) for k in range(40)]


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    folder = tmp_path / "crops"
    for k, (a, b, _) in enumerate(MIXED):
        for name in (a, b):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(crop(k))
    return folder


def mixed_csv(tmp_path: Path) -> Path:
    return write(tmp_path / "p.csv", "".join(f"{a},{b},{int(s)}\n" for a, b, s in MIXED))


def test_bin_holds_the_bytes_in_order(tmp_path: Path, mixed: Path) -> None:
    calls: list[tuple[int, int]] = []
    out = tmp_path / "new" / "mixed.bin"
    made = pack_pairs(
        mixed_csv(tmp_path), mixed, out, progress=lambda done, total: calls.append((done, total))
    )
    assert (made.pairs, made.same, made.images, made.encoded, made.usable) == (40, 20, 80, 0, True)
    assert calls[-1] == (40, 40)
    wanted = [(mixed / name).read_bytes() for a, b, _ in MIXED for name in (a, b)]
    images, same = read_pairs(out)
    assert images == wanted
    assert same.tolist() == [truth for _, _, truth in MIXED]
    with out.open("rb") as file:  # as InsightFace's verification.py reads it
        bins, issame_list = pickle.load(file, encoding="bytes")
    assert bins == wanted
    assert issame_list == same.tolist()
    assert decode_rgb(bins[0]).shape == (112, 112, 3)


def test_an_image_of_many_pairs_is_stored_once(tmp_path: Path, mixed: Path) -> None:
    lines = [f"a/0.jpg,a/{k}.jpg,{k % 2}" for k in range(1, 31)]
    made = pack_pairs(write(tmp_path / "p.csv", "\n".join(lines)), mixed, tmp_path / "x.bin")
    assert made.images == 31
    assert (tmp_path / "x.bin").stat().st_size < 33 * len(crop(0))


def test_missing_and_unfit_images_are_named(tmp_path: Path, mixed: Path) -> None:
    source, out = mixed_csv(tmp_path), tmp_path / "x.bin"
    target = mixed / "b" / "1.jpg"
    whole = target.read_bytes()
    target.write_bytes(crop(1, 250))
    with pytest.raises(
        DataError, match=r"p\.csv: line 2: .*b/1.jpg is jpeg 250x250, not a 112x112"
    ):
        pack_pairs(source, mixed, out)
    target.write_bytes(b"text")
    with pytest.raises(
        DataError, match=r"line 2: .* is no image we can read, not a 112x112 JPEG: align"
    ):
        pack_pairs(source, mixed, out)
    target.write_bytes(whole[:2000])
    with pytest.raises(DataError, match=r"line 2: .*truncated or corrupt JPEG"):
        pack_pairs(source, mixed, out)
    target.unlink()
    with pytest.raises(
        DataError, match=r"p\.csv: 1 of 80 images .* b/1.jpg \(line 2\); .*--fallback"
    ):
        pack_pairs(source, mixed, out)
    assert not out.exists()


def test_encode_mends_size_and_format(tmp_path: Path, mixed: Path) -> None:
    square = decode_rgb(crop(0))
    (mixed / "a/0.jpg").unlink()
    (mixed / "a/0.png").write_bytes(encode_as(".png", square))  # the list says .jpg
    (mixed / "b/0.jpg").write_bytes(crop(5, 250))
    made = pack_pairs(mixed_csv(tmp_path), mixed, tmp_path / "x.bin", encode=True, quality=100)
    assert made.encoded == 2
    images, _ = read_pairs(tmp_path / "x.bin")
    assert [image_header(image) for image in images] == [("jpeg", 112, 112)] * 80
    assert np.abs(decode_rgb(images[0]).astype(int) - square).mean() < 35  # noise, chroma halved
    assert images[2] == (mixed / "a/1.jpg").read_bytes()


def test_never_overwrites_and_never_leaves_the_root(tmp_path: Path, mixed: Path) -> None:
    out = write(tmp_path / "x.bin", "precious")
    with pytest.raises(UserError, match=r"x\.bin is there already"):
        pack_pairs(mixed_csv(tmp_path), mixed, out)
    assert out.read_text() == "precious"
    (tmp_path / "secret.jpg").write_bytes(crop(0))
    source = write(tmp_path / "q.csv", "../secret.jpg,a/0.jpg,1\n")
    with pytest.raises(DataError, match=r"not in .*: \.\./secret.jpg \(line 1\)"):
        pack_pairs(source, mixed, tmp_path / "y.bin")
    with pytest.raises(DataError, match="no such folder of images"):
        pack_pairs(source, tmp_path / "none", tmp_path / "y.bin")


def test_too_few_pairs_are_written_and_reported(tmp_path: Path, mixed: Path) -> None:
    source = write(tmp_path / "q.csv", "a/0.jpg,b/0.jpg,1\na/1.jpg,b/2.jpg,0\n")
    assert not pack_pairs(source, mixed, tmp_path / "y.bin").usable
