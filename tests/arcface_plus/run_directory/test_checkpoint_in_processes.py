"""Several processes write one checkpoint: all of it, or none of it and one error in each."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from checkpoints import CARD, CONDITIONS, training
from processes import in_processes

from arcface_plus.models.shards import Shards
from arcface_plus.run_directory import checkpoint as module
from arcface_plus.run_directory.checkpoint import Checkpoints
from arcface_plus.run_directory.class_files import WEIGHT, ClassRows, read_rows
from arcface_plus.run_directory.intact import check_checkpoint
from arcface_plus.run_directory.resuming import load_fitting
from arcface_plus.runtime import Processes
from data_prep.errors import DataError

ROWS = 5
NOW = replace(CONDITIONS, classes=ROWS)


def weight(step: int) -> torch.Tensor:
    return torch.arange(2.0 * ROWS).view(ROWS, 2) + step


def save(run: Path, step: int, processes: Processes, sharded: bool = True) -> Path:
    shards = Shards(ROWS, processes.rank, processes.count) if sharded else Shards(ROWS)
    writes = sharded or processes.first
    rows = ClassRows(shards, {WEIGHT: weight(step)[shards.own]} if writes else {})
    backbone = {"fc.weight": torch.full((2, 2), float(step))}
    state = training(step, classes=ROWS)
    return Checkpoints(run, keep=1).save(state, rows, backbone, CARD.at(step), processes)


def save_twice(rank: int, run: Path, count: int, sharded: bool) -> None:
    for step in (2, 4, 4):
        save(run, step, Processes(rank, count), sharded)


@pytest.mark.parametrize(("count", "sharded", "files"), [(2, True, 2), (4, True, 3), (2, False, 1)])
def test_each_process_writes_its_rows(tmp_path, count, sharded, files):
    """Of four processes the last has no row; replicated rows are written once."""
    in_processes(count, save_twice, tmp_path, count, sharded)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step_00000004"]
    last = tmp_path / "checkpoints/step_00000004"
    parts = count if sharded else 1
    names = [f"classes-{rank:05d}-of-{parts:05d}.safetensors" for rank in range(files)]
    assert sorted(path.name for path in last.glob("classes*")) == names
    manifest = check_checkpoint(last)
    assert manifest is not None
    assert [name for *_, name in manifest.parts] == names
    assert torch.equal(read_rows(last)[WEIGHT], weight(4))
    assert (tmp_path / "model.json").read_bytes() == (last / "model.json").read_bytes()
    assert load_fitting(last, NOW).step == 4


def failing(rank: int, run: Path, broken: int, function: str) -> str:
    """The error that this process gets when `function` fails in the process `broken`."""
    processes, real = Processes(rank, 3), getattr(module, function)
    save(run, 2, processes)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", f"disk of {broken}")

    if rank == broken:
        setattr(module, function, full)
    with pytest.raises(OSError, match="No space left") as caught:
        save(run, 4, processes)
    names = [path.name for path in (run / "checkpoints").iterdir()]
    processes.barrier()
    setattr(module, function, real)
    assert load_fitting(save(run, 6, processes), NOW, processes).step == 6  # nobody is left waiting
    return f"{caught.value.filename} {names}"


@pytest.mark.parametrize(
    ("broken", "function"),
    [(1, "_write"), (2, "sync_folder"), (0, "make_folder"), (0, "write_manifest"), (0, "publish")],
)
def test_what_one_process_cannot_write_is_an_error_in_all_and_leaves_nothing(
    tmp_path, broken, function
):
    told = in_processes(3, failing, tmp_path, broken, function)
    assert told == [f"disk of {broken} ['step_00000002']"] * 3


def different(rank: int, run: Path) -> None:
    shards = Shards(ROWS, rank, 2)
    tensors = {WEIGHT: weight(1)[shards.own]}
    if rank == 1:
        tensors["optimizer.1.momentum_buffer"] = weight(1)[shards.own]
    with pytest.raises(AssertionError, match="rows differ between processes"):
        Checkpoints(run, 1).save(
            training(1), ClassRows(shards, tensors), {}, CARD.at(1), Processes(rank, 2)
        )


def test_tensors_that_only_some_processes_have_are_never_saved(tmp_path):
    in_processes(2, different, tmp_path)
    assert list((tmp_path / "checkpoints").iterdir()) == []


@pytest.fixture(scope="module")
def three_parts(tmp_path_factory) -> Path:
    run = tmp_path_factory.mktemp("run")
    in_processes(3, save_twice, run, 3, True)
    return run


def damages(checkpoint: Path) -> Iterator[tuple[str, Callable[[], object], str]]:
    first, second, _ = sorted(checkpoint.glob("classes*"))
    whole = second.read_bytes()
    yield first.name, first.unlink, "no such file"
    yield second.name, lambda: second.write_bytes(whole[:-4]), "damaged: has"
    for place in range(0, len(whole), 37):
        flipped = whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :]
        yield second.name, lambda flipped=flipped: second.write_bytes(flipped), "damaged: its cont"
    yield first.name, lambda: shutil.copy(second, first), "damaged: its content"


def test_a_missing_cut_off_flipped_or_exchanged_part_is_named(three_parts, tmp_path):
    run = tmp_path / "run"
    checkpoint = run / "checkpoints/step_00000004"
    for number in range(len(list(damages(three_parts / "checkpoints/step_00000004")))):
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(three_parts, run)
        name, damage, said = list(damages(checkpoint))[number]
        assert load_fitting(checkpoint, NOW).step == 4
        damage()
        with pytest.raises(DataError, match=f"{name}: {said}.*no older checkpoint is good"):
            load_fitting(checkpoint, NOW)


def refused(rank: int, checkpoint: Path) -> str:
    with pytest.raises(DataError) as caught:
        load_fitting(checkpoint, NOW, Processes(rank, 2))
    return str(caught.value)


def test_all_processes_refuse_what_one_has_found(three_parts, tmp_path):
    """Together they compare all files: each part once."""
    shutil.copytree(three_parts, tmp_path / "run")
    checkpoint = tmp_path / "run/checkpoints/step_00000004"
    for file in sorted(checkpoint.glob("classes*")):
        whole = file.read_bytes()
        file.write_bytes(whole[:-1] + b"\x7f")
        first, second = in_processes(2, refused, checkpoint)
        assert first == second
        assert f"{file.name}: damaged" in first
        file.write_bytes(whole)
