"""The command `report`: one run as a page, and folders that are no runs."""

from __future__ import annotations

import json

import numpy as np
import pytest

from arcface_plus.cli import main
from arcface_plus.evaluation.verification import pairs_digest
from data_prep.pairs import write_pairs
from eval.scores import PairScores, scores_file, write_scores
from eval.verification import verify

IMAGES = [bytes([0xFF, 0xD8, 0xFF, i]) for i in range(80)]
SAME = np.arange(40) % 2 == 0


@pytest.fixture
def report(capsys):
    def call(*words: object) -> tuple[int, str]:
        with pytest.raises(SystemExit) as left:
            main(["report", *map(str, words)])
        captured = capsys.readouterr()
        assert captured.out == ""
        return int(left.value.code or 0), captured.err

    return call


@pytest.fixture
def run(tmp_path):
    """A run as training leaves it, without checkpoints."""
    folder = tmp_path / "run"
    (folder / "eval").mkdir(parents=True)
    rng = np.random.default_rng(0)
    found = verify(rng.normal(size=(40, 4)), rng.normal(size=(40, 4)), SAME)
    figures = found.to_json(images=80, unique_images=80, embedding_norm_mean=1.0)
    content = {"schema": 1, "checkpoint": "x", "protocol": "10-fold", "flip": True}
    content["targets"] = {"t": figures | {"pairs_sha256": pairs_digest(IMAGES, SAME)}}
    file = folder / "eval" / "step_00000002.json"
    file.write_text(json.dumps(content))
    write_scores(scores_file(file), {"t": PairScores(found.distances, found.truth)})
    (folder / "config.yaml").write_text("run: {name: x, seed: 3}\n")
    (folder / "metrics.jsonl").write_text('{"step": 1, "loss": 2.0, "loss_margin": 2.5}\n')
    return folder


def test_the_page_lies_in_the_run_unless_told_otherwise(report, run, tmp_path):
    code, said = report(run)
    assert code == 0
    assert sorted(path.name for path in run.glob("report.*")) == ["report.html", "report.md"]
    assert f"wrote {run / 'report.html'}" in " ".join(said.split())
    assert report(run, "--out", tmp_path / "new" / "folder")[0] == 0
    page = (tmp_path / "new" / "folder" / "report.html").read_text()
    assert "step 2, seed 3" in page
    assert "<figcaption>ROC on t</figcaption>" in page
    assert "data:image" not in page


def test_the_worst_pairs_are_shown_with_their_images(report, run, tmp_path):
    write_pairs(tmp_path / "t.bin", IMAGES, SAME.tolist())
    assert report(run, "--data", tmp_path)[0] == 0
    assert "data:image/jpeg" in (run / "report.html").read_text()
    write_pairs(tmp_path / "t.bin", IMAGES[::-1], SAME.tolist())
    code, said = report(run, "--data", tmp_path)
    assert (code, said.count("\n")) == (2, 1)
    assert "not the pairs that run was verified on" in said


def test_a_verification_file_is_reported_beside_it(report, run, tmp_path):
    file = tmp_path / "v.json"
    (run / "eval" / "step_00000002.json").rename(file)
    assert report(file)[0] == 0
    assert "<h1>v</h1>" in (tmp_path / "report.html").read_text()


def test_a_run_that_was_not_verified_yet_has_its_curves(report, run):
    for file in (run / "eval").iterdir():
        file.unlink()
    code, said = report(run)
    assert code == 0
    assert "not verified yet" in said
    page = (run / "report.html").read_text()
    assert "<figcaption>Loss without the regularizer</figcaption>" in page
    assert "Not verified yet" in (run / "report.md").read_text()


@pytest.mark.parametrize("content", [(), ("config.yaml",), ("metrics.jsonl",)])
def test_a_folder_that_is_no_run_is_refused_in_one_line(report, tmp_path, content):
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in content:
        (folder / name).touch()
    code, said = report(folder)
    assert (code, said.count("\n")) == (2, 1)
    assert f"{folder}: not a run directory" in said
    assert sorted(path.name for path in folder.iterdir()) == sorted(content)


def test_a_missing_run_and_a_broken_file_are_one_line(report, run, tmp_path):
    code, said = report(tmp_path / "nowhere")
    assert (code, said.count("\n")) == (2, 1)
    assert "nowhere: no such run" in said
    (run / "metrics.jsonl").write_text("{\n{}\n")
    code, said = report(run)
    assert (code, said.count("\n")) == (2, 1)
    assert "metrics.jsonl: line 1: not JSON" in said
    assert not (run / "report.html").exists()
