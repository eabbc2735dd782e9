"""Pair lists of every source → pairs in the source's folds → a .bin that both loaders read."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import KFold

from data_prep.align.landmarks import tidy_name
from data_prep.errors import DataError, UserError
from data_prep.images import encode_jpeg
from data_prep.pack_pairs import pack_pairs
from data_prep.pair_lists import (
    KINDS,
    Pair,
    deal,
    fold_sizes,
    has_both_kinds_in_each_fold,
    list_text,
    read_list,
    read_pair_list,
)


def plain(pairs: list[Pair]) -> list[tuple[str, str, bool]]:
    return [(pair.a, pair.b, pair.same) for pair in pairs]


def lfw_text(half: int = 3, folds: int = 10) -> tuple[str, list[tuple[str, str, bool]]]:
    lines, wanted = [f"{folds}\t{half}"], []
    for fold in range(folds):
        for k in range(half):
            lines.append(f"Al_{fold}\t{k + 1}\t{k + 12}")
            stem = f"Al_{fold}/Al_{fold}"
            wanted.append((f"{stem}_{k + 1:04d}.jpg", f"{stem}_{k + 12:04d}.jpg", True))
        for k in range(half):
            lines.append(f"Al_{fold}\t{k + 1}\tBo\t{k + 3}")
            wanted.append((f"{stem}_{k + 1:04d}.jpg", f"Bo/Bo_{k + 3:04d}.jpg", False))
    return "\n".join(lines) + "\n", wanted


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize("kind", ["auto", "lfw"])
def test_lfw(tmp_path: Path, kind: str) -> None:
    text, wanted = lfw_text()
    assert plain(read_pair_list(write(tmp_path / "pairs.txt", text), kind)) == wanted
    spaces = text.replace("\t", "  ").replace("\n", " \r\n")
    assert plain(read_pair_list(write(tmp_path / "pairs.txt", spaces), kind)) == wanted


def test_lfw_development_sets_are_dealt_into_ten_folds(tmp_path: Path) -> None:
    text, _ = lfw_text(half=50, folds=1)
    text = text.replace("1\t50", "50", 1)
    pairs = read_pair_list(write(tmp_path / "pairsDevTest.txt", text))
    assert len(pairs) == 100
    for fold in range(10):
        assert [pair.same for pair in pairs[10 * fold : 10 * fold + 10]] == [True] * 5 + [False] * 5


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("10\t3", "10\t4", "line 1 announces 80 pairs, but 60 lines follow"),
        ("10\t3", "10\t0", "line 1 announces 0 pairs, but 60 lines"),
        ("10\t3", "9" * 5000, "line 1: expected the numbers of folds"),
        ("10\t3", "7\t3", "line 1: 7 folds; a .bin has 10"),
        ("10\t3", "Al\t3", "line 1: expected the numbers of folds"),
        ("Al_0\t1\t12\n", "Al_0\t1\tBo\t2\n", "line 2: expected a same-person pair"),
        ("Al_0\t1\tBo\t3\n", "Al_0\t1\t3\n", "line 5: expected a different-person pair"),
        ("Al_9\t3\tBo\t5", "Al_9\tx\tBo\t5", "line 61: neither"),
        ("Al_0\t1\t12\n", "Al_0\t1\n", "line 2: neither"),
    ],
)
def test_lfw_mistakes(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = write(tmp_path / "pairs.txt", lfw_text()[0].replace(old, new, 1))
    with pytest.raises(DataError, match=rf"pairs\.txt: {message}"):
        read_pair_list(path, "lfw")


@pytest.fixture
def cfp(tmp_path: Path) -> Path:
    """CFP's folder with 4 pairs a fold instead of 700."""
    root = tmp_path / "cfp"
    frontal = [f"{n} ../Data/Images/{n:03d}/frontal/01.jpg" for n in range(1, 21)]
    profile = [f"{n} ../Data/Images/{n:03d}/profile/02.jpg" for n in range(1, 21)]
    write(root / "Protocol" / "image_list_F.txt", "\n".join(frontal))
    write(root / "Protocol" / "image_list_P.txt", "\n".join(profile))
    for split in ("FP", "FF"):
        for fold in range(1, 11):
            folder = root / "Protocol" / "Split" / split / f"{fold:02d}"
            write(folder / "same.txt", f"{fold},{fold}\n{fold + 10},{fold + 10}\n")
            write(folder / "diff.txt", f"{fold},{fold + 1}\n{fold + 1},{fold + 10}\n")
    return root


@pytest.mark.parametrize("start", ["", "Protocol"])
def test_cfp(cfp: Path, start: str) -> None:
    for kind, other in (("cfp-fp", "profile/02"), ("cfp-ff", "frontal/01")):
        pairs = plain(read_pair_list(cfp / start, kind))
        assert len(pairs) == 40
        name = "../Data/Images/{:03d}/{}.jpg"
        assert pairs[4:8] == [
            (name.format(2, "frontal/01"), name.format(2, other), True),
            (name.format(12, "frontal/01"), name.format(12, other), True),
            (name.format(2, "frontal/01"), name.format(3, other), False),
            (name.format(3, "frontal/01"), name.format(12, other), False),
        ]


def test_cfp_with_the_other_list_names(cfp: Path) -> None:
    for letter in "FP":
        path = cfp / "Protocol" / f"image_list_{letter}.txt"
        path.rename(path.with_name(f"Pair_list_{letter}.txt"))
    assert len(read_pair_list(cfp, "cfp-fp")) == 40


def test_cfp_mistakes(cfp: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="give --kind cfp-fp"):
        read_pair_list(cfp)
    with pytest.raises(DataError, match="no Split/FP in it; give CFP's Protocol folder"):
        read_pair_list(tmp_path, "cfp-fp")
    same = cfp / "Protocol" / "Split" / "FP" / "03" / "same.txt"
    same.write_text("3,99\n13,13\n")
    with pytest.raises(DataError, match=r"03/same\.txt: line 1: not two numbers of images"):
        read_pair_list(cfp, "cfp-fp")
    same.write_text("3,3\n")
    with pytest.raises(DataError, match="folds of 4, 4, 3, 4"):
        read_pair_list(cfp, "cfp-fp")
    same.unlink()
    with pytest.raises(DataError, match=r"same\.txt: No such file"):
        read_pair_list(cfp, "cfp-fp")
    (cfp / "Protocol" / "image_list_P.txt").write_text("x y\n")
    with pytest.raises(DataError, match=r"image_list_P\.txt: line 1: not an image's number"):
        read_pair_list(cfp, "cfp-fp")
    (cfp / "Protocol" / "image_list_P.txt").unlink()
    with pytest.raises(DataError, match=r"neither image_list_P\.txt nor Pair_list_P\.txt"):
        read_pair_list(cfp, "cfp-fp")


MIXED = [(f"a/{k}.jpg", f"b/{k}.jpg", k % 4 < 2) for k in range(40)]


@pytest.mark.parametrize("header", ["", "a,b,same\n", "image1,image2,label\n"])
def test_csv_keeps_the_order_that_has_folds(tmp_path: Path, header: str) -> None:
    text = header + "".join(f"{a},{b},{int(same)}\n" for a, b, same in MIXED)
    assert plain(read_pair_list(write(tmp_path / "p.csv", text))) == MIXED


@pytest.mark.parametrize("separator", [" ", "\t", ";", ", "])
@pytest.mark.parametrize("words", [("0", "1"), ("-1", "1"), ("False", "TRUE"), ("diff", "same")])
def test_lists_as_agedb_is_spread(tmp_path: Path, separator: str, words: tuple[str, str]) -> None:
    lines = [separator.join((a, b, words[same])) for a, b, same in MIXED]
    assert plain(read_pair_list(write(tmp_path / "agedb_30_pair.txt", "\n".join(lines)))) == MIXED


def test_all_same_first_is_dealt(tmp_path: Path) -> None:
    """In the list's own order the folds would hold one kind alone: 100% accuracy for nothing."""
    lines = [f"{k}.jpg,{k}.jpg,{int(k < 20)}" for k in range(50)]
    pairs = read_pair_list(write(tmp_path / "p.csv", "\n".join(lines)))
    assert sorted(pair.a for pair in pairs) == sorted(f"{k}.jpg" for k in range(50))
    for fold in range(10):
        assert [pair.same for pair in pairs[5 * fold : 5 * fold + 5]] == [True] * 2 + [False] * 3
    assert [pair.a for pair in pairs[:5]] == ["0.jpg", "1.jpg", "20.jpg", "21.jpg", "22.jpg"]


def test_explicit_folds(tmp_path: Path) -> None:
    rows = [(f"{k}.jpg", f"{k}.jpg", int(k < 20), k % 10 + 1) for k in range(40)]
    text = "a,b,same,fold\n" + "".join(f"{a},{b},{s},{f}\n" for a, b, s, f in rows)
    pairs = read_pair_list(write(tmp_path / "p.csv", text))
    assert [pair.a for pair in pairs[:4]] == ["0.jpg", "10.jpg", "20.jpg", "30.jpg"]
    with pytest.raises(DataError, match=r"10 folds of 4 to 5 pairs; a \.bin has ten equal ones"):
        read_pair_list(write(tmp_path / "p.csv", text + "x.jpg,y.jpg,1,4\n"))
    with pytest.raises(DataError, match="1 lines lack the fold"):
        read_pair_list(write(tmp_path / "p.csv", text + "x.jpg,y.jpg,1\n"))
    with pytest.raises(DataError, match="line 42: the fold must be a whole number"):
        read_pair_list(write(tmp_path / "p.csv", text + "x.jpg,y.jpg,1,four\n"))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 70), st.integers(0, 70), st.integers(0, 2**32))
def test_deal_is_a_permutation_with_equal_shares(same: int, different: int, seed: int) -> None:
    pairs = [Pair(str(k), str(k), k < same, "") for k in range(same + different)]
    random.Random(seed).shuffle(pairs)
    if not pairs:
        return
    dealt = deal(pairs)
    assert sorted(dealt) == sorted(pairs)
    assert deal(dealt) == dealt
    sizes = fold_sizes(len(pairs))
    if len(pairs) >= 10:
        assert sizes == [len(test) for _, test in KFold(10).split(np.zeros(len(pairs)))]
    start = 0
    for size in sizes:
        kinds = [pair.same for pair in dealt[start : start + size]]
        assert kinds == sorted(kinds, reverse=True)  # same first
        assert abs(sum(kinds) - size * same / len(pairs)) <= 1
        start += size
    if min(same, different) >= 20:
        assert has_both_kinds_in_each_fold([pair.same for pair in dealt])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no pairs in it"),
        ("a,b,same\n", "no pairs in it"),
        ("a.jpg,b.jpg\n", "line 1: expected two paths and 1"),
        ("a.jpg,b.jpg,2\n", "line 1: expected two paths and 1"),
        ("a.jpg,b.jpg,1\nc.jpg,,0\n", "line 2: expected two paths and 1"),
        ("a.jpg,b.jpg,1\na,b,same person\n", "line 2: expected two paths and 1"),
        ("a.jpg,b.jpg,1,1,1\n", "line 1: expected two paths and 1"),
    ],
)
def test_list_mistakes(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_pair_list(write(tmp_path / "p.csv", text), "list")


def test_unknown_kind_and_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--kind 'cfp' is not known; choose one of auto, lfw"):
        read_pair_list(tmp_path, "cfp")
    with pytest.raises(DataError, match=r"no\.txt: No such file"):
        read_pair_list(tmp_path / "no.txt")


# ---- lists and images → .bin


def jpeg(seed: int, size: int = 112) -> bytes:
    rng = np.random.default_rng(seed)
    return encode_jpeg(rng.integers(0, 256, (size, size, 3), np.uint8), 80)


NAME = (  # as the system gives them, also where their bytes are not UTF-8
    (st.text(max_size=6).map(lambda text: text.encode("utf-8", "ignore")) | st.binary(max_size=6))
    .map(lambda name: name.decode("utf-8", "surrogateescape"))
    .filter(lambda name: name not in ("", ".", "..") and not set(name) & set("/\\\t\n\r\0"))
)
IMAGE = st.builds(lambda person, name: f"{person}/{name}.jpg", NAME, NAME)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(IMAGE, IMAGE, st.booleans()), min_size=10, max_size=15))
def test_a_list_that_we_write_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str, bool]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "written.csv"
    path.write_bytes(list_text(pairs).encode("utf-8", "surrogateescape"))
    read = plain(read_list(path))
    assert [(tidy_name(a), tidy_name(b), same) for a, b, same in read] == pairs


@pytest.mark.parametrize("name", ["=1+2/1.jpg", " a/1.jpg", "'=a/1.jpg"])
def test_a_list_that_we_write_is_safe_in_a_spreadsheet(name: str) -> None:
    assert f"\n./{name},b/1.jpg,1,1\n" in list_text([(name, "b/1.jpg", True)] * 10)


@pytest.mark.parametrize("name", ["a\tb/1.jpg", "a/1\n.jpg", "a\r/1.jpg", "a\\b/1.jpg"])
def test_a_name_that_no_list_can_hold_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="cannot hold a tab, line break or backslash; rename"):
        list_text([("b/1.jpg", name, False)] * 10)


def test_cfp_paths_are_found_wherever_the_tree_was_aligned(cfp: Path, tmp_path: Path) -> None:
    for root in (tmp_path / "r1" / "Data" / "Images", tmp_path / "r2"):
        for n in range(1, 21):
            for name in ("frontal/01.jpg", "profile/02.jpg"):
                path = root / f"{n:03d}" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(jpeg(n))
    for root in ("r1", "r1/Data", "r1/Data/Images", "r2"):
        out = tmp_path / f"{root.replace('/', '_')}.bin"
        assert pack_pairs(cfp, tmp_path / root, out, kind="cfp-fp").pairs == 40
    (tmp_path / "r2" / "007" / "profile" / "02.jpg").rename(tmp_path / "r2" / "02.jpg")
    with pytest.raises(
        DataError, match=r"1 of 40 images are not in .*/007/profile/02.jpg \(line 1\)"
    ):
        pack_pairs(cfp, tmp_path / "r2", tmp_path / "no.bin", kind="cfp-fp")
    assert not (tmp_path / "no.bin").exists()


FIELD = st.one_of(
    st.sampled_from(["10", "1", "0", "a/0.jpg", "same", "", '"', "../x", "\x00", "x" * 300]),
    st.text(max_size=5),
)
LINE = st.tuples(st.sampled_from([",", "\t", " "]), st.lists(FIELD, max_size=5)).map(
    lambda parts: parts[0].join(parts[1])
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(KINDS), st.lists(LINE, max_size=5).map("\n".join), st.booleans())
def test_any_list_raises_user_error_alone(
    tmp_path_factory: pytest.TempPathFactory, kind: str, text: str, headed: bool
) -> None:
    folder = tmp_path_factory.getbasetemp()
    path = folder / "fuzz.txt"
    path.write_bytes(("10 1\n" * headed + text).encode("utf-8", "ignore"))
    with contextlib.suppress(UserError):
        assert read_pair_list(path, kind)
    with contextlib.suppress(UserError):
        pack_pairs(path, folder, folder / "never.bin", kind=kind)
    assert not (folder / "never.bin").exists()
