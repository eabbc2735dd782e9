"""`data check`: findings on the terminal and in a CSV file, exit status, repair."""

from __future__ import annotations

import csv

import pytest
import torch
from command_line import arcface_plus
from image_files import face, tree

from data_prep.pairs import write_pairs


@pytest.fixture
def crops(tmp_path):
    return tree(tmp_path / "crops", {f"person {k // 3}/{k}.jpg": face(k) for k in range(6)})


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_findings_and_repair(crops, tmp_path, capsys):
    tree(crops, {f"person 1/again{k:02d}.jpg": face(4) for k in range(12)})
    arcface_plus(capsys, "data", "pack", crops, tmp_path / "set")
    write_pairs(tmp_path / "lfw.bin", [face(1), face(2)], [True])
    checked = arcface_plus(
        capsys, "data", "check", tmp_path / "set", "--against", tmp_path / "lfw.bin",
        "--csv", tmp_path / "f.csv", "--repair", tmp_path / "repaired",
    )  # fmt: skip
    assert checked.status == 2
    assert "duplicate: 12 · " in checked.out
    assert "… and 2 more (--csv FILE lists all)" in checked.out
    assert "leak: 2 · " in checked.out
    assert "4 images of 2 classes; 14 left out" in checked.out
    assert len(rows(tmp_path / "f.csv")) == 14
    assert rows(tmp_path / "f.csv")[-1]["kind"] == "leak"
    words = (tmp_path / "repaired", "--against", tmp_path / "lfw.bin")
    again = arcface_plus(capsys, "data", "check", *words)
    assert again.status == 0
    assert "nothing is wrong" in again.out


def test_a_group_under_two_labels_is_listed_once(tmp_path, capsys):
    source = tree(tmp_path / "src", {f"{name}/{k}.jpg": face(k) for name in "abc" for k in (1, 2)})
    checked = arcface_plus(capsys, "data", "check", source, "--csv", tmp_path / "f.csv")
    assert "two labels: 6 · " in checked.out
    assert checked.out.count("a/1.jpg (label 0), b/1.jpg (label 1), c/1.jpg (label 2)") == 1
    assert checked.out.count("(label 0)") == 2
    assert [row["image"] for row in rows(tmp_path / "f.csv")] == [
        "a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg", "c/1.jpg", "c/2.jpg",
    ]  # fmt: skip


def test_names_of_other_bytes_and_formulas_in_the_csv(tmp_path, capsys):
    name = b"an\xe9".decode("utf-8", "surrogateescape")
    files = {f"{folder}/{k}.jpg": face(ord(folder[0])) for folder in (name, "=x") for k in (1, 2)}
    source = tree(tmp_path / "src", files)
    checked = arcface_plus(capsys, "data", "check", source, "--csv", tmp_path / "f.csv")
    assert checked.status == 2
    assert "an\\xe9/2.jpg: the same bytes" in checked.out
    found = rows(tmp_path / "f.csv")
    assert [row["image"] for row in found] == ["'=x/2.jpg", "an\\xe9/2.jpg"]
    assert found[0]["what"].startswith("'=x/2.jpg: the same bytes as")


def test_pairs_of_one_kind(tmp_path, capsys):
    write_pairs(tmp_path / "a.bin", [face(k) for k in range(40)], [True] * 20)
    checked = arcface_plus(capsys, "data", "check", tmp_path / "a.bin")
    assert checked.status == 2
    assert "one kind: 1 · all pairs are marked alike: accuracy on them means nothing" in checked.out
    assert "all 20 pairs are marked same" in checked.out


def test_mistakes(tmp_path, capsys):
    arcface_plus(capsys, "data", "check", tmp_path / "none.bin").assert_one_line("none.bin")
    torch.save(torch.nn.Linear(2, 2), tmp_path / "model.bin")
    said = arcface_plus(capsys, "data", "check", tmp_path / "model.bin")
    said.assert_one_line("model.bin: a zip archive, such as torch.save writes, not a pair file")
    (tmp_path / "evil.bin").write_bytes(b"\x80\x04c\x1b[31mos\nsystem\n.")
    said = arcface_plus(capsys, "data", "check", tmp_path / "evil.bin")
    said.assert_one_line("wants to use \\x1b[31mos.system")
