"""Losses of pytorch-metric-learning by name, with miners; and what is said when one is wrong."""

from __future__ import annotations

import sys

import pytest
import torch
import torch.nn.functional as F

from arcface_plus.models.auxiliary import AUXILIARY
from arcface_plus.models.auxiliary.metric_learning import LOSSES, MINERS, MetricLearningLoss

pytest.importorskip("pytorch_metric_learning")
REQUIRED = {"RankedListLoss": {"margin": 0.4, "Tn": 1.0}}


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(12, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return x.requires_grad_(), torch.arange(12) % 4


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_has_a_gradient(name: str) -> None:
    x, labels = batch()
    value = AUXILIARY[name](**REQUIRED.get(name, {}))(x, labels)
    assert value.shape == ()
    assert value.isfinite()
    (grad,) = torch.autograd.grad(value, x)
    assert grad.isfinite().all()
    assert grad.abs().sum() > 0


def test_triplet_is_the_mean_over_violating_triplets_of_unit_embeddings() -> None:
    x, labels = batch()
    unit = F.normalize(x)
    violations = [
        float(((unit[a] - unit[p]).norm() - (unit[a] - unit[n]).norm() + 0.2).detach())
        for a in range(12)
        for p in range(12)
        for n in range(12)
        if a != p and labels[a] == labels[p] != labels[n]
    ]
    positive = [v for v in violations if v > 0]
    loss = AUXILIARY["TripletMarginLoss"](margin=0.2)
    assert loss(x, labels).item() == pytest.approx(sum(positive) / len(positive))


@pytest.mark.parametrize("miner", MINERS)
def test_every_miner_chooses(miner: str) -> None:
    x, labels = batch()
    name = "TripletMarginLoss"
    value = AUXILIARY[name](miner=miner)(x, labels)
    assert value.isfinite()


def test_a_miner_is_used() -> None:
    x, labels = batch()
    mined = MetricLearningLoss("TripletMarginLoss", "BatchHardMiner")(x, labels)
    assert mined.item() > MetricLearningLoss("TripletMarginLoss")(x, labels).item()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"loss": "TripletMarginLoss", "margn": 1.0}, r"MarginLoss: got an unexpected .* 'margn'"),
        ({"loss": "RankedListLoss"}, r"RankedListLoss: missing 2 required .* 'margin' and 'Tn'"),
        ({"loss": "MarginLoss", "learn_beta": True}, "MarginLoss: learned weights are not"),
        ({"loss": "NCALoss", "miner": "Hard"}, r"unknown miner Hard \(known: AngularMiner, "),
        ({"loss": "NCALoss", "miner_parameters": {"epsilon": 1}}, "miner_parameters without a"),
        (
            {"loss": "NCALoss", "miner": "BatchHardMiner", "miner_parameters": {"x": 1}},
            "BatchHardMiner: got an unexpected",
        ),
    ],
)
def test_mistakes_are_one_line(arguments, said: str) -> None:
    with pytest.raises(ValueError, match=said) as raised:
        MetricLearningLoss(**arguments)
    assert "\n" not in str(raised.value)


def test_without_the_package_the_extra_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pytorch_metric_learning.losses", None)
    with pytest.raises(ValueError, match=r"NCALoss needs .* `pip install arcface-plus\[metric-"):
        MetricLearningLoss("NCALoss")
