"""Who reads only the backbone of a checkpoint learns of damage, and which one to use instead."""

from __future__ import annotations

import pytest
from checkpoints import as_schema, save

from arcface_plus.run_directory.intact import check_model, newest_intact_before
from data_prep.errors import DataError


@pytest.mark.parametrize("name", ["model.safetensors", "model.json"])
def test_damage_of_the_model_is_refused_and_the_older_one_named(tmp_path, name):
    first, second = save(tmp_path, 2), save(tmp_path, 4)
    data = bytearray((second / name).read_bytes())
    data[-5] ^= 1
    (second / name).write_bytes(data)
    with pytest.raises(DataError, match=rf"04/{name}: damaged.*before it is good: .*02$"):
        check_model(second)
    (first / "training.pt").write_bytes(b"")
    with pytest.raises(DataError, match="no older one of it is good"):
        check_model(second)


def test_only_the_model_is_compared(tmp_path):
    checkpoint = save(tmp_path, 4)
    (checkpoint / "training.pt").unlink()
    assert check_model(checkpoint)


def test_checkpoints_of_older_versions_are_read_to_see_whether_they_are_good(tmp_path):
    first, second = as_schema(2, save(tmp_path, 2)), save(tmp_path, 4)
    assert not check_model(first)
    assert newest_intact_before(second) == first
    (first / "model.safetensors").write_bytes(b"no")
    assert newest_intact_before(second) is None


def test_a_folder_of_another_name_has_no_older_ones(tmp_path):
    save(tmp_path, 2)
    best = save(tmp_path, 4).rename(tmp_path / "checkpoints/best")
    assert check_model(best)
    assert newest_intact_before(best) is None
