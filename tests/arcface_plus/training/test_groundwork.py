"""Checks before a run begins: pair files, and images shared with the training set."""

from __future__ import annotations

import pytest

from arcface_plus.config.tree import load
from arcface_plus.data.sources import open_source
from arcface_plus.training.groundwork import channels_last, lay_groundwork, target_files
from data_prep.errors import UserError
from data_prep.image_sets import open_image_set
from data_prep.pairs import read_pairs, write_pairs


def config(train, *settings: str):
    return load("smoke", [f"data.train={train}", "data.batch_size=8", *settings])


def test_a_run_without_problems(synthetic, capsys):
    ground = lay_groundwork(config(synthetic))
    assert ground.material.shared_images == {"synth_frontal": 0}
    assert ground.conditions.data_digest == open_source(synthetic).digest()
    assert (ground.conditions.classes, ground.conditions.samples) == (
        ground.source.classes,
        len(ground.source),
    )
    assert ground.conditions.precision == "fp32"
    assert capsys.readouterr().err == ""


def test_images_of_a_target_in_the_training_set_are_reported(synthetic, tmp_path, capsys):
    images, same = read_pairs(synthetic / "synth_frontal.bin")
    train = open_image_set(synthetic)
    images[0], images[1], images[9] = train.read(3), train.read(5), train.read(3)
    write_pairs(tmp_path / "synth_frontal.bin", images, same)
    ground = lay_groundwork(config(synthetic, f"eval.data={tmp_path}"))
    assert ground.material.shared_images == {"synth_frontal": 2}
    told = capsys.readouterr().err
    assert f"synth_frontal: 2 of its {len(set(images))} images are also in the training set" in told
    assert "data check --against" in told


def test_pair_files_are_found_next_to_the_training_data(synthetic, tmp_path):
    for train in (synthetic, synthetic / "train.rec"):
        found = target_files(config(train))
        assert found == {"synth_frontal": synthetic / "synth_frontal.bin"}
    with pytest.raises(UserError, match="no such pair file for target 'lfw'"):
        target_files(config(synthetic, "eval.targets=[lfw]"))
    write_pairs(tmp_path / "few.bin", [b"x"] * 2, [True])
    with pytest.raises(UserError, match=r"few\.bin"):
        target_files(config(synthetic, "eval.targets=[few]", f"eval.data={tmp_path}"))


@pytest.mark.parametrize(("setting", "on"), [("auto", True), ("true", True), ("false", False)])
def test_channels_last(setting, on):
    assert channels_last(load("smoke", [f"runtime.channels_last={setting}"])) is on
