"""Lists of images: paths, labels, order of the classes, and the line of each mistake."""

from __future__ import annotations

from pathlib import Path

import pytest
from image_files import class_names, contents, face, tree

from data_prep.errors import DataError
from data_prep.image_lists import class_folders, list_file
from data_prep.pack import pack


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("i/0.jpg\tanna\ni/1.jpg\tbob\n\ni/2.jpg\tbob\n", [(0, 0), (1, 1, 2), ("anna", "bob")]),
        ("i/0.jpg,bob\ni/1.jpg,anna\ni/2.jpg,bob\n", [(0, 0, 2), (1, 1), ("bob", "anna")]),
        ("path,label\ni/0.jpg,1\n./i/1.jpg,0\n", [(0, 1), (1, 0), ("0", "1")]),
        ("i/2.jpg 10\ni/1.jpg 2\ni/0.jpg 2\n", [(0, 1, 0), (1, 2), ("2", "10")]),
        ("i/a b.jpg 7\n", [(0, 3), ("7",)]),
        ('"i/a, b.jpg",7\n', [(0, 4), ("7",)]),
        ("\ufeffi/0.jpg;x y\n", [(0, 0), ("x y",)]),
        (  # beyond 2^31, 2^53 and 2^63
            "i/0.jpg 9223372036854775809\ni/1.jpg 4294967296\n"
            "i/2.jpg 20\ni/0.jpg 9007199254740993\n",
            [
                (0, 2),
                (1, 1),
                (2, 0),
                (3, 0),
                ("20", "4294967296", "9007199254740993", "9223372036854775809"),
            ],
        ),
        ("i/plain 1\ni/0.jpg 1\n", [(0, 5, 0), ("1",)]),
    ],
)
def test_list_files(tmp_path: Path, text: str, expected: list[tuple[object, ...]]) -> None:
    images = [face(k) for k in range(6)]
    files = dict(
        zip(
            ["i/0.jpg", "i/1.jpg", "i/2.jpg", "i/a b.jpg", "i/a, b.jpg", "i/plain"],
            images,
            strict=True,
        )
    )
    tree(tmp_path, files)
    (tmp_path / "list.txt").write_text(text, encoding="utf-8")
    pack(tmp_path / "list.txt", tmp_path / "out")
    *classes, wanted = expected
    assert contents(tmp_path / "out") == [
        (label, images[k]) for label, *members in classes for k in members
    ]
    assert tuple(class_names(tmp_path / "out").values()) == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("i/0.jpg\t1\ni/none.jpg\t1\n", r"list.txt: line 2: .*none.jpg: No such file"),
        ("i/0.jpg\t1\ni/0.jpg\n", r"list.txt: line 2: expected a path and a label"),
        ("i/0.jpg\t1\ni/0.jpg\t2\t3\n", r"list.txt: line 2: expected"),
        ("i/0.jpg\t1\nbad\0name.jpg\t1\n", r"list.txt: line 2: expected"),
        ("i/0.jpg\t7\ni/0.jpg\t007\n", r"list.txt: one label is written in two ways"),
        ("", r"list.txt: no images in it"),
        ("x" * 70000, r"list.txt: line 1 is over 64 KiB"),
        ("i/broken.jpg\t1\n", r"line 1: .*broken.jpg: truncated JPEG .*data check"),
        ("i/empty.jpg\t1\n", r"line 1: .*empty.jpg: empty"),
    ],
)
def test_list_mistakes_name_the_line(tmp_path: Path, text: str, message: str) -> None:
    tree(tmp_path, {"i/0.jpg": face(0), "i/broken.jpg": face(1)[:-2], "i/empty.jpg": b""})
    (tmp_path / "list.txt").write_text(text)
    with pytest.raises(DataError, match=message) as error:
        pack(tmp_path / "list.txt", tmp_path / "out")
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "out").glob("**/*"))


def test_a_mistake_in_a_list_of_mixed_classes_names_its_line(tmp_path: Path) -> None:
    tree(tmp_path, {"0.jpg": face(0)})
    (tmp_path / "list.txt").write_text("0.jpg 5\n\n0.jpg 3\nnone.jpg 4\n")
    with pytest.raises(DataError, match=r"list.txt: line 4: .*none.jpg: No such file"):
        pack(tmp_path / "list.txt", tmp_path / "out")


def listed(path: Path, root: Path | None = None) -> list[tuple[str, str]]:
    """Class name and path of each image, in order."""
    found = list_file(path, root)
    return [(found.names[label], Path(file).as_posix()) for label, file, _ in found.images()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0\t1.000000\tb 1.jpg\n5\t0.000000\ta.jpg\n", [("0", "a.jpg"), ("1", "b 1.jpg")]),
        ("0\t7\t0.5\t0.25\tdeep/a.jpg\n", [("7", "deep/a.jpg")]),  # --pack-label: several labels
        ("1\t/x/a.jpg\t12\n1\t/x/b.jpg\t9\n", [("9", "/x/b.jpg"), ("12", "/x/a.jpg")]),
        ("0\t4294967297.000000\ta.jpg\n", [("4294967297", "a.jpg")]),
    ],
)
def test_lists_of_im2rec(tmp_path: Path, text: str, expected: list[tuple[str, str]]) -> None:
    (tmp_path / "train.lst").write_text(text)
    assert listed(tmp_path / "train.lst", Path()) == expected
    inside = [(name, str(tmp_path / file)) for name, file in expected]
    assert listed(tmp_path / "train.lst") == inside


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0\t1\n", "line 1: expected an index, a label and a path"),
        ("0 1 a.jpg\n", "line 1: expected an index, a label and a path"),
        ("0\t1\ta.jpg\nx\t1\ta.jpg\n", "line 2: expected an index, a label and a path"),
        ("0\t0.5\ta.jpg\n", "line 1: label '0.5' is not a class"),
        ("0\t-1\ta.jpg\n", "line 1: label '-1' is not a class"),
        ("0\tanna\ta.jpg\n", "line 1: label 'anna' is not a class"),
    ],
)
def test_mistakes_in_lists_of_im2rec(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "train.lst").write_text(text)
    with pytest.raises(DataError, match=message):
        list_file(tmp_path / "train.lst")


def test_class_folders_are_walked_anew_each_time(tmp_path: Path) -> None:
    tree(tmp_path, {"b/1.jpg": b"", "a/x/2.gif": b"", "a/notes.txt": b"", "c/3.tiff": b""})
    folders = class_folders(tmp_path)
    assert (folders.names, folders.total, folders.other_files) == (["a", "b", "c"], 3, 1)
    for _ in range(2):
        labels = [label for label, _, _ in folders.images()]
        assert labels == [0, 1, 2]
