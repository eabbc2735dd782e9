"""`data pairs`: what is missing, and what makes accuracy meaningless, is said."""

from __future__ import annotations

import re

import pytest
from command_line import arcface_plus
from image_files import face, tree

from data_prep.pairs import read_pairs

LINES = [(f"a/{k}.jpg", f"b/{k}.jpg", k % 2) for k in range(20)]


@pytest.fixture
def crops(tmp_path):
    names = [name for a, b, _ in LINES for name in (a, b)]
    return tree(tmp_path / "crops", {name: face(k) for k, name in enumerate(names)})


def write(path, lines, head="a,b,same\n"):
    path.write_text(head + "".join(f"{a},{b},{int(same)}\n" for a, b, same in lines))
    return path


def test_a_pair_file(crops, tmp_path, capsys):
    out = tmp_path / "new/x.bin"
    made = arcface_plus(capsys, "data", "pairs", write(tmp_path / "p.csv", LINES), crops, out)
    assert made.status == 0
    assert made.err == ""
    assert "20 pairs (10 same) of 40 images, 40 stored byte for byte, 0 encoded" in made.out
    assert read_pairs(out)[1].tolist() == [bool(same) for *_, same in LINES]


def test_all_missing_images_are_named_with_their_lines(crops, tmp_path, capsys):
    for name in ("a/3.jpg", "b/0.jpg", "a/19.jpg"):
        (crops / name).unlink()
    listed = sorted(LINES, key=lambda line: -line[2])  # same first: dealt into folds when read
    failed = arcface_plus(
        capsys, "data", "pairs", write(tmp_path / "p.csv", listed), crops, tmp_path / "x.bin"
    )
    at = {name: 2 + k for k, line in enumerate(listed) for name in line[:2]}
    failed.assert_one_line(
        "p.csv: 3 of 40 images are not in ",
        f"a/3.jpg (line {at['a/3.jpg']}), a/19.jpg (line {at['a/19.jpg']}), "
        f"b/0.jpg (line {at['b/0.jpg']}); give the folder",
    )
    assert not (tmp_path / "x.bin").exists()


def test_many_missing_images_are_bounded(crops, tmp_path, capsys):
    for k in range(15):
        (crops / f"b/{k}.jpg").unlink()
    words = (write(tmp_path / "p.csv", LINES), crops, tmp_path / "x.bin")
    failed = arcface_plus(capsys, "data", "pairs", *words)
    failed.assert_one_line("15 of 40 images are not in", "b/9.jpg (line 11), and 5 more;")
    assert len(re.findall(r"\(line \d+\)", failed.err)) == 10


def test_a_namesake_higher_up_does_not_stand_in_for_a_missing_image(crops, tmp_path, capsys):
    """A file of the first image's name lies in the root: line 2 is wrong, not line 3."""
    (crops / "a/0.jpg").rename(crops / "0.jpg")
    words = (write(tmp_path / "p.csv", LINES), crops, tmp_path / "x.bin")
    failed = arcface_plus(capsys, "data", "pairs", *words)
    failed.assert_one_line("p.csv: 1 of 40 images are not in ", ": a/0.jpg (line 2); give")


def test_missing_images_of_cfp_name_file_and_line(tmp_path, capsys):
    protocol = tmp_path / "Protocol"
    for letter, pose in (("F", "frontal/01"), ("P", "profile/01")):
        lines = (f"{k} ../Data/Images/{k:03d}/{pose}.jpg\n" for k in range(1, 3))
        tree(protocol, {f"image_list_{letter}.txt": "".join(lines).encode()})
    for fold in range(1, 11):
        folder = protocol / "Split/FP" / f"{fold:02d}"
        tree(folder, {"same.txt": b"1,1\n", "diff.txt": b"1,2\n"})
    root = tree(tmp_path / "crops", {"001/frontal/01.jpg": face(0)})
    words = (protocol, root, tmp_path / "x.bin", "--kind", "cfp-fp")
    failed = arcface_plus(capsys, "data", "pairs", *words)
    failed.assert_one_line(
        "2 of 3 images", "002/profile/01.jpg (", "01/diff.txt: line 1)", "01/same.txt: line 1)"
    )


@pytest.mark.parametrize(("truth", "kind"), [(1, "same"), (0, "different")])
def test_pairs_of_one_kind_are_warned_of(truth, kind, crops, tmp_path, capsys):
    source = write(tmp_path / "p.csv", [(a, b, truth) for a, b, _ in LINES])
    made = arcface_plus(capsys, "data", "pairs", source, crops, tmp_path / "x.bin")
    assert made.status == 0
    assert f"x.bin: all 20 pairs are {kind}, so accuracy means nothing" in made.err
    assert made.err.count("\n") == 1


def test_folds_that_lack_a_kind_are_warned_of(crops, tmp_path, capsys):
    source = write(tmp_path / "p.csv", [(a, b, k == 0) for k, (a, b, _) in enumerate(LINES)])
    made = arcface_plus(capsys, "data", "pairs", source, crops, tmp_path / "x.bin")
    assert "some of the ten folds lack same or different pairs" in made.err


def test_photos_that_are_encoded_are_warned_of(crops, tmp_path, capsys):
    tree(crops, {"a/0.jpg": face(0, 250, 200), "b/0.jpg": face(1, 250)})
    (crops / "a/1.jpg").unlink()
    tree(crops, {"a/1.png": face(2, suffix=".png")})
    words = (write(tmp_path / "p.csv", LINES), crops, tmp_path / "x.bin")
    arcface_plus(capsys, "data", "pairs", *words).assert_one_line("p.csv: line 2", "jpeg 200x250")
    made = arcface_plus(capsys, "data", "pairs", *words, "--encode")
    assert made.status == 0
    assert "37 stored byte for byte, 3 encoded" in made.out
    assert "2 of 40 images were not 112x112 and were cut to a square and resized" in made.err
    assert "run `data align` first" in made.err


@pytest.mark.parametrize("suffix", [".gif", ".tiff", ".avif"])
def test_crops_in_other_formats_need_no_warning(suffix, crops, tmp_path, capsys):
    (crops / "a/0.jpg").unlink()
    tree(crops, {f"a/0{suffix}": face(0, suffix=suffix)})  # the list says .jpg
    words = (write(tmp_path / "p.csv", LINES), crops, tmp_path / "x.bin", "--encode")
    made = arcface_plus(capsys, "data", "pairs", *words)
    assert "39 stored byte for byte, 1 encoded" in made.out
    assert made.err == ""


@pytest.fixture
def people(tmp_path):
    """20 people with three images each."""
    files = {f"p{k:02d}/{i}.jpg": face(3 * k + i) for k in range(20) for i in range(3)}
    return tree(tmp_path / "people", files)


def test_pairs_from_class_folders(people, tmp_path, capsys):
    out = tmp_path / "new/own.bin"
    made = arcface_plus(capsys, "data", "pairs", out, "--from-folders", people)
    assert made.status == 0
    assert made.err == ""
    assert made.out.splitlines() == [
        f"{out}: 120 pairs (60 same) of 60 images, 60 stored byte for byte, 0 encoded",
        "drawn from 20 people, none of them in two folds; same pairs of one person: 3 at most",
        f"list: {tmp_path / 'new/own.csv'}",
    ]
    again = tmp_path / "again.bin"
    made = arcface_plus(capsys, "data", "pairs", tmp_path / "new/own.csv", people, again)
    assert made.status == 0
    assert again.read_bytes() == out.read_bytes()


def test_the_options_of_drawing_count(people, tmp_path, capsys):
    def draw(name, *options):
        words = ("data", "pairs", tmp_path / f"{name}.bin", "--from-folders", people, *options)
        assert arcface_plus(capsys, *words).status == 0
        return (tmp_path / f"{name}.bin").read_bytes()

    assert draw("a", "--pairs", 40) == draw("b", "--pairs", 40, "--seed", 0)
    assert draw("c", "--pairs", 40, "--seed", 1) != draw("d", "--pairs", 40)
    draw("e", "--list", tmp_path / "list.csv")
    assert (tmp_path / "list.csv").read_text().count("\n") == 121
    assert not (tmp_path / "e.csv").exists()


def test_images_that_were_left_out_of_the_draw_are_counted(people, tmp_path, capsys):
    tree(people, {"p00/9.jpg": face(0), "p01/9.jpg": face(3 * 2), "p01/8.jpg": face(3 * 2)})
    made = arcface_plus(capsys, "data", "pairs", tmp_path / "x.bin", "--from-folders", people)
    assert (
        "left out: 1 copies of a person's image, 3 image files that lie in the folders of several "
        "people" in made.out
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--pairs", 30), "--pairs 30 does not make ten folds"),
        (("--pairs", 140), "--pairs 140 is too many: 20 people with two or more images, in ten"),
        (("--pairs", 140), "allow 120"),
        (("--kind", "lfw"), "--kind is for a LIST; leave it out with --from-folders"),
        (("more.bin",), "give OUT.bin alone, without LIST and ROOT"),
        (("--seed", -1), "--seed"),
    ],
)
def test_a_draw_that_cannot_be_is_one_line(words, message, people, tmp_path, capsys):
    out = tmp_path / "x.bin"
    failed = arcface_plus(capsys, "data", "pairs", out, "--from-folders", people, *words)
    failed.assert_one_line(message)
    assert not out.exists()


def test_too_few_people_are_one_line(people, tmp_path, capsys):
    for k in range(3):
        (people / f"p{k:02d}").rename(tmp_path / f"away{k}")
    failed = arcface_plus(capsys, "data", "pairs", tmp_path / "x.bin", "--from-folders", people)
    failed.assert_one_line(f"{people}: ten folds without a common person need 20 people", "are 17")


def test_photos_in_the_folders_are_refused_or_encoded(people, tmp_path, capsys):
    tree(people, {f"p{k:02d}/{i}.jpg": face(k + 60 * i, 250) for k in range(20) for i in range(3)})
    words = ("data", "pairs", tmp_path / "x.bin", "--from-folders", people)
    arcface_plus(capsys, *words).assert_one_line(
        "arcface-plus: " + str(people), ".jpg is jpeg 250x250, not a 112x112 JPEG: align the photos"
    )
    made = arcface_plus(capsys, *words, "--encode")
    assert "0 stored byte for byte, 60 encoded" in made.out
    assert "60 of 60 images were not 112x112" in made.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("p.csv", "x.bin"), "data pairs takes LIST ROOT OUT.bin (see --help); to draw pairs"),
        (("p.csv", "crops", "x.bin", "--pairs", 20), "--pairs is for --from-folders"),
        (("p.csv", "crops", "x.bin", "--seed", 0), "--seed is for --from-folders"),
        (("p.csv", "crops", "x.bin", "--list", "l.csv"), "--list is for --from-folders"),
    ],
)
def test_words_of_the_other_way_are_refused(words, message, capsys):
    arcface_plus(capsys, "data", "pairs", *words).assert_one_line(message)
