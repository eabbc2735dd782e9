"""Points of a network with two features: every image's, in order, with its class and prediction."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from labelled_files import write_mnist

from arcface_plus.embedder.classifier import LoadedClassifier
from arcface_plus.evaluation.plane_features import plane_features, write_npz
from arcface_plus.models.classifier import Classifier
from arcface_plus.models.heads import LinearSoftmax
from arcface_plus.models.networks import cnn6, mnist_2d
from arcface_plus.run_directory.classifier_card import ClassifierCard
from data_prep.errors import UserError
from data_prep.labelled_images import open_labelled_images

CPU = torch.device("cpu")


@pytest.fixture
def digits(tmp_path):
    write_mnist(tmp_path, test=23)
    return open_labelled_images(tmp_path, "test")


def loaded(network, features: int) -> LoadedClassifier:
    card = ClassifierCard(
        backbone="mnist_2d", parameters={}, head="linear_softmax", head_parameters={}, classes=10,
        class_names=tuple("0123456789"), input_size=(28, 28), mean=(33.0,) * 3, std=(78.0,) * 3,
    )  # fmt: skip
    classifier = Classifier(features, 10, LinearSoftmax(), std=1.0)
    torch.nn.init.normal_(classifier.bias)
    return LoadedClassifier(network.eval(), classifier, card)


@pytest.mark.parametrize("batch_size", [4, 500])
def test_every_image_has_its_point_and_prediction(digits, tmp_path, batch_size):
    torch.manual_seed(0)
    model = loaded(mnist_2d(width=2), 2)
    found = plane_features("run", model, digits, CPU, rare=(0,), batch_size=batch_size)
    pixels = torch.from_numpy(np.stack([digits.image(i) for i in range(23)]))
    with torch.no_grad():
        features = model.network((pixels.permute(0, 3, 1, 2).float() - 33) / 78)
        scores = features @ model.classifier.weight.T + model.classifier.bias
    assert found.features == pytest.approx(features.numpy(), abs=1e-5)
    assert np.array_equal(found.predictions, scores.argmax(1).numpy())
    assert len(set(found.predictions.tolist())) > 1
    assert np.array_equal(found.labels, digits.labels)
    assert found.result.top1 == np.mean(found.predictions == digits.labels)

    write_npz(tmp_path / "points.npz", [found, found])
    with np.load(tmp_path / "points.npz", allow_pickle=False) as arrays:
        assert arrays["checkpoints"].tolist() == ["run", "run"]
        assert np.array_equal(arrays["features"][1], found.features)
        assert np.array_equal(arrays["predictions"][1], found.predictions)
        assert np.array_equal(arrays["class_weights"][0], model.classifier.weight.detach().numpy())
        assert np.array_equal(arrays["labels"], digits.labels)
        assert arrays["class_names"].tolist() == list("0123456789")


def test_another_number_of_features_is_refused(digits):
    model = loaded(cnn6(side=28, width=2, embedding_dim=3), 3)
    with pytest.raises(UserError, match="runs/a: its network has 3 features, only two can be"):
        plane_features("runs/a", model, digits, CPU)
