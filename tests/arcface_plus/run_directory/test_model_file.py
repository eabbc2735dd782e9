"""A model's weights and card: written whole, read with one line for whatever is wrong."""

from __future__ import annotations

import json

import pytest
import torch

from arcface_plus.run_directory.model_file import (
    ModelCard,
    load_weights,
    read_identity,
    write_model,
)
from data_prep.errors import DataError
from data_prep.files import sha256_of

CARD = ModelCard("tiny", {"width": 0.5}, 32)


def test_both_files_are_read_as_they_were_written(tmp_path):
    weights = {"a": torch.arange(6.0).reshape(2, 3).T, "n": torch.tensor(3)}
    path = tmp_path / "m.safetensors"
    write_model(path, weights, CARD.at(7), "run step 7")
    found = load_weights(path)
    assert all(torch.equal(found[name], tensor) for name, tensor in weights.items())
    card = ModelCard.read(tmp_path / "m.json")
    assert card.alone() == CARD.at(7)
    assert (card.schema, card.weights_sha256) == (2, sha256_of(path))
    assert read_identity(path) == "run step 7"
    write_model(path, weights, CARD)
    assert read_identity(path) == ""


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"schema": 3}, "model card of schema 3, from a newer version"),
        ({"input_size": [224, 224]}, "input_size 224×224: only 112×112 is supported"),
        ({"input_size": 224}, "not a model card: input_size"),
        ({"parameters": []}, "not a model card: parameters"),
        ({"scale": "x"}, "not a model card: scale"),
        ({"scale": 0}, "not a model card: scale"),
        ({"backbone": 3}, "not a model card: backbone"),
        ({"weights_sha256": "12ab"}, "not a model card: weights_sha256"),
        ({"colour": "RGB"}, "unknown key 'colour'"),
    ],
)
def test_cards_that_are_none(tmp_path, changed, said):
    card = json.loads(CARD.to_json()) | changed
    with pytest.raises(DataError, match=said):
        ModelCard.parse(json.dumps(card), tmp_path / "m.json")


def test_files_that_are_none(tmp_path):
    (tmp_path / "m.json").write_text("[]")
    with pytest.raises(DataError, match=r"m\.json: not a model card"):
        ModelCard.read(tmp_path / "m.json")
    with pytest.raises(DataError, match=r"needs the \.json that was exported with it"):
        ModelCard.read(tmp_path / "gone.json")
    (tmp_path / "m.safetensors").write_bytes(b"\xff" * 64)
    for read in (load_weights, read_identity):
        with pytest.raises(DataError, match=r"m\.safetensors: not readable as \.safetensors"):
            read(tmp_path / "m.safetensors")
        with pytest.raises(DataError, match="no such file"):
            read(tmp_path / "gone.safetensors")


def test_a_card_knows_its_weights(tmp_path):
    path = tmp_path / "m.safetensors"
    write_model(path, {"a": torch.ones(3)}, CARD)
    card = ModelCard.read(tmp_path / "m.json")
    card.check_weights(path)
    CARD.check_weights(tmp_path / "gone")  # a card of an older version has no hash
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"m\.safetensors: damaged or replaced: .* in m\.json"):
        card.check_weights(path)
