"""A checkpoint is continued under the conditions it was made under, and only if its files match."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from checkpoints import CONDITIONS, as_schema, save

from arcface_plus.run_directory.resuming import load_fitting
from data_prep.errors import DataError, UserError

CLASSES = "classes-00000-of-00001.safetensors"


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


@pytest.mark.parametrize("name", ["model.safetensors", "training.pt", CLASSES])
@pytest.mark.parametrize("other", [{"step": 2}, {"step": 4, "run_id": "another seed's"}])
def test_files_of_two_checkpoints_are_not_mixed(tmp_path, name, other):
    save(tmp_path / "run", 2)
    good = save(tmp_path / "run", 4)
    shutil.copy(save(tmp_path / "other", **other) / name, good / name)
    with pytest.raises(DataError, match=r"move .*04 away to continue from step_00000002") as caught:
        load_fitting(good, CONDITIONS)
    assert f"{name}: damaged" in str(caught.value)


@pytest.mark.parametrize("name", ["model.safetensors", "training.pt", CLASSES])
def test_damage_names_the_older_good_one_if_there_is_one(tmp_path, name):
    first, second = save(tmp_path, 2), save(tmp_path, 4)
    for checkpoint, advice in ((second, "continue from step_00000002"), (first, "start again")):
        (checkpoint / name).write_bytes((checkpoint / name).read_bytes()[:50])
        with pytest.raises(
            DataError, match=rf"{name}: damaged: has 50 bytes instead of .*{advice}"
        ):
            load_fitting(checkpoint, CONDITIONS)
        (checkpoint / name).unlink()
        with pytest.raises(DataError, match=rf"{name}: no such file.*{advice}"):
            load_fitting(checkpoint, CONDITIONS)


@pytest.mark.parametrize("name", ["model.safetensors", "training.pt"])
@pytest.mark.parametrize("other", [{"step": 2}, {"step": 4, "run_id": "another seed's"}])
def test_without_manifests_files_tell_that_they_belong_together(tmp_path, name, other):
    """Checkpoints of older versions have none."""
    good = as_schema(2, save(tmp_path / "run", 4))
    assert load_fitting(good, CONDITIONS).step == 4
    shutil.copy(as_schema(2, save(tmp_path / "other", **other)) / name, good / name)
    with pytest.raises(DataError, match=r"is of step 2|of different checkpoints"):
        load_fitting(good, CONDITIONS)


@pytest.mark.parametrize(
    "name", ["model.safetensors", "model.json", "training.pt", "manifest.json", CLASSES]
)
def test_every_flipped_bit_is_refused(tmp_path, name):
    """The file is named, and with it the older checkpoint that is good."""
    save(tmp_path, 2)
    file = save(tmp_path, 4) / name
    whole = file.read_bytes()
    for place in range(0, len(whole), max(1, len(whole) // 97)):
        file.write_bytes(
            whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :]
        )
        with pytest.raises(DataError) as caught:
            load_fitting(file.parent, CONDITIONS)
        assert "step_00000004" in str(caught.value)
        if "from a newer version" not in str(caught.value):
            assert str(caught.value).endswith("to continue from step_00000002"), place
    file.write_bytes(whole)
    assert load_fitting(file.parent, CONDITIONS).step == 4


@pytest.mark.parametrize("name", ["model.json", "manifest.json"])
def test_a_missing_file_is_named(tmp_path, name):
    checkpoint = save(tmp_path, 4)
    (checkpoint / name).unlink()
    with pytest.raises(DataError, match=rf"{name}: no such file.*no older checkpoint is good"):
        load_fitting(checkpoint, CONDITIONS)


def test_a_damaged_older_checkpoint_is_not_recommended(tmp_path):
    first, second, third = (save(tmp_path, step) for step in (2, 4, 6))
    for checkpoint in (second, third):
        (checkpoint / "training.pt").write_bytes(b"")
    with pytest.raises(DataError, match="to continue from step_00000002"):
        load_fitting(third, CONDITIONS)
    (first / "model.json").unlink()
    with pytest.raises(DataError, match="no older checkpoint is good"):
        load_fitting(third, CONDITIONS)


def test_a_whole_checkpoint_under_another_steps_name_is_refused(tmp_path):
    checkpoint = save(tmp_path, 4)
    renamed = checkpoint.rename(checkpoint.with_name("step_00000008"))
    with pytest.raises(DataError, match=r"step_00000008: manifest\.json is of step 4"):
        load_fitting(renamed, CONDITIONS)
