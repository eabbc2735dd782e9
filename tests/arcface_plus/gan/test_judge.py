"""Classifiers that score images: a run of ours, torchvision's file; others are refused."""

from __future__ import annotations

import pytest
import torch
from classification_runs import classification
from labelled_files import cifar_10_batches, images, write_mnist, write_pickles
from torch import nn

from arcface_plus.embedder.classifier import load_classifier
from arcface_plus.gan.judge import load_judge
from arcface_plus.training.run import execute
from data_prep.errors import DataError

CPU = torch.device("cpu")
PIXELS = torch.from_numpy(images(5, 32, 3))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("judge")
    write_pickles(folder / "data", cifar_10_batches(8))
    execute(classification(folder / "data", "optimizer.steps=2"), folder / "run")
    return folder / "run"


def test_a_run_gives_the_softmax_of_its_logits(run):
    judge = load_judge(run, CPU, 32)
    found = judge.probabilities(PIXELS)
    loaded = load_classifier(run)
    mean, std = (torch.tensor(values) for values in loaded.channels)
    features = loaded.network(((PIXELS.float() - mean) / std).permute(0, 3, 1, 2))
    logits = features @ loaded.classifier.weight.T + loaded.classifier.bias
    expected = logits.detach().double().softmax(1)
    assert found.dtype == "float64"
    torch.testing.assert_close(torch.from_numpy(found), expected, rtol=1e-4, atol=1e-6)
    assert judge.name == "cnn9 with 10 classes"
    assert (judge.facts["kind"], judge.facts["step"]) == ("run", 2)
    assert judge.facts["sha256"] == loaded.card.weights_sha256


def test_torchvisions_file(tmp_path, monkeypatch):
    """With a network of its class's shape, but small: the real one takes seconds to build."""

    class Small(nn.Module):
        def __init__(self, init_weights: bool) -> None:
            super().__init__()
            assert init_weights is False
            self.conv, self.bn = nn.Conv2d(3, 4, 3, stride=50), nn.BatchNorm2d(4)

        def forward(self, x):
            assert x.shape[1:] == (3, 299, 299)
            assert not self.training
            self.seen = x
            return self.bn(self.conv(x)).mean((2, 3))

    monkeypatch.setattr("torchvision.models.inception.Inception3", Small)
    torch.save(Small(False).state_dict(), tmp_path / "inception.pth")
    judge = load_judge(tmp_path / "inception.pth", CPU, 32)
    found = judge.probabilities(PIXELS)
    assert found.shape == (5, 4)
    assert found.sum(1) == pytest.approx(1.0)
    assert judge.name == "torchvision's inception_v3 with 1000 classes"
    assert len(str(judge.facts["sha256"])) == 64
    grey = torch.full((1, 32, 32, 3), 255, dtype=torch.uint8)
    networks = [c.cell_contents for c in judge.logits.__closure__]
    judge.probabilities(grey)
    (network,) = (n for n in networks if isinstance(n, Small))
    torch.testing.assert_close(network.seen, torch.ones(1, 3, 299, 299))


def test_what_is_refused(run, tmp_path):
    with pytest.raises(DataError, match=r"eval\.classifier: .*absent: no such run or file"):
        load_judge(tmp_path / "absent", CPU, 32)
    torch.save({"w": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(DataError, match=r"other\.pth: not weights of torchvision's inception_v3"):
        load_judge(tmp_path / "other.pth", CPU, 32)
    with pytest.raises(DataError, match=r"takes images of 32×32, the GAN makes 48×48"):
        load_judge(run, CPU, 48)
    write_mnist(tmp_path / "data", train=30)
    cosines = classification(tmp_path / "data", "head=arcface", "optimizer.steps=1",
                             "optimizer.milestones=[]", name="mnist_2d")  # fmt: skip
    execute(cosines, tmp_path / "cosines")
    with pytest.raises(DataError, match=r"its head arcface gives cosines and no probabilities"):
        load_judge(tmp_path / "cosines", CPU, 28)
