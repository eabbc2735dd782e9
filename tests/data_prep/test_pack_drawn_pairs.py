"""Class folders → .bin and list: the list makes the same .bin again, and nothing is half done."""

from __future__ import annotations

import pytest
from image_files import face, tree

from data_prep.errors import DataError, UserError
from data_prep.images import encode_as, read_rgb
from data_prep.pack_drawn_pairs import pack_drawn_pairs
from data_prep.pack_pairs import pack_pairs
from data_prep.pairs import read_pairs


@pytest.fixture(scope="module")
def crops(tmp_path_factory):
    """22 people with three images each."""
    names = [f"person {k:02d}/{i}.jpg" for k in range(22) for i in range(3)]
    root = tmp_path_factory.mktemp("drawn") / "crops"
    return tree(root, {name: face(k) for k, name in enumerate(names)})


def test_a_pair_file_of_what_was_drawn(crops, tmp_path):
    calls: list[tuple[int, int]] = []
    made = pack_drawn_pairs(
        crops, tmp_path / "new/own.bin", progress=lambda done, total: calls.append((done, total))
    )
    images, same = read_pairs(tmp_path / "new/own.bin")
    assert same.tolist() == ([True] * 6 + [False] * 6) * 10
    owner = {
        (crops / f"{who.name}/{i}.jpg").read_bytes(): who.name
        for who in crops.iterdir()
        for i in range(3)
    }
    for k, truth in enumerate(same):
        assert images[2 * k] != images[2 * k + 1]
        assert (owner[images[2 * k]] == owner[images[2 * k + 1]]) == truth
    assert (made.packed.pairs, made.packed.same, made.packed.usable) == (120, 60, True)
    assert made.packed.images == len(set(images))
    assert made.people == len({owner[image] for image in images})
    assert (made.most_same, made.copies, made.shared) == (3, 0, 0)
    assert made.list == tmp_path / "new/own.csv"
    assert calls[-1] == (120, 120)
    assert (66, 66) in calls


@pytest.mark.parametrize("encode", [False, True])
def test_the_list_makes_the_same_file_again(crops, tmp_path, encode):
    if encode:
        crops = tree(
            tmp_path / "odd", {str(f.relative_to(crops)): f.read_bytes() for f in crops.glob("*/*")}
        )
        for file in crops.glob("*/0.jpg"):
            file.with_suffix(".png").write_bytes(encode_as(".png", read_rgb(file)))
            file.unlink()
        (crops / "person 03").rename(crops / "=person,3")
    out, again, listed = tmp_path / "own.bin", tmp_path / "again.bin", tmp_path / "drawn.txt"
    made = pack_drawn_pairs(crops, out, list_file=listed, pairs=100, seed=5, encode=encode)
    assert (made.list, made.packed.pairs) == (listed, 100)
    assert bool(made.packed.encoded) == encode
    assert not (tmp_path / "own.csv").exists()
    assert pack_pairs(listed, crops, again, encode=encode) == made.packed
    assert again.read_bytes() == out.read_bytes()


def test_copies_never_meet(crops, tmp_path):
    root = tree(
        tmp_path / "c", {str(f.relative_to(crops)): f.read_bytes() for f in crops.glob("*/*")}
    )
    tree(root, {f"person {k:02d}/copy.jpg": face(3 * k) for k in range(22)})
    tree(root, {"person 00/other.jpg": face(3 * 21 + 1)})
    made = pack_drawn_pairs(root, tmp_path / "x.bin")
    assert (made.copies, made.shared) == (22, 2)
    images, _ = read_pairs(tmp_path / "x.bin")
    assert all(a != b for a, b in zip(images[::2], images[1::2], strict=True))
    assert face(3 * 21 + 1) not in images


def test_nothing_is_overwritten(crops, tmp_path):
    for name in ("x.bin", "x.csv"):
        (tmp_path / name).write_text("precious")
        with pytest.raises(UserError, match=f"{name} is there already: delete it or choose"):
            pack_drawn_pairs(crops, tmp_path / "x.bin")
        assert (tmp_path / name).read_text() == "precious"
        (tmp_path / name).unlink()
    with pytest.raises(UserError, match=r"x\.csv: the pair file and its list have one name"):
        pack_drawn_pairs(crops, tmp_path / "x.csv")
    with pytest.raises(UserError, match="directory does not exist"):
        pack_drawn_pairs(crops, tmp_path / "x.bin", list_file=tmp_path / "none/x.csv")
    assert not list(tmp_path.iterdir())


def test_a_failure_leaves_nothing(crops, tmp_path):
    root = tree(
        tmp_path / "bad", {str(f.relative_to(crops)): f.read_bytes() for f in crops.glob("*/*")}
    )
    for file in root.glob("*/*"):
        file.write_bytes(file.read_bytes()[:-1500])
    with pytest.raises(DataError, match=r"^.*/bad/person .*: truncated or corrupt JPEG"):
        pack_drawn_pairs(root, tmp_path / "x.bin")
    for file in root.glob("*/*"):
        file.rename(file.with_name(f"tab\t{file.name}"))
    with pytest.raises(UserError, match="a list of pairs cannot hold a tab"):
        pack_drawn_pairs(root, tmp_path / "x.bin")
    assert [path.name for path in tmp_path.iterdir()] == ["bad"]
