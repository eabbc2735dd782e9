"""Rows saved by any number of processes are read by any number, bit for bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from arcface_plus.models.shards import Shards
from arcface_plus.run_directory.class_files import ClassRows, read_rows
from arcface_plus.run_directory.manifest import (
    Content,
    Manifest,
    UnusableState,
    write_manifest,
)
from arcface_plus.run_directory.tensor_file import write_tensors


def whole(rows: int) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(rows)
    return {
        "classifier.weight": torch.randn(rows, 6, generator=draw),
        "optimizer.4.momentum_buffer": torch.randn(rows, 6, generator=draw),
        "regularizer._extra_state.candidates": torch.randint(99, (rows, 3), generator=draw),
        "regularizer._extra_state.drift": torch.randn(rows, generator=draw).bfloat16(),
        "regularizer._extra_state.counted": torch.arange(rows) % 3 == 0,
    }


def saved(folder: Path, rows: int, count: int) -> list[str]:
    """The files that `count` processes write, with their manifest."""
    files: dict[str, Content] = {}
    for rank in range(count):
        shards = Shards(rows, rank, count)
        own = {name: tensor[shards.own] for name, tensor in whole(rows).items()}
        files |= ClassRows(shards, own).write(folder, "run step 1")
    write_manifest(folder, Manifest(1, "run", files, rows))
    return sorted(files)


@pytest.mark.parametrize("rows", [5, 11])
@pytest.mark.parametrize("savers", [1, 2, 3, 4])
@pytest.mark.parametrize("loaders", [1, 2, 3, 4])
def test_each_process_gets_its_rows(tmp_path, rows, savers, loaders):
    expected = whole(rows)
    saved(tmp_path, rows, savers)
    for rank in range(loaders):
        own = Shards(rows, rank, loaders).own
        found = read_rows(tmp_path, own)
        assert found.keys() == expected.keys()
        for name, tensor in found.items():
            assert tensor.dtype == expected[name].dtype
            assert torch.equal(tensor, expected[name][own]), name
    everything = read_rows(tmp_path)
    assert all(torch.equal(everything[name], expected[name]) for name in expected)


def test_only_the_files_with_the_rows_are_opened(tmp_path):
    first, second, third = saved(tmp_path, 11, 3)
    (tmp_path / first).write_bytes(b"")
    (tmp_path / third).unlink()
    assert torch.equal(
        read_rows(tmp_path, slice(4, 8))["classifier.weight"], whole(11)["classifier.weight"][4:8]
    )
    with pytest.raises(UnusableState, match=f"{third}: no such file"):
        read_rows(tmp_path, slice(4, 9))
    with pytest.raises(UnusableState, match=rf"{first}: not readable as \.safetensors"):
        read_rows(tmp_path, slice(3, 5))
    assert second.startswith("classes-00001-of-00003")


def test_a_process_without_rows_writes_no_file(tmp_path):
    names = [f"classes-{rank:05d}-of-00004.safetensors" for rank in range(3)]
    assert saved(tmp_path, 5, 4) == names
    assert sorted(file.name for file in tmp_path.glob("classes*")) == names


def test_files_say_what_they_hold(tmp_path):
    from safetensors import safe_open

    names = saved(tmp_path, 5, 2)
    with safe_open(tmp_path / names[1], "pt") as file:
        assert file.metadata() == {"checkpoint": "run step 1", "rows": "3 to 4", "of_rows": "5"}


def test_a_tensor_that_a_part_lacks_is_not_read_as_a_shorter_one(tmp_path):
    names = saved(tmp_path, 4, 2)
    write_tensors(tmp_path / names[1], {"classifier.weight": whole(4)["classifier.weight"][2:]})
    with pytest.raises(UnusableState, match="is not in all of the classes files"):
        read_rows(tmp_path)


def test_rows_that_do_not_fit_the_shards_are_our_error(tmp_path):
    with pytest.raises(AssertionError, match="has 3 rows"):
        ClassRows(Shards(4, 0, 2), {"w": torch.zeros(3, 2)}).write(tmp_path, "")


def test_what_has_no_rows_apart_is_refused(tmp_path):
    for schema in (None, 1):
        if schema:
            write_manifest(tmp_path, Manifest(1, "run", {}, schema=1))
        with pytest.raises(UnusableState, match="does not say where the class weights are"):
            read_rows(tmp_path)
