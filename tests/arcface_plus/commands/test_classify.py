"""`eval classify`: the figures of the run again, and mistakes in one line."""

from __future__ import annotations

import json

import pytest
from classification_runs import classification
from labelled_files import (
    CIFAR_10,
    cifar_10_batches,
    write_class_folders,
    write_imagenet,
    write_mnist,
    write_pickles,
)

from arcface_plus.cli import main
from arcface_plus.training.run import execute


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classify")
    write_pickles(folder / "data", cifar_10_batches(8))
    execute(classification(folder / "data"), folder / "run")
    return folder / "run", folder / "data"


@pytest.fixture
def command(capsys):
    def run(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(["eval", *(str(word) for word in words)])
        captured = capsys.readouterr()
        return int(left.value.code or 0), captured.out, captured.err

    return run


@pytest.mark.parametrize("batch_size", [3, 500])
def test_it_repeats_what_the_run_has_written(trained, command, tmp_path, batch_size):
    run, data = trained
    file = tmp_path / "o.json"
    words = ("classify", "--ckpt", run, "--data", data, "--json", file, "-b", batch_size)
    code, out, _ = command(*words, "--device", "cpu")
    assert code == 0
    assert "top-1" in out
    assert "8 images of 10 classes" in out
    written = json.loads((run / "eval/step_00000004.json").read_text())
    assert json.loads(file.read_text()) == written | {"checkpoint": str(run)}


def test_images_of_any_size_are_scaled_and_cut_as_in_training(command, tmp_path):
    write_imagenet(tmp_path / "data")
    settings = ("data.resize=40", "data.crop=32", "data.augment={pad: 0, area: [0.2, 1.0]}")
    execute(classification(tmp_path / "data", *settings), tmp_path / "run")
    words = ("classify", "-c", tmp_path / "run", "-d", tmp_path / "data", "--device", "cpu")
    code, out, _ = command(*words, "--json", tmp_path / "o.json")
    assert (code, "6 images of 3 classes" in out) == (0, True)
    written = json.loads((tmp_path / "run/eval/step_00000004.json").read_text())
    assert json.loads((tmp_path / "o.json").read_text())["top1"] == written["top1"]
    card = json.loads((tmp_path / "run/model.json").read_text())
    assert (card["input_size"], card["resize"], card["crop"]) == ([32, 32], 40, 32)


def test_the_training_split(trained, command):
    run, data = trained
    _, out, _ = command("classify", "-c", run, "-d", data, "--split", "train")
    assert out.startswith("train: ")
    assert "40 images" in out


def test_other_data_is_refused(trained, command, tmp_path):
    run, _ = trained
    write_mnist(tmp_path / "digits")
    code, _, err = command("classify", "-c", run, "-d", tmp_path / "digits")
    assert code == 2
    assert "images are 28×28, but" in err
    write_class_folders(tmp_path / "other", [*CIFAR_10[:9], "yak"])
    code, _, err = command("classify", "-c", run, "-d", tmp_path / "other")
    assert code == 2
    assert "class 9 is 'yak', but 'truck' in" in err


def test_a_face_command_says_what_the_run_is(trained, command):
    run, data = trained
    (data / "lfw.bin").write_bytes(b"")
    code, _, err = command("verify", "--ckpt", run, "--data", data)
    assert code == 2
    assert "is of a classification run" in err
    assert "eval classify" in err
    assert len(err.strip().splitlines()) == 1
