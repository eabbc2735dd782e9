"""Whose network tensors are, by their names, under any prefix; and that network with them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from networks import assert_close, naive, settled

from arcface_plus.embedder.load import load_embedder
from arcface_plus.embedder.state_dict_model import (
    BackboneChoice,
    check_fit,
    model_from_tensors,
    unwrapped,
)
from arcface_plus.models.backbones import BACKBONES, ArcFaceTorchMBF, IResNet
from data_prep.errors import DataError

PREFIXES = ("", "module.", "backbone.", "model.", "net.", "encoder.", "_orig_mod.", "module.model.")


@pytest.mark.parametrize("prefix", PREFIXES)
def test_any_usual_prefix(shallow, tmp_path, prefix):
    state = {prefix + name: tensor for name, tensor in shallow.state_dict().items()}
    others = {"classifier.weight": torch.zeros(3, 16), "head.kernel": torch.zeros(16, 3)}
    found = model_from_tensors(state | others, tmp_path / "m.pt")
    assert found.doubt == ""
    for name, tensor in shallow.state_dict().items():
        assert torch.equal(found.network.state_dict()[name], tensor)


def test_arcface_torch_state_dicts_of_any_depth(shallow, images, tmp_path):
    path = tmp_path / "backbone.pth"
    state = dict(shallow.state_dict())
    torch.save(state, path)
    embedder = load_embedder(path)
    assert_close(embedder(images[:2]), naive(shallow, images[:2]))
    torch.save({"state_dict": state, "epoch": 3}, path)
    assert np.array_equal(load_embedder(path)(images[:2]), embedder(images[:2]))
    old = {name: t for name, t in state.items() if "num_batches_tracked" not in name}
    torch.save(old, path)
    assert np.array_equal(load_embedder(path)(images[:2]), embedder(images[:2]))


@pytest.mark.parametrize(
    ("layers", "name"),
    [((2, 2, 2, 2), "r18"), ((3, 4, 6, 3), "r34"), ((3, 4, 14, 3), "r50"), ((3, 13, 30, 3), "r100"),
     ((6, 26, 60, 6), "r200"), ((1, 1, 1, 1), "r10")],
)  # fmt: skip
def test_depths_are_recognized(layers, name, tmp_path, monkeypatch):
    """On the meta device, where half a gigabyte takes no space."""
    with torch.device("meta"):
        state = IResNet(layers).state_dict()
    monkeypatch.setattr(torch.nn.Module, "to_empty", lambda self, device: self)
    monkeypatch.setattr(torch.nn.Module, "load_state_dict", lambda self, state: None)
    found = model_from_tensors(state, tmp_path / "m.pt")
    assert found.name == name
    assert (found.card.backbone if found.card else None) == (name if name in BACKBONES else None)


def test_arcface_torchs_mobilefacenet(images, tmp_path):
    torch.manual_seed(0)
    network = settled(ArcFaceTorchMBF(embedding_dim=16))
    torch.save({f"module.{k}": v for k, v in network.state_dict().items()}, tmp_path / "mbf.pt")
    embedder = load_embedder(tmp_path / "mbf.pt")
    assert embedder.name == "arcface_torch_mbf"
    assert_close(embedder(images[:2]), naive(network, images[:2]))


def test_networks_that_are_not_read_say_what_to_do(tmp_path):
    path = tmp_path / "m.pt"
    facenet = {"conv2d_1a.conv.weight": torch.zeros(32, 3, 3, 3)}
    with pytest.raises(DataError, match=r"facenet-pytorch's .* export it with torch\.onnx\.export"):
        model_from_tensors(facenet, path)
    with pytest.raises(DataError, match="name its backbone: --backbone"):
        model_from_tensors({"conv.weight": torch.zeros(3)}, path)


@pytest.mark.parametrize("shape", [(), (0,), (10**9, 0), (7, 7)])
def test_a_last_layer_of_another_shape_is_named(shallow, tmp_path, shape):
    """(10⁹, 0) would be a network of 10⁹ dimensions: shapes are compared before it is built."""
    state = shallow.state_dict() | {"fc.weight": torch.zeros(shape)}
    with pytest.raises(
        DataError, match=r"m\.pt: (its last linear layer|not the weights of)"
    ) as why:
        model_from_tensors(state, tmp_path / "m.pt")
    assert "\n" not in str(why.value)


def test_units_that_are_named_but_not_there_build_nothing(shallow, tmp_path):
    giant = {f"layer3.{number}.x": torch.zeros(()) for number in range(300)}
    with pytest.raises(DataError, match="it lacks layer3"):
        model_from_tensors(shallow.state_dict() | giant, tmp_path / "m.pt")


def test_the_users_word_goes_over_names(shallow, tmp_path):
    with pytest.raises(DataError, match="not the weights of r18: it lacks layer1"):
        model_from_tensors(shallow.state_dict(), tmp_path / "m.pt", BackboneChoice("r18", {}))


def test_unwrapping_takes_the_largest_of_several_parts():
    zero = torch.zeros(1)
    state = {"net.a": zero, "net.b": zero, "encoder.a": zero, "loss.weight": zero, "epoch": zero}
    assert unwrapped(state).keys() == {"a", "b"}
    assert unwrapped({"a": zero, "classifier.weight": zero}).keys() == {"a"}


def test_a_misfit_is_named(shallow, tmp_path):
    state = shallow.state_dict()
    check_fit(shallow, {k: v for k, v in state.items() if "num_batches" not in k}, tmp_path, "it")
    with pytest.raises(DataError, match=r"it lacks bn1\.weight$"):
        check_fit(shallow, {k: v for k, v in state.items() if k != "bn1.weight"}, tmp_path, "it")
    with pytest.raises(DataError, match="it has the unknown tensor more"):
        check_fit(shallow, state | {"more": torch.zeros(1)}, tmp_path, "it")


@pytest.mark.parametrize("kind", [torch.int32, torch.complex64])
def test_whole_and_complex_numbers_are_no_weights(shallow, tmp_path, kind):
    """The first gave embeddings of zeros, the second a warning of torch's."""
    state = {name: tensor.to(kind) for name, tensor in shallow.state_dict().items()}
    with pytest.raises(DataError, match=r"has no floating-point numbers in bn1\.bias and"):
        model_from_tensors(state, tmp_path / "m.pt")


def test_half_precision_and_float_counters_are_weights(shallow, tmp_path):
    state = {name: tensor.half() for name, tensor in shallow.state_dict().items()}
    found = model_from_tensors(state, tmp_path / "m.pt").network.state_dict()
    assert torch.equal(found["fc.weight"], state["fc.weight"].float())
