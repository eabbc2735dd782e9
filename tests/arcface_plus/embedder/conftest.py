"""Images, a small network and its exported file, for the tests of model files."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from networks import settled

from arcface_plus.models.backbones import IResNet, MobileFaceNet
from arcface_plus.run_directory.model_file import ModelCard, write_model


@pytest.fixture(scope="session")
def images():
    return np.random.default_rng(0).integers(0, 256, (5, 112, 112, 3), np.uint8)


@pytest.fixture(scope="session")
def small():
    torch.manual_seed(0)
    return settled(MobileFaceNet(embedding_dim=24, width=0.25))


@pytest.fixture(scope="session")
def shallow():
    """An IResNet of one unit a stage, two in the second."""
    torch.manual_seed(0)
    return settled(IResNet((1, 2, 1, 1), embedding_dim=16))


@pytest.fixture(scope="session")
def exported(small, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "m.safetensors"
    card = ModelCard(backbone="mobilefacenet", parameters={"width": 0.25}, embedding_dim=24)
    write_model(path, small.state_dict(), card)
    return path
