"""What a run takes over from another: the bits, the words, and what is refused."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from checkpoints import as_schema
from processes import in_processes
from runs import assert_same_bits, configured, state

from arcface_plus.config.tree import RunConfig
from arcface_plus.embedder.export import write as export
from arcface_plus.run_directory.training_state import Conditions, load_training
from arcface_plus.runtime import Processes
from arcface_plus.training.assembly import build_recognizer
from arcface_plus.training.dry_run import rehearse
from arcface_plus.training.initial_weights import read_initial_weights
from arcface_plus.training.run import execute
from data_prep.errors import UserError
from data_prep.faces.synthetic import generate
from data_prep.files import sha256_of

LAST = "checkpoints/step_00000002"
HEADS = {
    "arcface": "class weights",
    "linear_softmax": "class weights, biases",
    "adaface": "class weights, head statistics",
    "{name: subcenter_arcface, sub_centres: 2}": "class weights",
}


def train(settings: list[str], run: Path, *more: str) -> Path:
    execute(configured([*settings, "eval.targets=[]"], *more), run)
    return run


@pytest.fixture
def trained(tiny_settings, tmp_path) -> Path:
    return train(tiny_settings, tmp_path / "first")


def conditions(run: Path, **changed: object) -> Conditions:
    saved = vars(load_training(run / LAST))
    return replace(Conditions(**{key: saved[key] for key in Conditions.__annotations__}), **changed)


def started(config: RunConfig, now: Conditions) -> tuple[dict[str, torch.Tensor], str]:
    """A new network and classifier with the initial weights, named as in `state`; what is said."""
    recognizer = build_recognizer(config, now.classes)
    initial = read_initial_weights(config, Path("new"), now, Processes())
    assert initial is not None
    told = initial.load_into(recognizer)
    found = dict(recognizer.backbone.state_dict())
    for name, tensor in recognizer.classifier.state_dict().items():
        found[name if name.startswith("head.") else f"classifier.{name}"] = tensor
    return found, told


@pytest.mark.parametrize("head", list(HEADS))
def test_backbone_classes_and_statistics_have_the_bits_of_the_run(head, tiny_settings, tmp_path):
    first = train(tiny_settings, tmp_path / "first", f"head={head}", "optimizer.lr=1.0")
    files = {file: sha256_of(file) for file in first.rglob("*") if file.is_file()}
    config = configured(tiny_settings, f"model.init={first}", f"head={head}", "run.seed=9")
    ours, told = started(config, conditions(first))
    saved = state(first / LAST)
    expected = {
        name: t for name, t in saved.items() if not name.startswith(("optimizer.", "regularizer."))
    }
    assert ours.keys() == expected.keys()
    assert [name for name in ours if not torch.equal(ours[name], expected[name])] == []
    assert told == f"starts from {first / LAST}: backbone, {HEADS[head]}"
    assert {file: sha256_of(file) for file in first.rglob("*") if file.is_file()} == files


@pytest.mark.parametrize("schema", [2, 3])
def test_checkpoints_of_older_versions_have_their_classes_in_training_pt(
    schema, trained, tiny_settings
):
    before = state(trained / LAST)["classifier.weight"]
    as_schema(schema, trained / LAST)
    config = configured(tiny_settings, f"model.init={trained}", "run.seed=9")
    ours, told = started(config, conditions(trained))
    assert torch.equal(ours["classifier.weight"], before)
    assert told.endswith("backbone, class weights")


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ("linear_softmax", "class weights; biases begin anew, it has none for this head"),
        ("curricularface", "class weights; head statistics begin anew, it has none for this head"),
        ("subcenter_arcface", "backbone only; classes begin anew, since its head has another numb"),
    ],
)
def test_another_head_takes_what_fits(head, words, tiny_settings, tmp_path):
    first = train(tiny_settings, tmp_path / "first", "head=adaface")
    config = configured(tiny_settings, f"model.init={first}", f"head={head}")
    ours, told = started(config, conditions(first))
    assert words in told
    assert torch.equal(ours["fc.weight"], state(first / LAST)["fc.weight"])
    if head == "curricularface":  # not AdaFace's two numbers
        assert ours["head.running.value"].tolist() == [0.0]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"classes": 7}, "it has 6 classes, data.train has 7"),
        ({"data_digest": "x"}, "its classes may be others: it was trained on other images or lab"),
    ],
)
def test_other_classes_are_not_taken_over(changed, reason, trained, tiny_settings):
    config = configured(tiny_settings, f"model.init={trained}")
    now = conditions(trained, **changed)
    ours, told = started(config, now)
    assert f"backbone only; classes begin anew, since {reason}" in told
    assert torch.equal(ours["fc.weight"], state(trained / LAST)["fc.weight"])
    untouched = build_recognizer(config, now.classes).classifier.weight
    assert torch.equal(ours["classifier.weight"], untouched)


@pytest.mark.parametrize("kind", ["safetensors", "torch", "weights of a checkpoint"])
def test_a_model_file_gives_the_backbone_only(kind, trained, tiny_settings, tmp_path):
    start = tmp_path / ("b.pth" if kind == "torch" else "b.safetensors")
    if kind == "weights of a checkpoint":
        start = trained / LAST / "model.safetensors"
    else:
        export(trained, kind, start)
    ours, told = started(configured(tiny_settings, f"model.init={start}"), conditions(trained))
    assert (
        told == f"starts from {start}: backbone only; classes begin anew, since it has no class "
        "weights"
    )
    assert torch.equal(ours["fc.weight"], state(trained / LAST)["fc.weight"])


@pytest.mark.parametrize("place", [".", LAST])
def test_a_whole_run_begins_there_and_the_optimizer_anew(
    place, trained, tiny_settings, tmp_path, capsys
):
    settings = [*tiny_settings, f"model.init={trained / place}", "run.seed=9", "head.margin=0.2"]
    nothing = ["optimizer.lr=1e-20"]
    run = train(settings, tmp_path / "second", *nothing)
    assert f"starts from {trained / LAST}: backbone, class weights\n" in capsys.readouterr().err
    before, after = (state(r / LAST) for r in (trained, run))
    for name in ("fc.weight", "classifier.weight"):
        assert torch.equal(before[name], after[name])
    assert f"init: {trained / place}" in (run / "config.yaml").read_text()
    momentum = [name for name in before if name.endswith("momentum_buffer")]
    assert all(not torch.equal(before[name], after[name]) for name in momentum)


def test_a_resumed_run_neither_needs_nor_loads_the_initial_weights(
    trained, tiny_settings, tmp_path, capsys
):
    settings = [*tiny_settings, f"model.init={trained}", "checkpoint.every=2"]
    train(settings, tmp_path / "whole", "optimizer.steps=4")
    train(settings, tmp_path / "parts", "optimizer.steps=2")
    shutil.rmtree(trained)
    capsys.readouterr()
    train(settings, tmp_path / "parts", "optimizer.steps=4")
    assert "starts from" not in capsys.readouterr().err
    assert_same_bits(*(tmp_path / r / "checkpoints/step_00000004" for r in ("whole", "parts")))


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("model.embedding_dim=24", "not the weights of model.backbone mobilefacenet with 24 dim"),
        ("model.backbone={name: tiny}", "not the weights of model.backbone tiny"),
        ("model.init=gone.pth", "gone.pth: no such"),
    ],
)
def test_weights_that_do_not_fit_are_refused_before_anything_is_written(
    setting, words, trained, tiny_settings, tmp_path
):
    config = configured([*tiny_settings, f"model.init={trained}"], setting)
    for begin in (execute, lambda c, run: rehearse(c, run, fresh=False)):
        with pytest.raises(UserError, match=words) as caught:
            begin(config, tmp_path / "second")
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "second").exists()


def test_damaged_classes_are_refused_before_anything_is_written(trained, tiny_settings, tmp_path):
    file = next((trained / LAST).glob("classes-*"))
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    with pytest.raises(UserError, match=rf"{file.name}: .*SHA"):
        train([*tiny_settings, f"model.init={trained}"], tmp_path / "second")
    assert not (tmp_path / "second").exists()


@pytest.mark.parametrize("place", [".", LAST])
def test_fresh_does_not_discard_what_it_is_to_start_from(place, trained, tiny_settings):
    config = configured([*tiny_settings, f"model.init={trained / place}"])
    with pytest.raises(UserError, match="cannot start from weights in its own directory"):
        execute(config, trained, fresh=True)
    assert (trained / LAST).is_dir()


def test_a_dry_run_says_what_would_be_taken_over(trained, tiny_settings, tmp_path):
    config = configured([*tiny_settings, f"model.init={trained}", "eval.targets=[]"])
    said = rehearse(config, tmp_path / "second", fresh=False)
    assert f"starts from {trained / LAST}: backbone, class weights" in said


def test_the_same_number_of_classes_is_not_enough(trained, tiny_settings, tmp_path):
    generate(tmp_path / "other", identities=6, images=8, pairs=40, seed=4)
    config = configured(
        tiny_settings, f"model.init={trained}", f"data.train={tmp_path / 'other'}",
        "eval.targets=[]",
    )  # fmt: skip
    said = "\n".join(rehearse(config, tmp_path / "second", fresh=False))
    assert "backbone only; classes begin anew, since its classes may be others" in said


def rows_of_each(rank: int, settings: list[str], now: Conditions) -> list[torch.Tensor]:
    processes, config = Processes(rank, 4), configured(settings)
    recognizer = build_recognizer(config, now.classes, processes)
    initial = read_initial_weights(config, Path("new"), now, processes)
    assert initial is not None
    initial.load_into(recognizer)
    return [recognizer.classifier.weight.detach(), recognizer.backbone.fc.weight.detach()]


def test_each_process_reads_its_own_rows(trained, tiny_settings):
    settings = [*tiny_settings, f"model.init={trained}", "run.seed=9", "model.classifier=sharded"]
    found = in_processes(4, rows_of_each, settings, conditions(trained))
    saved = state(trained / LAST)
    assert [len(rows) for rows, _ in found] == [2, 2, 2, 0]
    assert torch.equal(torch.cat([rows for rows, _ in found]), saved["classifier.weight"])
    assert all(torch.equal(fc, saved["fc.weight"]) for _, fc in found)
