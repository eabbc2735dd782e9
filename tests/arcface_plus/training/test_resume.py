"""Repeating a run's command completes what was interrupted and refuses what would change it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from checkpoints import vouched
from runs import configured

from arcface_plus.training.run import execute
from data_prep.errors import UserError
from data_prep.recordio import RecordReader
from data_prep.training_set import TrainingSetWriter, read_index


@pytest.fixture(scope="module")
def finished(tmp_path_factory, synthetic) -> tuple[Path, list[str]]:
    """A run of four steps with checkpoints at 2 and 4, and its settings."""
    settings = [
        f"data.train={synthetic}", "data.batch_size=8", "data.threads=1",
        "model.backbone={name: tiny, width: 0.25}", "model.embedding_dim=8",
        "optimizer.steps=4", "optimizer.lr=0.01", "runtime.precision=fp32", "runtime.device=cpu",
        "eval.targets=[synth_frontal]", "eval.every=2", "checkpoint.every=2", "logging.every=1",
    ]  # fmt: skip
    run = tmp_path_factory.mktemp("finished") / "run"
    execute(configured(settings), run)
    return run, settings


@pytest.fixture
def run(finished, tmp_path) -> Path:
    shutil.copytree(finished[0], tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def settings(finished) -> list[str]:
    return finished[1]


def _figures(run: Path) -> dict:
    summary = json.loads((run / "summary.json").read_text())
    return {k: v for k, v in summary.items() if k in ("steps", "loss", "min_angle_deg", "accuracy")}


def test_missing_results_of_a_finished_run_are_completed(run, settings, finished, capsys):
    for name in ("summary.json", "eval/step_00000004.json", "eval/step_00000004.npz"):
        (run / name).unlink()
    for name in ("model.safetensors", "model.json"):  # of the previous checkpoint
        shutil.copyfile(run / "checkpoints/step_00000002" / name, run / name)
    execute(configured(settings), run)
    assert _figures(run) == _figures(finished[0])
    for name in ("model.safetensors", "model.json", "metrics.jsonl", "nearest_classes.csv"):
        assert (run / name).read_bytes() == (finished[0] / name).read_bytes()
    assert (run / "eval/step_00000004.npz").is_file()
    capsys.readouterr()
    execute(configured(settings), run)
    assert "finished at step 4; to train longer, repeat the command with" in capsys.readouterr().err


def test_a_missing_verification_is_made_before_training_continues(run, settings):
    shutil.rmtree(run / "checkpoints/step_00000004")
    for name in ("eval/step_00000002.json", "eval/step_00000004.json", "summary.json"):
        (run / name).unlink()
    execute(configured(settings), run)
    assert {p.name for p in (run / "eval").glob("*.json")} == {
        "step_00000002.json", "step_00000004.json",
    }  # fmt: skip


def _rewritten(source: Path, target: Path, change) -> Path:
    """A copy of a training set whose (image, label) list went through `change`."""
    reader = RecordReader(source / "train.rec")
    index = read_index(reader)
    pairs = [(reader[int(k)].image, int(c)) for k, c in zip(index.keys, index.labels, strict=True)]
    with TrainingSetWriter(target) as writer:
        for image, label in change(pairs):
            writer.add(label, image)
    for file in source.glob("*.bin"):
        shutil.copy(file, target)
    return target


def _swapped_images(pairs):
    images = [image for image, _ in pairs]
    images[0], images[-1] = images[-1], images[0]
    return [(image, label) for image, (_, label) in zip(images, pairs, strict=True)]


def test_other_images_of_equal_number_are_refused(run, settings, synthetic, tmp_path):
    other = _rewritten(synthetic, tmp_path / "other", _swapped_images)
    with pytest.raises(UserError, match=r"data\.train holds other images, labels or another order"):
        execute(configured(settings, f"data.train={other}", "optimizer.steps=6"), run)


def test_a_copy_of_the_data_is_the_same_data(run, settings, synthetic, tmp_path):
    shutil.copytree(synthetic, tmp_path / "copy")
    execute(configured(settings, f"data.train={tmp_path / 'copy'}", "optimizer.steps=5"), run)
    assert json.loads((run / "summary.json").read_text())["steps"] == 5


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("runtime.precision=bf16", r"runtime\.precision fp32, and this command would"),
        ("runtime.channels_last=false", r"runtime\.channels_last True, and this command would"),
    ],
)
def test_precision_and_memory_format_stay_those_of_the_run(run, settings, setting, said):
    with pytest.raises(UserError, match=said):
        execute(configured(settings, setting, "optimizer.steps=6"), run)


def test_files_of_two_checkpoints_are_not_mixed(run, settings):
    name = "checkpoints/step_0000000{}/{}"
    shutil.copyfile(
        run / name.format(2, "model.safetensors"), run / name.format(4, "model.safetensors")
    )
    with pytest.raises(
        UserError, match=r"model\.safetensors: damaged.*; move .*step_00000004 away to "
    ):
        execute(configured(settings, "optimizer.steps=6"), run)


def test_training_state_of_another_step_is_refused(run, settings):
    shutil.copyfile(
        run / "checkpoints/step_00000002/training.pt", run / "checkpoints/step_00000004/training.pt"
    )
    with pytest.raises(UserError, match=r"training\.pt: damaged.*; move .* step_00000002"):
        execute(configured(settings, "optimizer.steps=6"), run)


def test_a_checkpoint_of_a_newer_version_is_not_called_broken(run, settings):
    file = run / "checkpoints/step_00000004/training.pt"
    content = torch.load(file, weights_only=True)
    torch.save(content | {"schema": 9, "new": 1}, file)
    vouched(file.parent)
    with pytest.raises(UserError, match=r"newer version of arcface-plus \(schema 9"):
        execute(configured(settings, "optimizer.steps=6"), run)


def test_a_corrupt_newest_checkpoint_names_the_older_good_one(run, settings):
    file = run / "checkpoints/step_00000004/training.pt"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(
        UserError, match=r"has 1000 bytes .*; move .*04 away to continue from step_0"
    ):
        execute(configured(settings, "optimizer.steps=6"), run)


def test_fresh_deletes_what_a_run_wrote_and_nothing_else(run, settings):
    mine = [run / "checkpoints/best_of_all.pt", run / "eval/my_notes.txt", run / "tb/notes.txt"]
    for path in mine:
        path.write_text("mine")
    execute(configured(settings, "optimizer.steps=1"), run, fresh=True)
    assert all(path.read_text() == "mine" for path in mine)
    assert [p.name for p in (run / "checkpoints").glob("step_*")] == ["step_00000001"]
    assert [p.name for p in (run / "eval").glob("*.json")] == ["step_00000001.json"]


def test_a_fresh_that_was_killed_is_completed(run, settings):
    (run / "config.yaml").rename(run / ".discarded")
    execute(configured(settings, "optimizer.steps=1"), run)
    assert [p.name for p in (run / "checkpoints").glob("step_*")] == ["step_00000001"]
    assert not (run / ".discarded").exists()


def test_a_folder_left_by_a_killed_first_write_can_be_used(settings, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/.config.yaml.partial").write_text("run:")
    execute(configured(settings, "optimizer.steps=1"), tmp_path / "run")
    assert (tmp_path / "run/summary.json").is_file()


def test_a_corrupt_config_gives_one_line(run, settings):
    (run / "config.yaml").write_bytes(b"run: \xff\xfe")
    with pytest.raises(UserError, match=r"not UTF-8.*use --fresh to discard the run"):
        execute(configured(settings), run)


def test_a_pair_file_that_cannot_be_verified_is_found_at_the_start(settings, synthetic, tmp_path):
    from data_prep.pairs import read_pairs, write_pairs

    images, same = read_pairs(synthetic / "synth_frontal.bin")
    write_pairs(tmp_path / "one.bin", images[:2], same[:1])
    write_pairs(tmp_path / "broken.bin", [images[0][:200], *images[1:]], same)
    for target, said in (("one", "has 1 pairs"), ("broken", "pair 0, image 0: truncated")):
        where = [f"eval.data={tmp_path}", f"eval.targets=[{target}]"]
        with pytest.raises(UserError, match=said):
            execute(configured(settings, *where), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_labels_with_absurd_gaps_are_refused(settings, synthetic, tmp_path):
    from data_prep.recordio import RecordWriter

    reader = RecordReader(synthetic / "train.rec")
    (tmp_path / "gaps").mkdir()
    with RecordWriter(tmp_path / "gaps/train.rec") as writer:
        for key in range(1, 17):
            writer.write(key, reader[key].image, 0.0 if key < 9 else 3_000_000.0)
    where = [f"data.train={tmp_path / 'gaps'}", f"eval.data={synthetic}"]
    with pytest.raises(UserError, match="labels go up to 3000000, but only 2 classes have images"):
        execute(configured(settings, *where), tmp_path / "run")


def test_the_best_checkpoint_is_kept_and_reported(settings, tmp_path, capsys):
    more = ["checkpoint.best=synth_frontal", "checkpoint.keep=1", "checkpoint.every=100",
            "eval.every=1"]  # fmt: skip
    execute(configured([*settings, *more]), tmp_path / "run")
    files = (tmp_path / "run/eval").glob("*.json")
    found = {int(f.stem[5:]): json.loads(f.read_text())["targets"] for f in files}
    accuracy = {step: t["synth_frontal"]["accuracy"]["mean"] for step, t in found.items()}
    best = max(sorted(accuracy), key=accuracy.__getitem__)
    there = {int(p.name[5:]) for p in (tmp_path / "run/checkpoints").iterdir()}
    assert there == {best, 4}
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert summary["best"] == {
        "target": "synth_frontal", "step": best, "accuracy": accuracy[best]
    }  # fmt: skip
    told = capsys.readouterr().err
    assert f"best on synth_frontal: {accuracy[best]:.2%}, " in told
    assert "finished 4 steps in" in told
    assert f"next: arcface-plus report {tmp_path / 'run'}" in told
