"""An untrained run and a folder of crops, for the commands that look at images."""

from __future__ import annotations

import pytest
import torch

from arcface_plus.models.backbones import MobileFaceNet
from arcface_plus.run_directory.model_file import ModelCard, write_model
from data_prep.pairs import read_pairs


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """A run directory as far as these commands look at it: model, step 7."""
    torch.manual_seed(0)
    network = MobileFaceNet(embedding_dim=16, width=0.125).eval()
    card = ModelCard("mobilefacenet", {"width": 0.125}, embedding_dim=16, step=7)
    run = tmp_path_factory.mktemp("runs") / "run"
    folder = run / "checkpoints" / "step_00000007"
    folder.mkdir(parents=True)
    write_model(folder / "model.safetensors", network.state_dict(), card)
    return run


@pytest.fixture(scope="session")
def crops(synthetic, tmp_path_factory):
    """Six different crops: people/anna/0.jpg, 1.jpg, people/bob/2.jpg …"""
    root = tmp_path_factory.mktemp("crops")
    images = list(dict.fromkeys(read_pairs(synthetic / "synth_frontal.bin")[0]))[:6]
    for number, image in enumerate(images):
        file = root / "people" / ("anna", "anna", "bob", "bob", "bob", "cy")[number]
        file.mkdir(parents=True, exist_ok=True)
        (file / f"{number}.jpg").write_bytes(image)
    (root / "list.txt").write_text(
        "path,who\npeople/bob/2.jpg,bob\npeople/anna/0.jpg,anna\npeople/bob/3.jpg,bob\n"
    )
    (root / "plain.txt").write_text("people/bob/2.jpg\n\npeople/anna/0.jpg\n")
    return root
