"""Angles of layers: against the naive way, zero rows, the classifier, several models."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from arcface_plus.commands.angles import angles
from arcface_plus.evaluation.layer_angles import layer_names, measure, write_png
from arcface_plus.models.backbones import IResNet, MobileFaceNet
from arcface_plus.models.shards import Shards
from arcface_plus.run_directory.checkpoint import Checkpoints
from arcface_plus.run_directory.class_files import WEIGHT, ClassRows
from arcface_plus.run_directory.model_file import ModelCard, write_model
from arcface_plus.run_directory.training_state import Training, load_class_weights
from data_prep.errors import DataError


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return MobileFaceNet(embedding_dim=16, width=0.125).eval()


@pytest.fixture(scope="module")
def run(network, tmp_path_factory):
    classifier = torch.randn(20, 16)
    classifier[3] = 2 * classifier[5]
    classifier[7] = 0
    training = Training(
        step=9, seed=0, elapsed_seconds=0.0, classes=20, samples=1,
        classifier={}, optimizer={}, scaler={},
    )  # fmt: skip
    run = tmp_path_factory.mktemp("runs") / "arcface"
    card = ModelCard("mobilefacenet", {"width": 0.125}, embedding_dim=16, step=9)
    Checkpoints(run, keep=1).save(
        training, ClassRows(Shards(20), {WEIGHT: classifier}), network.state_dict(), card
    )
    return run


def naive(weight: torch.Tensor) -> tuple[float, float]:
    """Smallest and mean, by the whole matrix of cosines."""
    rows = weight.detach().reshape(len(weight), -1).double().numpy()
    rows = rows[np.abs(rows).sum(1) > 0]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    cosine = rows @ rows.T
    np.fill_diagonal(cosine, -1)
    nearest = np.degrees(np.arccos(cosine.max(1).clip(-1, 1)))
    return nearest.min(), nearest.mean()


def test_every_layer_as_by_the_naive_way(network, run):
    found = measure(run)
    assert (found.backbone, found.step, found.classifier_absent) == ("mobilefacenet", 9, "")
    modules = dict(network.named_modules())
    expected = [n for n, m in modules.items() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    assert [layer.name for layer in found.layers] == [*expected, "classifier"]
    for layer in found.layers[:-1]:
        weight = modules[layer.name].weight
        assert (layer.rows, layer.dimensions) == (len(weight), weight[0].numel())
        smallest, mean = naive(weight)
        assert layer.smallest_deg == pytest.approx(smallest, abs=1e-3)
        assert layer.mean_deg == pytest.approx(mean, abs=1e-3)
    kinds = {layer.kind for layer in found.layers}
    assert kinds == {"convolution", "depthwise convolution", "linear", "classifier"}


def test_the_classifier_with_a_double_and_a_zero_row(run):
    layer = measure(run).layers[-1]
    assert (layer.name, layer.kind, layer.rows, layer.zero_rows) == ("classifier",) * 2 + (20, 1)
    assert layer.smallest_deg == pytest.approx(0, abs=1e-5)
    weight = load_class_weights(run / "checkpoints" / "step_00000009")
    assert layer.mean_deg == pytest.approx(naive(weight)[1], abs=1e-3)


def test_exported_models_have_no_classifier(network, tmp_path, capsys):
    path = tmp_path / "m.safetensors"
    card = ModelCard("mobilefacenet", {"width": 0.125}, embedding_dim=16)
    write_model(path, network.state_dict(), card)
    angles([path])
    assert "no classifier: exported models have no class weights" in capsys.readouterr().out


def test_a_layer_of_too_few_directions_has_no_angle(tmp_path):
    network = IResNet((1, 1, 1, 1), embedding_dim=4)
    with torch.no_grad():
        network.conv1.weight[1:] = 0
    torch.save(network.state_dict(), tmp_path / "a.pth")
    first = measure(tmp_path / "a.pth").layers[0]
    assert (first.zero_rows, first.smallest_deg, first.mean_deg) == (63, None, None)
    with torch.no_grad():
        network.conv1.weight[0, 0, 0, 0] = math.nan
    torch.save(network.state_dict(), tmp_path / "a.pth")
    with pytest.raises(DataError, match=r"a\.pth: the weights of conv1 are not finite"):
        measure(tmp_path / "a.pth")


def test_the_classifier_is_the_last_layer_of_several_models(run):
    model = measure(run)
    assert layer_names([model, replace(model, layers=model.layers[::-1])])[-1] == "classifier"


def test_names_of_files_are_no_formulas_in_the_picture(run, tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    shown = []
    save = Figure.savefig

    def looking(figure, *words, **options):
        texts = figure.axes[0].get_legend().get_texts()
        shown.extend((text.get_text(), text.get_parse_math()) for text in texts)
        save(figure, *words, **options)

    monkeypatch.setattr(Figure, "savefig", looking)
    model = measure(run)
    names = ("/a/$x_{$", "/a/_hidden", "/a/\x1b[31m")
    write_png(tmp_path / "a.png", [replace(model, checkpoint=name) for name in names])
    assert shown == [("$x_{$", False), (" _hidden", False), ("\\x1b[31m", False)]
