"""Images leave a .rec or .bin with their bytes, labels and names, and can be packed again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from image_files import class_names, contents, face, tree

from data_prep.errors import DataError, UserError
from data_prep.extract import extract
from data_prep.pack import pack
from data_prep.pack_pairs import pack_pairs
from data_prep.pairs import read_pairs, write_pairs
from data_prep.recordio import RecordWriter


def test_extract_and_pack_again(tmp_path: Path) -> None:
    files = {f"src/{name}/{k}.jpg": face(k) for name in ("anna", "b b") for k in range(3)}
    files["src/anna/9.jpg"] = face(9)
    tree(tmp_path, files)
    pack(tmp_path / "src", tmp_path / "set")
    done = extract(tmp_path / "set", tmp_path / "files")
    assert (done.images, done.files, done.classes) == (7, 7, 2)
    assert (tmp_path / "files/anna/000004.jpg").read_bytes() == face(9)
    lines = (tmp_path / "files/images.tsv").read_text().splitlines()
    assert lines[0] == "anna/000001.jpg\tanna"
    assert lines[-1] == "b b/000007.jpg\tb b"
    for k, source in enumerate((tmp_path / "files", tmp_path / "files/images.tsv")):
        pack(source, tmp_path / f"again{k}")
        assert (tmp_path / f"again{k}/train.rec").read_bytes() == (
            tmp_path / "set/train.rec"
        ).read_bytes()
        assert class_names(tmp_path / f"again{k}") == {"0": "anna", "1": "b b"}


@pytest.mark.parametrize(
    "odd", ["../evil", "/etc/x", "", ".", "..", "a\nb", 'b"c', "x" * 300, "=1+1", "-rf", "m"]
)
def test_only_a_class_with_an_odd_name_gets_a_number(tmp_path: Path, odd: str) -> None:
    (tmp_path / "set").mkdir()
    with RecordWriter(tmp_path / "set/train.rec") as writer:
        for key, label in enumerate([2.0, 0.0, 7.0, 9.0]):
            writer.write(key, face(key), [label, 1.0])
    text = json.dumps({"0": "k", "2": odd, "7": "z", "9": "m"})
    (tmp_path / "set/labels.json").write_text(text)
    done = extract(tmp_path / "set/train.rec", tmp_path / "out")
    assert (done.classes, done.in_order) == (4, False)
    folders = {p.name for p in (tmp_path / "out").iterdir() if p.is_dir()}
    m = "000009" if odd == "m" else "m"  # no two classes in one folder
    assert folders == {"k", "000002", "z", m}
    assert (tmp_path / "out/000002/000000.jpg").read_bytes() == face(0)
    pack(tmp_path / "out/images.tsv", tmp_path / "packed")  # in the order of the classes
    assert list(class_names(tmp_path / "packed").values()) == ["k", "000002", "z", m]


def test_numbers_as_names_come_back_in_their_order(tmp_path: Path) -> None:
    """Packed from folders 1, 10, 2 sort as text; a list of them would sort by value."""
    tree(tmp_path, {f"src/{name}/1.jpg": face(int(name)) for name in ("1", "2", "10")})
    pack(tmp_path / "src", tmp_path / "set")
    assert extract(tmp_path / "set", tmp_path / "out").in_order
    for k, source in enumerate((tmp_path / "out", tmp_path / "out/images.tsv")):
        pack(source, tmp_path / f"again{k}")
        assert contents(tmp_path / f"again{k}") == contents(tmp_path / "set")


def test_names_in_another_order_are_kept(tmp_path: Path) -> None:
    tree(tmp_path, {f"{name}.jpg": face(k) for k, name in enumerate("cab")})
    (tmp_path / "list.txt").write_text("c.jpg carl\na.jpg anna\nb.jpg bob\n")
    pack(tmp_path / "list.txt", tmp_path / "set")
    done = extract(tmp_path / "set", tmp_path / "out")
    assert not done.in_order
    assert (tmp_path / "out/carl/000001.jpg").read_bytes() == face(0)
    pack(done.list, tmp_path / "again")
    assert contents(tmp_path / "again") == contents(tmp_path / "set")
    assert class_names(tmp_path / "again") == class_names(tmp_path / "set")


def test_broken_labels_json(tmp_path: Path) -> None:
    tree(tmp_path, {"src/a/x.jpg": face(0)})
    pack(tmp_path / "src", tmp_path / "set")
    (tmp_path / "set/labels.json").write_text("[1]")
    with pytest.raises(DataError, match=r"labels.json: it maps no class indices"):
        extract(tmp_path / "set/train.rec", tmp_path / "out")


def test_extract_pairs(tmp_path: Path) -> None:
    images = [face(k, suffix=".png" if k == 2 else ".jpg") for k in (0, 1, 0, 2)] * 5
    write_pairs(tmp_path / "a.bin", images, [True, False] * 5)
    done = extract(tmp_path / "a.bin", tmp_path / "out")
    assert (done.images, done.files, done.pairs) == (20, 3, 10)
    lines = (tmp_path / "out/pairs.csv").read_text().splitlines()
    assert lines[:3] == ["a,b,same,fold", "01.jpg,02.jpg,1,1", "01.jpg,03.png,0,2"]
    assert (tmp_path / "out/03.png").read_bytes() == images[3]


def test_extracted_pairs_are_packed_again_unchanged(tmp_path: Path) -> None:
    images = [face(k % 7) for k in range(50)]
    write_pairs(tmp_path / "a.bin", images, [k % 2 == 0 for k in range(25)])
    extract(tmp_path / "a.bin", tmp_path / "out")
    pack_pairs(tmp_path / "out/pairs.csv", tmp_path / "out", tmp_path / "b.bin")
    assert read_pairs(tmp_path / "b.bin")[0] == images
    assert read_pairs(tmp_path / "b.bin")[1].tolist() == [k % 2 == 0 for k in range(25)]


def test_extract_mistakes(tmp_path: Path) -> None:
    tree(tmp_path, {"src/a/x.jpg": face(0), "full/x": b""})
    with pytest.raises(DataError, match="is a folder of images already"):
        extract(tmp_path / "src", tmp_path / "out")
    pack(tmp_path / "src", tmp_path / "set")
    with pytest.raises(UserError, match="is there already and not empty"):
        extract(tmp_path / "set", tmp_path / "full")
    data = (tmp_path / "set/train.rec").read_bytes()
    (tmp_path / "set/train.rec").write_bytes(data[:200])
    with pytest.raises(DataError, match="record 1 at byte 40 is broken"):
        extract(tmp_path / "set", tmp_path / "out")
    assert not (tmp_path / "out/images.tsv").exists()


def test_real_set_comes_back(real_data: Path, tmp_path: Path) -> None:
    extract(real_data / "cfp_train", tmp_path / "files")
    pack(tmp_path / "files", tmp_path / "set")
    assert contents(tmp_path / "set") == contents(real_data / "cfp_train")
