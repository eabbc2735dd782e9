"""Every head, regularizer and backbone in a run of two steps that is resumed bit for bit.

On one process and on two, which share the classes where the regularizers allow it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from processes import in_processes
from runs import assert_same_bits, configured, lines, state

from arcface_plus.models.backbones import BACKBONES
from arcface_plus.models.heads import HEADS
from arcface_plus.models.regularizers import REGULARIZERS
from arcface_plus.runtime import Processes
from arcface_plus.training import groundwork
from arcface_plus.training.run import execute

SHORT = (
    "checkpoint.every=1", "optimizer.steps=2", "optimizer.lr=0.1", "optimizer.momentum=0.9",
    "eval.targets=[]",
)  # fmt: skip
SMALL = ("model.backbone={name: tiny, width: 0.25}", "model.embedding_dim=8", "model.dropout=0.2")
LAST = "step_00000002"

TERMS = {name: f"{{name: {name}, weight: 0.5}}" for name in REGULARIZERS if name != "none"}
TERMS["mhe of a batch"] = "{name: mhe, weight: 0.5, pairs: batch}"
TERMS["mhe of some filters"] = (
    "{name: mhe, weight: 0.5, layers: all, subset: 0.5, half_space: true, distance: angular}"
)
CASES = {f"head {name}": [f"head={name}", "regularizer={name: mma, weight: 0.5}"] for name in HEADS}
CASES |= {f"term {name}": [f"regularizer={term}"] for name, term in TERMS.items()}
DEEP = ("r34", "r50", "r100", "r200", "r2060", "sphereface64")
"""r18 and sphereface20 with more units: too slow here."""


def train_and_resume(settings: list[str], run: Path, first: bool = True) -> None:
    """Two steps in `run`; then again from the checkpoint of the first one. Keeps both results."""
    config = configured(settings)
    execute(config, run)
    if first:
        shutil.move(run / "checkpoints" / LAST, run.with_name(f"{run.name} whole"))
    execute(config, run)


def assert_resumed(run: Path) -> None:
    assert_same_bits(run.with_name(f"{run.name} whole"), run / "checkpoints" / LAST)
    before, after = (state(run / "checkpoints" / f"step_0000000{k}") for k in (1, 2))
    assert not before["classifier.weight"].equal(after["classifier.weight"])
    assert lines(run)[-1]["step"] == 2


@pytest.mark.parametrize("case", list(CASES))
def test_on_one_process(case, tiny_settings, tmp_path):
    train_and_resume([*tiny_settings, *SMALL, *SHORT, *CASES[case]], tmp_path / "run")
    assert_resumed(tmp_path / "run")


@pytest.mark.parametrize("name", [name for name in BACKBONES if name not in DEEP])
def test_every_backbone_with_arcface_and_mma(name, tiny_settings, tmp_path):
    given = ["head=arcface", "regularizer={name: mma, weight: 0.03}", f"model.backbone={name}"]
    settings = [*tiny_settings, *SHORT, "data.batch_size=4", *given]
    train_and_resume(settings, tmp_path / "run")
    assert_resumed(tmp_path / "run")


def shareable(case: str) -> bool:
    """Whether two processes can share the classes: pairs of all of them need whole weights."""
    kind, name = case.split()[:2]
    return kind == "head" or REGULARIZERS[name]().over_shards


def all_cases(rank: int, settings: list[str], kind: str, folder: Path) -> None:
    """Every case of a kind, in one start of the processes."""
    processes = Processes(rank, 2)
    groundwork.join_processes = lambda _: processes  # they have joined already
    for case, given in _of(kind).items():
        classes = f"model.classifier={'sharded' if shareable(case) else 'replicated'}"
        train_and_resume(
            [*settings, *SMALL, *SHORT, *given, classes], folder / case, processes.first
        )
        processes.barrier()


@pytest.mark.parametrize("kind", ["head", "term"])
def test_on_two_processes(kind, tiny_settings, tmp_path):
    in_processes(2, all_cases, tiny_settings, kind, tmp_path)
    for case in _of(kind):
        assert_resumed(tmp_path / case)
        files = list((tmp_path / case / "checkpoints" / LAST).glob("classes-*"))
        assert len(files) == (2 if shareable(case) else 1), case


def _of(kind: str) -> dict[str, list[str]]:
    return {case: given for case, given in CASES.items() if case.startswith(kind)}
