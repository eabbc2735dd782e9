"""Every kind of model file gives the same embeddings; what does not fit is named."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from checkpoints import class_rows, training
from networks import assert_close, naive, settled
from safetensors.torch import save_file

from arcface_plus.embedder.load import load_embedder, load_model
from arcface_plus.embedder.state_dict_model import BackboneChoice
from arcface_plus.models.backbones import IResNet, Tiny
from arcface_plus.run_directory.checkpoint import Checkpoints
from arcface_plus.run_directory.model_file import ModelCard
from data_prep.errors import DataError, UserError


def test_safetensors(small, exported, images):
    found = load_embedder(exported)(images)
    assert (found.shape, found.dtype) == ((5, 24), np.float32)
    assert_close(found, naive(small, images))


def test_what_is_no_model_is_named(exported, tmp_path, images):
    def complaint(path) -> str:
        with pytest.raises(DataError) as caught:
            load_embedder(path)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    bad = tmp_path / "bad"
    for suffix in (".pt", ".pth", ".onnx", ".safetensors"):
        path = bad.with_suffix(suffix)
        path.write_bytes(b"nonsense")
        (path.with_suffix(".json")).write_text(exported.with_suffix(".json").read_text())
        assert path.name in complaint(path)
    (tmp_path / "x.txt").write_text("")
    assert "not a model file" in complaint(tmp_path / "x.txt")
    torch.save({"conv": torch.zeros(3)}, bad.with_suffix(".pt"))
    assert "match no known network" in complaint(bad.with_suffix(".pt"))
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes(exported.read_bytes())
    assert "name its backbone: --backbone" in complaint(alone)
    torch.save({"layer1.0.x": torch.zeros(3), "fc.weight": torch.zeros(())}, bad.with_suffix(".pt"))
    assert "not an IResNet: it lacks" in complaint(bad.with_suffix(".pt"))


def test_weights_of_another_architecture_say_which(exported, tmp_path):
    path = tmp_path / "m.safetensors"
    path.write_bytes(exported.read_bytes())
    card = json.loads(exported.with_suffix(".json").read_text())
    for changed, words in (
        ({"backbone": "r18", "parameters": {}}, "not the weights of r18: it lacks bn1.bias and"),
        ({"parameters": {"width": 0.5}}, "another shape of"),
        ({"backbone": "r19"}, r'm\.json: unknown backbone "r19" \(did you mean r18\?'),
    ):
        path.with_suffix(".json").write_text(json.dumps(card | changed))
        with pytest.raises(DataError, match=words):
            load_embedder(path)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"parameters": []}, "parameters: expected keys and values, got []"),
        ({"scale": "x"}, 'scale: expected a number, got "x"'),
        ({"schema": 3}, "model card of schema 3, from a newer version of arcface-plus; update it"),
        ({"schema": "1"}, 'schema: expected 1 or 2, got "1"'),
        ({"input_size": 224}, "input_size: expected a list, got 224"),
        ({"input_size": [224, 224]}, "input_size 224×224: only 112×112 is supported"),
        ({"embedding_dim": 10**400}, "embedding_dim: expected a number less than"),
        ({"dropout": 5}, "dropout: expected a number less than 1"),
        ({"parameters": {"width": 1e300}}, "m.json: width must be above 0 and at most 4"),
        ({"parameters": {"widht": 0.25}}, "unknown key backbone.widht (did you mean"),
    ],
)
def test_what_is_wrong_with_a_card_is_one_line_in_our_words(exported, tmp_path, changed, words):
    path = tmp_path / "m.safetensors"
    path.write_bytes(exported.read_bytes())
    card = json.loads(exported.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps(card | changed))
    with pytest.raises(DataError) as caught:
        load_embedder(path)
    assert str(caught.value).startswith(f"{tmp_path / 'm.json'}: ")
    assert words in str(caught.value)
    assert len(str(caught.value)) < 300


def test_images_of_another_kind_are_refused(exported, images):
    embedder = load_embedder(exported)
    for wrong in (images.astype(np.float32), images[:, :100], images[0]):
        with pytest.raises(UserError, match="images must be"):
            embedder(wrong)


def test_bare_safetensors_are_known_by_their_names_or_by_the_users_word(
    small, exported, images, tmp_path
):
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes(exported.read_bytes())
    embedder = load_embedder(alone, backbone=BackboneChoice("mobilefacenet", {"width": 0.25}))
    assert np.array_equal(embedder(images), load_embedder(exported)(images))
    network = settled(IResNet((1, 1, 1, 1), embedding_dim=8))
    save_file(network.state_dict(), alone)
    assert_close(load_embedder(alone)(images[:2]), naive(network, images[:2]))
    with pytest.raises(DataError, match="not the weights of mobilefacenet: it lacks"):
        load_embedder(alone, backbone=BackboneChoice("mobilefacenet", {}))
    with pytest.raises(DataError, match='--backbone: unknown backbone "r5"'):
        load_embedder(alone, backbone=BackboneChoice("r5", {}))
    with pytest.raises(DataError, match="width"):
        load_embedder(alone, backbone=BackboneChoice("r18", {"width": 2.0}))


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".ckpt", ".tar"])
def test_torch_files_of_any_suffix(images, tmp_path, suffix):
    network = settled(Tiny(embedding_dim=8, width=0.5))
    path = (tmp_path / "m").with_suffix(suffix)
    torch.save({"state_dict": network.state_dict(), "epoch": 3}, path)
    choice = BackboneChoice("tiny", {"width": 0.5})
    assert_close(load_embedder(path, backbone=choice)(images), naive(network, images))


def test_a_card_that_claims_a_giant_is_refused_without_building_it(exported, tmp_path):
    path = tmp_path / "m.safetensors"
    path.write_bytes(exported.read_bytes())
    card = json.loads(exported.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps(card | {"embedding_dim": 10**12}))
    with pytest.raises(DataError, match="another shape of"):
        load_embedder(path)


@pytest.mark.parametrize("changed", ["weights", "card"])
def test_damaged_or_exchanged_weights_are_refused(exported, tmp_path, changed):
    """Any bit; a card of an older version does not say what the weights are."""
    path = tmp_path / "m.safetensors"
    data, card = (
        bytearray(exported.read_bytes()),
        json.loads(exported.with_suffix(".json").read_text()),
    )
    if changed == "weights":
        data[len(data) // 2] ^= 4
    else:
        card["weights_sha256"] = "0" * 64
    path.write_bytes(data)
    path.with_suffix(".json").write_text(json.dumps(card))
    with pytest.raises(DataError, match=r"m\.safetensors: damaged or replaced: .*export it again"):
        load_embedder(path)
    del card["weights_sha256"]
    path.with_suffix(".json").write_text(json.dumps(card | {"schema": 1}))
    load_embedder(path)


@pytest.mark.parametrize("name", ["model.safetensors", "model.json"])
def test_a_damaged_checkpoint_is_refused_and_the_older_named(small, tmp_path, name):
    card = ModelCard(backbone="mobilefacenet", parameters={"width": 0.25}, embedding_dim=24)
    for step in (2, 4):
        Checkpoints(tmp_path, 9).save(
            training(step), class_rows(step), small.state_dict(), card.at(step)
        )
    file = tmp_path / "checkpoints/step_00000004" / name
    load_embedder(tmp_path)
    data = bytearray(file.read_bytes())
    data[-9] ^= 1
    file.write_bytes(data)
    for path in (tmp_path, file.parent, file.with_name("model.safetensors")):
        with pytest.raises(DataError, match=rf"{name}: damaged.* good: .*step_00000002$"):
            load_embedder(path)
    load_embedder(tmp_path / "model.safetensors")  # a copy


def test_a_card_of_a_network_does_not_vouch_for_another_file(exported):
    assert load_model(exported).card.weights_sha256 is None
