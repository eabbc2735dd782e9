"""Class folders as people: each with images that differ, and that are theirs alone."""

from __future__ import annotations

import pytest
from image_files import face, tree

from data_prep.errors import DataError
from data_prep.people import read_people

FILES = {f"{who}/{k}.jpg": face(10 * n + k) for n, who in enumerate("bca") for k in (2, 1)}


def test_people_and_their_images_in_the_order_of_names(tmp_path):
    root = tree(
        tmp_path, {**FILES, "b/deep/er/0.jpg": face(99), "b/notes.txt": b"", "d/e.txt": b""}
    )
    people = read_people(root)
    assert list(people.images.items()) == [
        ("a", ["a/1.jpg", "a/2.jpg"]),
        ("b", ["b/1.jpg", "b/2.jpg", "b/deep/er/0.jpg"]),
        ("c", ["c/1.jpg", "c/2.jpg"]),
    ]
    assert (people.copies, people.shared) == (0, 0)


def test_the_order_of_the_file_system_does_not_count(tmp_path):
    forward = tree(tmp_path / "f", FILES)
    backward = tree(tmp_path / "b", dict(reversed(FILES.items())))
    assert list(read_people(forward).images.items()) == list(read_people(backward).images.items())


def test_copies_count_once(tmp_path):
    root = tree(tmp_path, {**FILES, "a/0.jpg": FILES["a/2.jpg"], "a/x/9.jpg": FILES["a/2.jpg"]})
    people = read_people(root)
    assert people.images["a"] == ["a/0.jpg", "a/1.jpg"]
    assert (people.copies, people.shared) == (2, 0)


def test_an_image_of_several_people_is_nobodys(tmp_path):
    """Copies in one of the folders do not make it theirs; a person of such images alone is gone."""
    taken = FILES["a/1.jpg"]
    root = tree(tmp_path, {**FILES, "c/7.jpg": taken, "c/8.jpg": taken, "z/1.jpg": taken})
    people = read_people(root)
    assert people.images["a"] == ["a/2.jpg"]
    assert people.images["c"] == ["c/1.jpg", "c/2.jpg"]
    assert "z" not in people.images
    assert (people.copies, people.shared) == (0, 4)


def test_progress_reaches_the_number_of_files(tmp_path):
    calls: list[tuple[int, int]] = []
    read_people(tree(tmp_path, FILES), lambda done, total: calls.append((done, total)))
    assert calls[-1] == (6, 6)


def test_what_is_no_folder_of_people_is_refused(tmp_path):
    with pytest.raises(DataError, match="none: no such folder of class folders"):
        read_people(tmp_path / "none")
    root = tree(tmp_path / "flat", {"1.jpg": face(0)})
    with pytest.raises(DataError, match=r"1\.jpg: an image in no class folder"):
        read_people(root)
    root = tree(tmp_path / "dangling", FILES)
    (root / "a/3.jpg").symlink_to("nowhere.jpg")
    with pytest.raises(DataError, match=r"a/3\.jpg: No such file"):
        read_people(root)
