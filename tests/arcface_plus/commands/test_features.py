"""`features`: from runs to a picture and an .npz; what is refused, in one line."""

from __future__ import annotations

import numpy as np
import pytest
from classification_runs import classification
from labelled_files import write_mnist

from arcface_plus.cli import main
from arcface_plus.training.run import execute


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("features")
    write_mnist(folder / "data", train=120, test=23)
    few = "data.imbalance={classes: [3], keep: 2}"
    execute(classification(folder / "data", few, name="mnist_2d"), folder / "run")
    execute(classification(folder / "data", name="mnist_2d"), folder / "even")
    wide = "model.backbone={name: cnn6, width: 2, embedding_dim: 3}"
    execute(classification(folder / "data", wide, name="mnist_2d"), folder / "wide")
    return folder


@pytest.fixture
def command(capsys):
    def run(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(["features", *(str(word) for word in words)])
        captured = capsys.readouterr()
        return int(left.value.code or 0), captured.out, captured.err

    return run


def test_two_runs_as_picture_and_points(trained, command, tmp_path):
    code, out, _ = command("-c", trained / "run", "-c", trained / "even", "-d", trained / "data",
                           "--png", tmp_path / "f.png", "--npz", tmp_path / "f.npz",
                           "--device", "cpu")  # fmt: skip
    assert code == 0
    first, second = out.splitlines()
    assert "error of rare class: 3 " in first
    assert "largest error" in second
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")
    with np.load(tmp_path / "f.npz") as arrays:
        assert arrays["features"].shape == (2, 23, 2)
        assert not np.array_equal(*arrays["features"])


def test_a_checkpoint_knows_the_rare_class_of_its_run(trained, command, tmp_path):
    last = trained / "run/checkpoints/step_00000004"
    _, out, _ = command("-c", last, "-d", trained / "data", "--npz", tmp_path / "f.npz")
    assert "error of rare class: 3 " in out


def test_mistakes_are_one_line(trained, command, tmp_path):
    data, png = ("-d", trained / "data"), ("--png", tmp_path / "f.png")
    for words, said in (
        (("-c", trained / "run", *data), "nothing to write: give --png"),
        (("-c", trained / "run", *data, "--png", tmp_path / "f.jpg"), "--png needs a .png"),
        (("-c", trained / "wide", *data, *png), "has 3 features, only two can be drawn"),
        (("-c", tmp_path / "gone", *data, *png), "no such run or checkpoint"),
    ):
        code, _, err = command(*words)
        assert (code, len(err.strip().splitlines())) == (2, 1)
        assert said in err
    assert not (tmp_path / "f.png").exists()
