"""`arcface-plus gan`: its exit statuses, and that errors are one line."""

from __future__ import annotations

from command_line import arcface_plus
from gan_runs import QUICK
from labelled_files import cifar_10_batches, write_pickles

WORDS = [word for setting in (*QUICK, "optimizer.steps=1") for word in ("--set", setting)]


def test_a_run_begins_in_its_default_folder_and_is_done_once(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_pickles(tmp_path / "cifar", cifar_10_batches(2))
    words = ("gan", "cifar10_gan_mhe", *WORDS, "--set", "data.train=cifar")
    assert arcface_plus(capsys, *words).status == 0
    assert (tmp_path / "runs/cifar10_gan_mhe/summary.json").is_file()
    again = arcface_plus(capsys, *words)
    assert again.status == 0
    assert "finished at step 1" in again.err
    assert arcface_plus(capsys, *words, "--fresh", "--out", "elsewhere").status == 0
    assert (tmp_path / "elsewhere/samples/step_00000001.png").is_file()


def test_errors_are_one_line(tmp_path, capsys):
    arcface_plus(capsys, "gan", "cifar10_gun").assert_one_line("no such GAN recipe", "cifar10_gan")
    arcface_plus(capsys, "gan", "cifar10_gan", "--out", tmp_path / "x").assert_one_line(
        "missing key data.train"
    )
    words = ("gan", "cifar10_gan", "--set", "data.train=/nowhere", "--out", tmp_path / "x")
    arcface_plus(capsys, *words).assert_one_line("/nowhere: no such folder")


def test_divergence_has_status_3(tmp_path, capsys):
    write_pickles(tmp_path / "cifar", cifar_10_batches(2))
    words = [*WORDS, "--set", f"data.train={tmp_path}/cifar", "--set", "optimizer.lr=1.0e30",
             "--set", "optimizer.steps=9", "--out", tmp_path / "run"]  # fmt: skip
    found = arcface_plus(capsys, "gan", "cifar10_gan", *words)
    assert found.status == 3
    assert "not finite" in found.err.splitlines()[-1]
