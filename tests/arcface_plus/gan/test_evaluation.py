"""Pictures and scores of a generator, and the files that hold them."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import torch
from gan_runs import gan_config, real_batch

from arcface_plus.gan.evaluation import (
    Abandoned,
    Evaluation,
    generated,
    text_of,
    write_picture,
)
from arcface_plus.gan.images import RealImages
from arcface_plus.gan.inception_score import inception_score
from arcface_plus.gan.judge import Judge
from arcface_plus.gan.latents import Stream, latents

REAL = RealImages(((real_batch(30) + 1) * 127.5).byte().permute(0, 2, 3, 1).contiguous(), "x")


def logits(pixels: torch.Tensor) -> torch.Tensor:
    return pixels.float().mean((1, 2)) * 3


JUDGE = Judge(logits, {"name": "the mean colour", "sha256": "0"})


@pytest.fixture
def generator():
    torch.manual_seed(0)
    return gan_config(None).build_generator()


def test_pixels_are_those_of_an_image_file():
    values = torch.tensor([-1.0, -0.999, 0.1, 0.5, 0.999, 1.0]).reshape(1, 3, 1, 2)
    found = generated(lambda z: z, values)
    assert found.dtype == torch.uint8
    assert found.tolist() == [[[[0, 140, 255], [0, 191, 255]]]]


def test_an_evaluation_is_scored_as_by_hand(tmp_path, generator):
    evaluation = Evaluation(tmp_path, seed=3, samples=20, real=REAL, judge=JUDGE)
    before = {n: b.clone() for n, b in generator.named_buffers()}
    figures = evaluation.make(generator, 7, lambda: False)
    assert generator.training
    assert all(torch.equal(b, before[n]) for n, b in generator.named_buffers())
    generator.eval()
    pixels = generated(generator, latents(Stream.SCORE, 3, 0, 20, 5))
    probabilities = logits(pixels).double().softmax(1).numpy()
    score = inception_score(probabilities, 10)
    assert figures["inception_score"] == score.to_json()
    real = inception_score(logits(REAL.pixels[:20]).double().softmax(1).numpy(), 10)
    assert figures["real_images"] == real.to_json()
    assert (figures["samples"], figures["classifier"]) == (20, JUDGE.facts)
    assert json.loads((tmp_path / "eval/step_00000007.json").read_text()) == figures
    assert text_of(figures) == (
        f"inception score {score.mean:.3f} ± {score.std:.3f} (real images {real.mean:.3f}; "
        "by the mean colour)"
    )


def test_batches_do_not_change_a_score(tmp_path, generator, monkeypatch):
    whole = Evaluation(tmp_path, 3, 20, REAL, JUDGE).make(generator, 1, lambda: False)
    again = Evaluation(tmp_path, 3, 20, REAL, JUDGE).make(generator, 1, lambda: False)
    assert whole == again


def test_without_a_classifier_there_is_a_picture_alone(tmp_path, generator):
    evaluation = Evaluation(tmp_path, 3, 20, REAL)
    figures = evaluation.make(generator, 7, lambda: True)
    assert "inception_score" not in figures
    assert text_of(figures) == ""
    picture = cv2.imread(str(tmp_path / "samples/step_00000007.png"))[..., ::-1]
    generator.eval()
    first = generated(generator, latents(Stream.PICTURE, 3, 0, 64, 5))[0].numpy()
    assert picture.shape == (8 * 66 + 2, 8 * 66 + 2, 3)
    assert np.array_equal(picture[2:66:2, 2:66:2], first)
    assert evaluation.best() is None


def test_a_picture_has_every_image_in_its_place(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (9, 5, 5, 3), np.uint8)
    write_picture(tmp_path / "a/b.png", pixels)
    found = cv2.imread(str(tmp_path / "a/b.png"))[..., ::-1]
    for k in range(9):
        top, left = 2 + 12 * (k // 3), 2 + 12 * (k % 3)
        assert np.array_equal(found[top : top + 10 : 2, left : left + 10 : 2], pixels[k])


def test_a_signal_ends_a_score_and_nothing_is_written(tmp_path, generator):
    with pytest.raises(Abandoned):
        Evaluation(tmp_path, 3, 20, REAL, JUDGE).make(generator, 7, lambda: True)
    assert generator.training
    assert list(tmp_path.iterdir()) == []


def test_what_was_made_by_another_judge_is_not_compared(tmp_path, generator):
    ours = Evaluation(tmp_path, 3, 20, REAL, JUDGE)
    made = ours.make(generator, 2, lambda: False)
    later = {**made, "step": 4, "inception_score": {**made["inception_score"], "mean": 99.0}}
    (tmp_path / "eval/step_00000004.json").write_text(json.dumps(later))
    other = {**later, "classifier": {"name": "another"}, "step": 6}
    other["inception_score"] = {**made["inception_score"], "mean": 100.0}
    (tmp_path / "eval/step_00000006.json").write_text(json.dumps(other))
    (tmp_path / "eval/step_00000008.json").write_text("half")
    assert ours.best()["step"] == 4
    assert ours.made(2) == made
    assert ours.made(4) is None  # no picture
    assert ours.made(9) is None
    assert Evaluation(tmp_path, 3, 30, REAL, JUDGE).made(2) is None
