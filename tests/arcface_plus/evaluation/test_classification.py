"""A classifier on the images of a split: every image once, in order, normalized."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from labelled_files import write_mnist

from arcface_plus.data.channels import CENTRED, Channels
from arcface_plus.evaluation.classification import (
    ClassificationReport,
    classify_images,
    scoring,
)
from arcface_plus.models.classifier import Classifier
from arcface_plus.models.heads import ArcFace, LinearSoftmax
from arcface_plus.models.networks import mnist_2d
from data_prep.errors import DataError, UserError
from data_prep.labelled_images import LabelledImages, open_labelled_images
from eval.classification import classify

CPU = torch.device("cpu")


@pytest.fixture
def digits(tmp_path) -> LabelledImages:
    write_mnist(tmp_path, test=23)
    return open_labelled_images(tmp_path, "test")


@pytest.mark.parametrize("batch_size", [1, 10, 23, 500])
def test_the_figures_of_all_images_whatever_the_batches(
    digits: LabelledImages, batch_size: int
) -> None:
    torch.manual_seed(0)
    network, classifier = mnist_2d(width=2).eval(), Classifier(2, 10, LinearSoftmax())
    channels = Channels((33.0, 33.0, 33.0), (78.0, 78.0, 78.0))

    torch.nn.init.normal_(classifier.bias)

    def logits(images: torch.Tensor) -> torch.Tensor:
        return network(images) @ classifier.weight.T + classifier.bias

    pixels = np.stack([digits.image(i) for i in range(23)])
    with torch.no_grad():
        images = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() - 33) / 78
        expected = classify(logits(images).numpy(), digits.labels)
    result = classify_images(scoring(network, classifier), digits, channels, CPU, batch_size)
    assert np.array_equal(result.ranks, expected.ranks)
    assert result.to_json() == expected.to_json()


def test_a_perfect_classifier(digits: LabelledImages) -> None:
    """One that looks the images up: its error is 0 only if images and labels stay together."""
    known = [digits.image(i).astype(np.float64).mean() for i in range(23)]

    def logits(images: torch.Tensor) -> torch.Tensor:
        means = (images.double() * 128 + 127.5).mean(dim=(1, 2, 3))
        nearest = (means[:, None] - torch.tensor(known)).abs().argmin(dim=1)
        return torch.eye(10)[torch.from_numpy(digits.labels)[nearest]]

    result = classify_images(logits, digits, CENTRED, CPU, batch_size=7)
    assert result.top1 == 1.0
    assert not result.errors_per_class.any()


def test_another_number_of_classes(digits: LabelledImages) -> None:
    with pytest.raises(DataError, match="has 10 classes, the classifier 7"):
        classify_images(lambda images: torch.zeros(len(images), 7), digits, CENTRED, CPU)


def test_logits_that_are_not_finite(digits: LabelledImages) -> None:
    def logits(images: torch.Tensor) -> torch.Tensor:
        return torch.full((len(images), 10), torch.nan if len(images) < 7 else 0.0)

    with pytest.raises(UserError, match="image 21: its scores are not finite"):
        classify_images(logits, digits, CENTRED, CPU, batch_size=7)


def test_a_margin_head_is_ranked_by_cosine() -> None:
    torch.manual_seed(0)
    classifier = Classifier(4, 10, ArcFace())
    features = 9 * torch.randn(6, 4)
    cosine = torch.nn.functional.cosine_similarity(features[:, None], classifier.weight[None], 2)
    assert torch.allclose(scoring(torch.nn.Identity(), classifier)(features), cosine, atol=1e-6)


def test_the_report(tmp_path: Path) -> None:
    result = classify(np.eye(10)[[0, 1, 2, 3]], [0, 1, 2, 4])
    report = ClassificationReport(result)
    assert report.accuracies == {"test": 0.75}
    report.write(tmp_path / "r.json", "step_7")
    written = json.loads((tmp_path / "r.json").read_text())
    assert written == {"checkpoint": "step_7"} | result.to_json()
