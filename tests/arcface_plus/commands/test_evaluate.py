"""`eval verify` and `eval compare`: options, files beside the JSON, pictures, mistakes."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from rich.console import Console
from rich.live import Live

from arcface_plus import console
from arcface_plus.cli import main
from arcface_plus.data.images import decode
from arcface_plus.embedder.load import load_embedder
from arcface_plus.evaluation.verification import pairs_digest
from arcface_plus.models.backbones import MobileFaceNet
from arcface_plus.run_directory.model_file import ModelCard, write_model
from data_prep.pairs import read_pairs, write_pairs
from eval.scores import read_scores
from eval.verification import verify


@pytest.fixture
def command(capsys):
    def run(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(["eval", *(str(word) for word in words)])
        captured = capsys.readouterr()
        return int(left.value.code or 0), captured.out, captured.err

    return run


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Two untrained networks as exported files."""
    folder = tmp_path_factory.mktemp("models")
    paths = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        network = MobileFaceNet(embedding_dim=16, width=0.125)
        card = ModelCard(backbone="mobilefacenet", parameters={"width": 0.125}, embedding_dim=16)
        paths.append(folder / f"m{seed}.safetensors")
        write_model(paths[-1], network.state_dict(), card)
    return paths


def test_the_distances_lie_beside_the_json(command, models, synthetic, tmp_path):
    out = tmp_path / "v.json"
    code, _, _ = command("verify", "--ckpt", models[0], "--data", synthetic, "--json", out)
    assert code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["v.json", "v.npz"]
    found = json.loads(out.read_text())
    scores = read_scores(tmp_path / "v.npz")
    assert scores.keys() == found["targets"].keys()
    for name, target in found["targets"].items():
        images, same = read_pairs(synthetic / f"{name}.bin")
        assert np.array_equal(scores[name].same, same)
        assert list(scores[name].accuracies()) == target["accuracy"]["folds"]
        assert target["pairs_sha256"] == pairs_digest(images, same)
        assert target["unavailable"]["1e-1"] == "needs 100 different pairs, there are 20"
        assert target["thresholds_at_far"]["1e-1"] is None


def test_without_flip_the_images_are_judged_as_they_are(command, models, synthetic, tmp_path):
    out = tmp_path / "v.json"
    words = ("verify", "--ckpt", models[0], "--data", synthetic, "--targets", "synth_pose")
    assert command(*words, "--no-flip", "--json", out)[0] == 0
    found = json.loads(out.read_text())
    assert found["flip"] is False
    images, same = read_pairs(synthetic / "synth_pose.bin")
    rows = load_embedder(models[0])(np.stack([decode(image) for image in images]))
    by_hand = verify(rows[0::2], rows[1::2], same)
    scores = read_scores(tmp_path / "v.npz")["synth_pose"]
    assert np.allclose(scores.distances, by_hand.distances, atol=1e-5)
    assert found["targets"]["synth_pose"]["auc"] == pytest.approx(by_hand.auc, abs=1e-6)


def test_the_digest_is_of_the_pairs_and_not_of_their_pickle(synthetic, tmp_path):
    images, same = read_pairs(synthetic / "synth_age.bin")
    write_pairs(tmp_path / "again.bin", images, same)
    assert pairs_digest(*read_pairs(tmp_path / "again.bin")) == pairs_digest(images, same)
    assert pairs_digest(images[::-1], same) != pairs_digest(images, same)
    assert pairs_digest(images, ~same) != pairs_digest(images, same)


def test_auc_and_eer_are_printed_and_why_tars_are_missing_once(
    command, models, synthetic, tmp_path
):
    out = tmp_path / "v.json"
    code, shown, errors = command("verify", "-c", models[0], "-d", synthetic, "-j", out)
    assert code == 0
    found = json.loads(out.read_text())["targets"]
    for line, (name, target) in zip(shown.splitlines(), found.items(), strict=True):
        assert line.startswith(f"{name}: ")
        assert f"AUC {target['auc']:.4f}  EER {100 * target['eer']:.2f}%" in line
        assert "TAR" not in line
    said = " ".join(errors.split())
    assert said.count("no TAR at FAR") == 1
    assert "synth_age has 20, synth_frontal has 20 and synth_pose has 20" in said


def test_an_empty_name_is_one_line(command, models, synthetic):
    code, _, errors = command("verify", "--ckpt", models[0], "--data", synthetic, "--json", "")
    assert code == 2
    assert "is a directory; name a file" in errors


def test_pictures_are_drawn(command, models, synthetic, tmp_path):
    folder = tmp_path / "new" / "pictures"
    words = ("verify", "--ckpt", models[0], "--data", synthetic, "--targets", "synth_frontal")
    code, _, errors = command(*words, "--pictures", folder)
    assert code == 0
    names = ["false_accepts", "false_rejects", "roc", "scores"]
    drawn = sorted(folder.iterdir())
    assert [path.name for path in drawn] == [f"synth_frontal_{name}.png" for name in names]
    for path in drawn:
        picture = cv2.imread(str(path))
        assert min(picture.shape[:2]) > 150
        assert picture.std() > 5  # something is drawn
    assert "synth_frontal_roc.png" in "".join(errors.split())


@pytest.mark.parametrize("truth", [True, False])
def test_pictures_of_one_kind_of_pair_alone(command, models, synthetic, tmp_path, truth):
    images, _ = read_pairs(synthetic / "synth_age.bin")
    write_pairs(tmp_path / "one.bin", images, np.full(len(images) // 2, truth))
    words = ("verify", "--ckpt", models[0], "--data", tmp_path, "--targets", "one")
    assert command(*words, "--pictures", tmp_path / "p")[0] == 0
    assert not (tmp_path / "p" / "one_roc.png").exists()
    assert (tmp_path / "p" / "one_scores.png").is_file()


def test_verifications_are_compared_and_grouped(command, models, synthetic, tmp_path):
    for name in ("a0", "a1", "ab0", "ab1"):
        model = models[name.startswith("ab")]
        words = (
            "verify",
            "--ckpt",
            model,
            "--data",
            synthetic,
            "--json",
            tmp_path / f"{name}.json",
        )
        assert command(*words, *(["--no-flip"] if name.endswith("1") else []))[0] == 0
    code, shown, said = command("compare", tmp_path / "a0.json", tmp_path / "ab0.json")
    assert code == 0
    assert "McNemar's score test" in " ".join(shown.split())
    assert "--out DIR writes all tests" in " ".join(said.split())
    groups = (
        "--group", f"one={tmp_path}/a[0-9].json", "--group", f"two={tmp_path}/ab0.json",
        "--group", f"two={tmp_path}/ab1.json",
    )  # fmt: skip
    code, shown, _ = command("compare", *groups, "--resolve", 0.5, "--out", tmp_path / "out")
    assert code == 0
    assert "two against one (2 and 2 runs)" in " ".join(shown.split())
    assert "Welch's t over seeds" in shown  # JSON files alone tell no seeds
    assert "the use of mirror images (flip) differs between runs" in " ".join(shown.split())
    content = json.loads((tmp_path / "out" / "compare.json").read_text())
    assert content["groups"] == {"one": ["a0", "a1"], "two": ["ab0", "ab1"]}
    needed = content["targets"]["synth_age"]["differences"][0]["needed"]
    assert needed["difference"] == pytest.approx(0.005)


def test_mistakes_are_one_line(command, models, synthetic, tmp_path):
    def refused(result: tuple[int, str, str], words: str) -> None:
        code, _, errors = result
        assert code == 2
        assert words in errors
        assert len(errors.strip().splitlines()) == 1

    verifying = ("verify", "--ckpt", models[0], "--data", synthetic)
    refused(command(*verifying, "--json", tmp_path / "x.npz"), "name the JSON file")
    refused(command(*verifying, "--pictures", models[0]), "is a file, not a directory")
    refused(command("compare"), "at least two runs or groups")
    refused(command("compare", "--group", "arcface"), "give NAME=GLOB")
    refused(command("compare", "--group", f"a={tmp_path}/x*"), "nothing is called")
    refused(command("compare", "--group", f"a={models[0]}", "--group", f"b={models[1]}"), "m0")


def test_each_target_is_printed_as_it_finishes(models, synthetic):
    """Into a pipe, without a terminal: the first line is there before the second target is."""
    words = ["eval", "verify", "--ckpt", str(models[0]), "--data", str(synthetic), "--targets",
             "synth_age.bin, synth_pose"]  # fmt: skip
    code = (
        "import sys; import arcface_plus.evaluation.verification as v\n"
        "from arcface_plus.cli import main\n"
        "whole = v.verify_file\n"
        "def waits(embedder, path, *rest, **options):\n"
        "    if 'pose' in path.name: sys.stdin.readline()\n"
        "    return whole(embedder, path, *rest, **options)\n"
        "v.verify_file = waits\n"
        "main(sys.argv[1:])\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline().startswith("synth_age: ")  # the second still waits
        rest, _ = process.communicate("go on\n", timeout=120)
    assert process.returncode == 0
    assert rest.startswith("synth_pose: ")


def test_two_targets_on_a_terminal(command, models, synthetic, monkeypatch):
    """Two live displays at once are an error in rich 13 and two bars in one place in 14."""
    drawn = io.StringIO()
    terminal = Console(file=drawn, force_terminal=True, width=100)
    monkeypatch.setattr(console, "console", terminal)
    alive, most = 0, 0
    start, stop = Live.start, Live.stop

    def counted_start(live, *arguments, **options):
        nonlocal alive, most
        alive += not live.is_started
        most = max(most, alive)
        start(live, *arguments, **options)

    def counted_stop(live):
        nonlocal alive
        alive -= live.is_started
        stop(live)

    monkeypatch.setattr(Live, "start", counted_start)
    monkeypatch.setattr(Live, "stop", counted_stop)
    words = ("--ckpt", models[0], "--data", synthetic, "--targets", "synth_age,synth_pose")
    code, out, _ = command("verify", *words)
    assert code == 0
    assert [line.split(":")[0] for line in out.splitlines()] == ["synth_age", "synth_pose"]
    assert most == 1
    assert "synth_pose" in drawn.getvalue()


def test_json_to_standard_output_is_alone_there(command, models, synthetic):
    words = ("verify", "--ckpt", models[0], "--data", synthetic, "--targets", "synth_age")
    code, out, errors = command(*words, "--json", "-")
    assert code == 0
    assert json.loads(out)["targets"].keys() == {"synth_age"}
    assert "synth_age: " in errors


def test_json_through_a_link_a_pipe_and_a_device(command, models, synthetic, tmp_path):
    """As root the link /dev/stdout was replaced by a file, for every program of the machine."""
    words = ("verify", "--ckpt", models[0], "--data", synthetic, "--targets", "synth_age")
    (tmp_path / "real").mkdir()
    (tmp_path / "link.json").symlink_to("real/v.json")
    assert command(*words, "--json", tmp_path / "link.json")[0] == 0
    assert (tmp_path / "link.json").is_symlink()
    whole = (tmp_path / "real" / "v.json").read_text()
    os.mkfifo(tmp_path / "pipe")
    read = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_text()))
    reader.start()
    assert command(*words, "--json", tmp_path / "pipe")[0] == 0
    reader.join(timeout=60)
    assert json.loads(read[0]) == json.loads(whole)
    (tmp_path / "null").symlink_to("/dev/null")
    assert command(*words, "--json", tmp_path / "null")[0] == 0
    assert Path("/dev/null").is_char_device()
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"real", "link.json", "link.npz", "pipe", "null"}  # no .npz beside a stream


def test_outputs_are_checked_before_the_model_is_read(command, synthetic, tmp_path, monkeypatch):
    words = ("verify", "--ckpt", tmp_path / "gone.onnx", "--data", synthetic)
    (tmp_path / "v.npz").mkdir()
    assert "v.npz: is a directory" in command(*words, "--json", tmp_path / "v.json")[2]
    (tmp_path / "file").touch()
    assert "is a file" in command(*words, "--pictures", tmp_path / "file")[2]
    runs = ("compare", tmp_path / "gone1", tmp_path / "gone2")
    assert "is a file" in command(*runs, "--out", tmp_path / "file")[2]
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)  # root may write
    assert "no permission" in command(*words, "--json", tmp_path / "w.json")[2]
    assert "no permission" in command(*words, "--pictures", tmp_path / "new")[2]
    assert "no permission" in command(*runs, "--out", tmp_path / "out")[2]


def test_a_pair_file_in_place_of_its_directory(command, models, synthetic):
    code, _, errors = command("verify", "--ckpt", models[0], "--data", synthetic / "synth_age.bin")
    assert code == 2
    assert "is a file; give its folder as --data and synth_age as a target" in errors


def test_a_pair_file_of_one_kind_is_warned_of(command, models, synthetic, tmp_path):
    images, _ = read_pairs(synthetic / "synth_age.bin")
    write_pairs(tmp_path / "same.bin", images, [True] * (len(images) // 2))
    write_pairs(tmp_path / "both.bin", images, [k % 2 == 0 for k in range(len(images) // 2)])
    code, _, errors = command("verify", "--ckpt", models[0], "--data", tmp_path)
    assert code == 0
    assert f"same.bin: all {len(images) // 2} pairs are same, so accuracy means nothing" in errors
    assert "no TAR at FAR 1e-1, 1e-2, 1e-3 and 1e-4: they need 100, 1,000," in errors
    assert "same has" not in errors
    assert "both.bin" not in errors
