"""AdaFace's IR networks, named as its net.py names them, give what its forward pass gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from networks import assert_close
from torch.nn.functional import batch_norm, conv2d, linear, prelu

from arcface_plus.embedder.adaface import as_iresnet, is_adaface
from arcface_plus.embedder.load import load_embedder, load_model
from arcface_plus.models.backbones import IResNet
from data_prep.errors import DataError


def adaface_names(network: IResNet) -> dict[str, torch.Tensor]:
    """An IR network as AdaFace's net.py names it: five units, of which the first subsamples."""
    own = network.state_dict()
    stem = {"conv1": "input_layer.0", "bn1": "input_layer.1", "prelu": "input_layer.2"}
    end = {"bn2": "output_layer.0", "fc": "output_layer.3", "features": "output_layer.4"}
    parts = {"bn1": 0, "conv1": 1, "bn2": 2, "prelu": 3, "conv2": 4, "bn3": 5}
    places = list(dict.fromkeys(".".join(k.split(".")[:2]) for k in own if k.startswith("layer")))
    found = {}
    for name, tensor in own.items():
        module, _, kind = name.rpartition(".")
        if module in stem | end:
            if module != "features" or kind in ("running_mean", "running_var"):  # affine=False
                found[f"{(stem | end)[module]}.{kind}"] = tensor
            continue
        stage, number, part = module.split(".", 2)
        unit = f"body.{places.index(f'{stage}.{number}')}"
        if part.startswith("downsample"):
            if stage != "layer1":  # 64 channels stay 64: MaxPool2d(1, 2)
                found[f"{unit}.shortcut_layer.{part[-1]}.{kind}"] = tensor
        else:
            found[f"{unit}.res_layer.{parts[part]}.{kind}"] = tensor
    return found


def adaface_by_hand(state: dict[str, torch.Tensor], images: torch.Tensor) -> torch.Tensor:
    """AdaFace's forward pass, up to the normalization at its end, by functions."""

    def norm(x, name):
        weight, bias = state.get(f"{name}.weight"), state.get(f"{name}.bias")
        return batch_norm(
            x, state[f"{name}.running_mean"], state[f"{name}.running_var"], weight, bias
        )

    x = conv2d(images, state["input_layer.0.weight"], padding=1)
    x = prelu(norm(x, "input_layer.1"), state["input_layer.2.weight"])
    for number, stride in enumerate((2, 2, 1, 2, 2)):
        unit = f"body.{number}"
        short = x[:, :, ::stride, ::stride]
        if f"{unit}.shortcut_layer.0.weight" in state:
            short = conv2d(x, state[f"{unit}.shortcut_layer.0.weight"], stride=stride)
            short = norm(short, f"{unit}.shortcut_layer.1")
        x = conv2d(norm(x, f"{unit}.res_layer.0"), state[f"{unit}.res_layer.1.weight"], padding=1)
        x = prelu(norm(x, f"{unit}.res_layer.2"), state[f"{unit}.res_layer.3.weight"])
        x = conv2d(x, state[f"{unit}.res_layer.4.weight"], stride=stride, padding=1)
        x = norm(x, f"{unit}.res_layer.5") + short
    x = norm(x, "output_layer.0").flatten(1)
    x = linear(x, state["output_layer.3.weight"], state["output_layer.3.bias"])
    return norm(x, "output_layer.4")


def test_adafaces_networks_are_computed_as_adaface_does(shallow, images, tmp_path):
    state = adaface_names(shallow)
    path = tmp_path / "adaface.ckpt"
    wrapped = {f"model.{k}": v for k, v in state.items()} | {"head.kernel": torch.zeros(16, 3)}
    torch.save({"state_dict": wrapped, "epoch": 25}, path)
    embedder = load_embedder(path)
    bgr = images[:2, ..., ::-1].astype(np.float32).transpose(0, 3, 1, 2)
    with torch.no_grad():
        expected = adaface_by_hand(state, (torch.from_numpy(bgr.copy()) - 127.5) / 127.5).numpy()
    assert_close(embedder(images[:2]), expected)
    assert embedder.feeding.channel_order == "BGR"
    assert "AdaFace" in embedder.doubt


def test_its_names_are_told_from_an_iresnets(shallow):
    state = adaface_names(shallow)
    assert is_adaface(state)
    assert not is_adaface(shallow.state_dict())
    assert not is_adaface({k: t for k, t in state.items() if not k.startswith("body.0.")})


def test_every_tensor_has_its_place(shallow, tmp_path):
    """And what AdaFace leaves out is written out: a shortcut that subsamples, weights of one."""
    own, found = shallow.state_dict(), as_iresnet(adaface_names(shallow), tmp_path / "m.pt")
    written_out = {k for k in own if k.startswith(("layer1.0.downsample", "features."))}
    assert own.keys() - found.keys() == {k for k in written_out if "num_batches" in k}
    for name in own.keys() - written_out | {"features.running_mean", "features.running_var"}:
        assert torch.equal(found[name], own[name]), name
    assert torch.equal(found["features.weight"], torch.ones(16))
    assert torch.equal(found["layer1.0.downsample.0.weight"][:, :, 0, 0], torch.eye(64))


def test_the_card_lets_it_be_exported_as_it_is_fed(tmp_path):
    torch.manual_seed(0)
    network = IResNet((2, 2, 2, 2), embedding_dim=8)
    names = adaface_names(network)
    torch.save(names, tmp_path / "ir18.pt")
    model = load_model(tmp_path / "ir18.pt")
    assert model.card is not None
    assert (model.card.backbone, model.card.channel_order) == ("r18", "BGR")


@pytest.mark.parametrize(
    "other",
    ["body.0.res_layer.6.fc1.weight", "body.1.res_layer.se_block.fc1.weight"],
)
def test_other_variants_say_what_to_do(shallow, tmp_path, other):
    state = adaface_names(shallow) | {other: torch.zeros(4)}
    with pytest.raises(DataError, match=r"m\.pt: an IR-SE or other variant .* Export it to ONNX"):
        as_iresnet(state, tmp_path / "m.pt")


def test_units_that_are_none_of_its_own_are_named(shallow, tmp_path):
    state = adaface_names(shallow)
    for wrong in (torch.zeros(()), torch.zeros(100, 64, 3, 3)):
        with pytest.raises(DataError, match=r"body\.1 has (0|100) channels"):
            as_iresnet(state | {"body.1.res_layer.4.weight": wrong}, tmp_path / "m.pt")
    del state["body.1.res_layer.4.weight"]
    torch.save(state, tmp_path / "m.pt")
    with pytest.raises(DataError, match=r"not an IResNet|not the weights of IResNet"):
        load_model(tmp_path / "m.pt")
