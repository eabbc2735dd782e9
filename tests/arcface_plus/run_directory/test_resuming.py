"""A checkpoint is continued under the conditions it was made under, and only if its files match."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from checkpoints import CONDITIONS, save

from arcface_plus.run_directory.resuming import load_fitting
from data_prep.errors import DataError, UserError


def test_a_checkpoint_that_fits_is_loaded(tmp_path):
    assert load_fitting(save(tmp_path, 4), CONDITIONS).step == 4


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"classes": 4}, "was trained on 9 images of 3 classes, data.train has 9 of 4"),
        ({"samples": 8}, "was trained on 9 images of 3 classes, data.train has 8 of 3"),
        ({"data_digest": "e"}, "holds other images, labels or another order"),
        ({"precision": "bf16"}, r"runtime\.precision fp32, .* bf16.*set runtime\.precision=fp32"),
        ({"channels_last": False}, r"runtime\.channels_last True, .*continue with False"),
    ],
)
def test_other_conditions_are_refused(tmp_path, changed, said):
    with pytest.raises(UserError, match=f"{said}.*use --fresh or another --out"):
        load_fitting(save(tmp_path, 4), replace(CONDITIONS, **changed))


def test_what_a_checkpoint_of_schema_1_does_not_say_is_not_compared(tmp_path):
    unknown = {"run_id": "", "data_digest": "", "precision": "", "channels_last": None}
    assert load_fitting(save(tmp_path, 4, **unknown), CONDITIONS).step == 4


@pytest.mark.parametrize("name", ["model.safetensors", "training.pt"])
@pytest.mark.parametrize("other", [{"step": 2}, {"step": 4, "run_id": "another seed's"}])
def test_files_of_two_checkpoints_are_not_mixed(tmp_path, name, other):
    save(tmp_path / "run", 2)
    good = save(tmp_path / "run", 4)
    shutil.copy(save(tmp_path / "other", **other) / name, good / name)
    with pytest.raises(DataError, match=r"move .*04 away to continue from step_00000002") as caught:
        load_fitting(good, CONDITIONS)
    assert "is of step 2" in str(caught.value) or "of different checkpoints" in str(caught.value)


@pytest.mark.parametrize("name", ["model.safetensors", "training.pt"])
def test_damage_names_the_older_good_one_if_there_is_one(tmp_path, name):
    first, second = save(tmp_path, 2), save(tmp_path, 4)
    for checkpoint, advice in ((second, "continue from step_00000002"), (first, "start again")):
        (checkpoint / name).write_bytes((checkpoint / name).read_bytes()[:50])
        with pytest.raises(DataError, match=rf"{name}: .*readable.*{advice}"):
            load_fitting(checkpoint, CONDITIONS)
        (checkpoint / name).unlink()
        with pytest.raises(DataError, match=rf"{name}: no such file.*{advice}"):
            load_fitting(checkpoint, CONDITIONS)
