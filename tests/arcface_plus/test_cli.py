"""The command line as users see it: exit statuses and one line for every error."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from arcface_plus.cli import app, main
from arcface_plus.config.tree import shipped
from data_prep.pairs import read_pairs, write_pairs
from data_prep.training_set import TrainingSetWriter


@pytest.fixture
def command(capsys):
    """Run the command line in this process → (status, stdout, stderr)."""

    def run(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main([str(word) for word in words])
        captured = capsys.readouterr()
        return int(left.value.code or 0), captured.out, captured.err

    return run


@pytest.fixture(scope="module")
def trained(synthetic, tmp_path_factory) -> Path:
    run = tmp_path_factory.mktemp("trained") / "run"
    sets = ["model.backbone={name: mobilefacenet, width: 0.125}", "model.embedding_dim=16",
            f"data.train={synthetic}", "data.batch_size=8", "optimizer.steps=2",
            "optimizer.lr=0.01", "eval.targets=[]", "logging.every=1"]  # fmt: skip
    with pytest.raises(SystemExit) as left:
        main(["train", str(shipped("demo_arcface.yaml")), "--out", str(run),
              *(word for s in sets for word in ("--set", s))])  # fmt: skip
    assert not left.value.code
    return run


def assert_one_line(result: tuple[int, str, str], *words: str, status: int = 2) -> None:
    code, _, errors = result
    assert code == status, errors
    line = errors.strip().splitlines()[-1]
    assert line.startswith("arcface-plus: ")
    assert "Traceback" not in errors
    for word in words:
        assert word in line, line


def test_help_does_not_load_torch():
    code = (
        "import sys; from arcface_plus.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "sys.exit('torch' in sys.modules or 'cv2' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    for word in ("demo", "train", "eval", "data", "export", "embed", "match", "angles", "bench"):
        assert word in done.stdout


def test_version(command):
    assert command("--version")[1].startswith("arcface-plus ")


@pytest.mark.parametrize("group", [(), ("eval",), ("data",), ("bench",), ("config",)])
def test_a_group_without_a_command_prints_its_help(command, group):
    code, shown, errors = command(*group)
    assert (code, errors) == (0, "")
    assert shown.strip() == command(*group, "--help")[1].strip() == command(*group, "-h")[1].strip()
    assert f"Usage: {' '.join(('arcface-plus', *group))}" in shown
    assert len(shown.splitlines()) > 8


def test_help_groups_commands_and_is_as_wide_as_the_terminal(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "140")
    shown = command("--help")[1]
    assert max(map(len, shown.splitlines())) == 140
    places = [shown.index(title) for title in ("─ Train ─", "─ Data and evaluation ─",
              "─ Use a model ─", "─ Look and measure ─")]  # fmt: skip
    assert places == sorted(places)


def test_help_texts_hold_no_markup():
    """Rich would read square brackets as markup and remove them."""
    from typer.main import get_command

    waiting = [get_command(app)]
    seen = 0
    while waiting:
        one = waiting.pop()
        waiting += list(getattr(one, "commands", {}).values())
        for text in (one.help, *(getattr(p, "help", None) for p in one.params)):
            assert "[" not in (text or ""), (one.name, text)
            seen += 1
    assert seen > 100


def test_completion_can_be_installed(command):
    assert "--install-completion" in command("--help")[1]


@pytest.mark.parametrize("words", [["trian"], ["train"], ["train", "c.yaml", "--ouut", "x"]])
def test_usage_errors(command, words):
    assert_one_line(command(*words), "--help")


def test_train_errors(command, synthetic, tmp_path):
    demo = shipped("demo_arcface.yaml")
    assert_one_line(command("train", tmp_path / "gone.yaml"), "gone.yaml: no such config file")
    assert_one_line(command("train", demo), "missing key data.train", "--set data.train=PATH")
    assert_one_line(command("train", demo, "--set", "data.trian=x"), "did you mean data.train?")
    assert_one_line(
        command("train", demo, "--set", f"data.train={tmp_path / 'gone'}"),
        "gone: no such file or folder",
    )
    assert_one_line(
        command("train", demo, "--set", f"data.train={synthetic}", "--set", "runtime.device=tpu"),
        "device 'tpu'",
    )


def test_labels_beyond_the_class_count(command, tmp_path):
    with TrainingSetWriter(tmp_path) as writer:
        for label in range(3):
            writer.add(label, b"x")
    (tmp_path / "property").write_text("2,112,112")
    assert_one_line(
        command("train", shipped("demo_arcface.yaml"), "--set", f"data.train={tmp_path}"),
        "record 3 has label 2, but property says 2 classes",
    )


def test_too_few_images_for_each_process(command, synthetic, monkeypatch):
    from arcface_plus.runtime import Processes
    from arcface_plus.training import groundwork

    monkeypatch.setattr(groundwork, "join_processes", lambda _: Processes(0, 3, 0))
    assert_one_line(
        command(
            "train",
            shipped("demo_arcface.yaml"),
            "--set",
            f"data.train={synthetic}",
            "--set",
            "data.batch_size=5",
        ),
        "data.batch_size 5 leaves one image to the last of the 3 processes",
    )


def test_divergence_is_status_3(command, synthetic, tmp_path):
    sets = ["model.backbone={name: mobilefacenet, width: 0.125}", f"data.train={synthetic}",
            "data.batch_size=8", "optimizer.lr=1.0e+38", "optimizer.warmup_steps=0",
            "eval.targets=[]"]  # fmt: skip
    words = [word for s in sets for word in ("--set", s)]
    result = command("train", shipped("demo_arcface.yaml"), "--out", tmp_path / "run", *words)
    assert_one_line(result, "not finite", "optimizer.lr", status=3)


def test_no_space_left(command, synthetic, tmp_path, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "training.pt")

    monkeypatch.setattr(torch, "save", full)
    sets = ["model.backbone={name: mobilefacenet, width: 0.125}", f"data.train={synthetic}",
            "data.batch_size=8", "optimizer.steps=1", "eval.targets=[]"]  # fmt: skip
    words = [word for s in sets for word in ("--set", s)]
    result = command("train", shipped("demo_arcface.yaml"), "--out", tmp_path / "run", *words)
    assert_one_line(result, "training.pt: No space left on device")


def test_internal_errors_are_status_1_and_debug_shows_them(command, monkeypatch, tmp_path):
    import arcface_plus.config.tree

    def broken(*_: object) -> None:
        raise KeyError("oops")

    monkeypatch.setattr(arcface_plus.config.tree, "load", broken)
    assert_one_line(command("train", "x.yaml"), "internal error: KeyError", status=1)
    code, _, errors = command("train", "x.yaml", "--debug")
    assert code == 1
    assert "Traceback" in errors


def test_verify_writes_the_json_of_the_design(command, trained, synthetic, tmp_path):
    out = tmp_path / "v.json"
    code, shown, _ = command(
        "eval", "verify", "--ckpt", trained, "--data", synthetic, "--targets",
        "synth_frontal,synth_pose", "--json", out,
    )  # fmt: skip
    assert code == 0
    assert shown.count("\n") == 2
    found = json.loads(out.read_text())
    assert (found["schema"], found["protocol"], found["flip"]) == (1, "10-fold", True)
    assert found["checkpoint"] == str(trained)
    assert list(found["targets"]) == ["synth_frontal", "synth_pose"]
    target = found["targets"]["synth_frontal"]
    assert set(target) >= {
        "pairs", "same", "images", "unique_images", "accuracy", "auc", "eer", "tar_at_far",
        "embedding_norm_mean", "thresholds_at_far", "unavailable", "pair_file", "pairs_sha256",
    }  # fmt: skip
    assert set(target["accuracy"]) == {"mean", "std", "folds", "thresholds", "ci95"}
    assert (target["pairs"], target["images"]) == (40, 80)
    assert target["unique_images"] == len(set(read_pairs(synthetic / "synth_frontal.bin")[0]))


def test_verify_takes_all_targets_by_default(command, trained, synthetic):
    code, shown, _ = command("eval", "verify", "--ckpt", trained, "--data", synthetic)
    assert code == 0
    assert [line.split(":")[0] for line in shown.splitlines()] == [
        "synth_age", "synth_frontal", "synth_pose"
    ]  # fmt: skip


def test_verify_errors(command, trained, synthetic, tmp_path):
    def verify(*words: object, ckpt: object = trained, data: object = synthetic):
        return command("eval", "verify", "--ckpt", ckpt, "--data", data, *words)

    assert_one_line(verify("--targets", "lfw"), "lfw.bin", "no such pair file", "synth_age")
    assert_one_line(verify(data=tmp_path / "gone"), "gone: no such directory")
    assert_one_line(verify(data=tmp_path), "no .bin pair file")
    assert_one_line(verify(ckpt=tmp_path / "gone"), "no such checkpoint")
    assert_one_line(verify(ckpt=tmp_path), "neither a checkpoint nor a run")
    assert_one_line(verify("--json", tmp_path / "no" / "x.json"), "directory does not exist")
    assert_one_line(verify("--batch-size", 0), "batch-size")
    assert_one_line(verify("--device", "cuda:77"), "cuda:77", "CUDA devices")
    (tmp_path / "cut.bin").write_bytes((synthetic / "synth_age.bin").read_bytes()[:5000])
    assert_one_line(verify(data=tmp_path), "cut.bin: pair ", "truncated", "byte")


def test_a_broken_image_in_a_pair_file_is_named(command, trained, synthetic, tmp_path):
    images, same = read_pairs(synthetic / "synth_age.bin")
    images[7] = b"\xff\xd8 no jpeg"
    write_pairs(tmp_path / "bad.bin", images, same)
    result = command("eval", "verify", "--ckpt", trained, "--data", tmp_path)
    offset = (tmp_path / "bad.bin").read_bytes().find(images[7])
    assert_one_line(result, f"bad.bin: pair 3, image 1 (byte {offset}) cannot be decoded")


def test_compare_two_runs(command, synthetic, tmp_path):
    for name in ("arcface", "arcface_plus"):
        sets = ["model.backbone={name: mobilefacenet, width: 0.125}", f"data.train={synthetic}",
                "data.batch_size=8", "optimizer.steps=1"]  # fmt: skip
        words = [word for s in sets for word in ("--set", s)]
        config = shipped(f"demo_{name}.yaml")
        assert command("train", config, "--out", tmp_path / name, *words)[0] == 0
    runs = [tmp_path / "arcface", tmp_path / "arcface_plus"]
    code, shown, _ = command("eval", "compare", *runs, "--out", tmp_path / "report")
    assert code == 0
    assert "synth_frontal" in shown
    assert "regularizer" in (tmp_path / "report" / "compare.md").read_text()
    assert json.loads((tmp_path / "report" / "compare.json").read_text())
    assert_one_line(command("eval", "compare", runs[0], tmp_path / "gone"), "gone")


def test_python_dash_m_eval_is_the_same(trained, synthetic):
    words = ["verify", "--ckpt", str(trained), "--data", str(synthetic), "--targets", "nope"]
    done = subprocess.run(
        [sys.executable, "-m", "eval", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "nope.bin: no such pair file" in done.stderr


@pytest.mark.parametrize("suffix", ["safetensors", "onnx", "pt"])
def test_export_and_its_errors(command, trained, synthetic, tmp_path, suffix):
    format = {"pt": "torch"}.get(suffix, suffix)
    out = tmp_path / f"m.{suffix}"
    assert command("export", "--ckpt", trained, "--format", format, "--out", out)[0] == 0
    assert out.stat().st_size > 10_000
    assert_one_line(
        command("export", "--ckpt", trained, "--format", format, "--out", tmp_path / "m.x"), "m.x"
    )


def test_data_synth(command, tmp_path):
    words = ["--identities", 2, "--images", 3, "--pairs", 20]
    assert command("data", "synth", tmp_path / "d", *words)[0] == 0
    assert (tmp_path / "d" / "train.rec").is_file()
    assert_one_line(command("data", "synth", tmp_path / "d", *words), str(tmp_path / "d"))


def test_a_photo_that_is_not_a_crop_is_refused(command, trained, tmp_path):
    picture = cv2.imencode(".jpg", np.zeros((250, 250, 3), np.uint8))[1].tobytes()
    write_pairs(tmp_path / "raw.bin", [picture] * 20, [True, False] * 5)
    result = command("eval", "verify", "--ckpt", trained, "--data", tmp_path)
    assert_one_line(result, "raw.bin: pair 0, image 0", "is 250×250, not 112×112", "data align")
