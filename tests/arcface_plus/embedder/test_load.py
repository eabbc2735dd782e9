"""Every kind of model file gives the same embeddings; what does not fit is named."""

from __future__ import annotations

import copy
import json
import shutil

import numpy as np
import onnx
import pytest
import torch

from arcface_plus.embedder import export
from arcface_plus.embedder.export import OPSET, write
from arcface_plus.embedder.feeding import Feeding, FeedingOptions
from arcface_plus.embedder.load import load_embedder
from arcface_plus.models.backbones import BACKBONES, IResNet, MobileFaceNet
from arcface_plus.run_directory.checkpoint import ModelCard, write_model
from data_prep.errors import DataError, UserError


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (5, 112, 112, 3), np.uint8)


def settled(network: torch.nn.Module) -> torch.nn.Module:
    """Evaluation mode, with batch-norm statistics that are not the initial ones."""
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
    return network.eval()


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(0)
    return settled(MobileFaceNet(embedding_dim=24, width=0.25))


@pytest.fixture(scope="module")
def exported(small, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "m.safetensors"
    card = ModelCard(backbone="mobilefacenet", parameters={"width": 0.25}, embedding_dim=24)
    write_model(path, small.state_dict(), card)
    return path


def naive(network: torch.nn.Module, images: np.ndarray) -> np.ndarray:
    pixels = (images.astype(np.float64) - 127.5) / 127.5
    with torch.no_grad():
        tensor = torch.from_numpy(pixels.transpose(0, 3, 1, 2)).float()
        return network(tensor).numpy()


def assert_close(found: np.ndarray, expected: np.ndarray, tolerance: float = 1e-5) -> None:
    """Relative to the length of the embeddings."""
    length = np.linalg.norm(expected, axis=1).mean()
    assert np.abs(found - expected).max() <= tolerance * length


def test_safetensors(small, exported, images):
    found = load_embedder(exported)(images)
    assert (found.shape, found.dtype) == ((5, 24), np.float32)
    assert_close(found, naive(small, images))


@pytest.fixture(scope="module")
def onnx_file(exported):
    path = exported.with_suffix(".onnx")
    write(exported, "onnx", path)
    return path


def test_onnx_with_dynamic_batch_equals_torch(small, onnx_file, images):
    embedder = load_embedder(onnx_file)
    for count in (1, 2, 5):
        assert_close(embedder(images[:count]), naive(small, images[:count]))
    assert (embedder.feeding, embedder.doubt) == (Feeding(), "")
    model = onnx.load(onnx_file)
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param
    said = {entry.key: entry.value for entry in model.metadata_props}
    assert said["opset"] == str(model.opset_import[0].version) == str(OPSET)
    assert (said["channel_order"], said["mean"], said["scale"]) == ("RGB", "127.5", "127.5")


def test_a_wrong_onnx_file_is_not_left(small, onnx_file, tmp_path, monkeypatch):
    other = copy.deepcopy(small)
    with torch.no_grad():
        next(iter(other.parameters())).mul_(1.01)
    card = ModelCard(backbone="mobilefacenet", parameters={"width": 0.25}, embedding_dim=24)
    write_model(tmp_path / "o.safetensors", other.state_dict(), card)

    def of_another_network(network, path, feeding):
        shutil.copyfile(onnx_file, path)

    monkeypatch.setattr(export, "write_onnx", of_another_network)
    with pytest.raises(
        UserError, match=r"m\.onnx: not written: by ONNX Runtime its embeddings are"
    ):
        write(tmp_path / "o.safetensors", "onnx", tmp_path / "m.onnx")
    assert {path.name for path in tmp_path.iterdir()} == {"o.safetensors", "o.json"}


def test_a_network_that_has_diverged_is_not_exported(small, onnx_file, tmp_path):
    other = copy.deepcopy(small)
    with torch.no_grad():
        next(iter(other.parameters())).fill_(float("nan"))
    with pytest.raises(UserError, match="the network's own embeddings are not finite"):
        export.check_onnx(other, onnx_file, tmp_path / "m.onnx")


def test_onnx_is_not_exported_again(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"")
    with pytest.raises(DataError, match="does not give its layers back"):
        write(tmp_path / "m.onnx", "torch", tmp_path / "m.pt")


def test_onnx_with_a_fixed_batch_of_two(small, onnx_file, images, tmp_path):
    model = onnx.load(onnx_file)
    for place in (model.graph.input[0], model.graph.output[0]):
        place.type.tensor_type.shape.dim[0].dim_value = 2
    onnx.save(model, tmp_path / "fixed.onnx")
    assert_close(load_embedder(tmp_path / "fixed.onnx")(images), naive(small, images))


@pytest.mark.parametrize("prefix", ["", "module.", "backbone."])
def test_arcface_torch_state_dicts_of_any_depth(images, tmp_path, prefix):
    torch.manual_seed(0)
    network = settled(IResNet((1, 2, 1, 1), embedding_dim=16))
    state = {prefix + name: tensor for name, tensor in network.state_dict().items()}
    path = tmp_path / "backbone.pth"
    torch.save(state, path)
    embedder = load_embedder(path)
    assert_close(embedder(images[:2]), naive(network, images[:2]))
    torch.save({"state_dict": state, "epoch": 3}, path)
    assert np.array_equal(load_embedder(path)(images[:2]), embedder(images[:2]))
    old = {name: t for name, t in state.items() if "num_batches_tracked" not in name}
    torch.save(old, path)
    assert np.array_equal(load_embedder(path)(images[:2]), embedder(images[:2]))


def zeros_of(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A state dict of a network on the meta device that takes no space: zeros without strides."""
    return {key: torch.zeros(()).expand(t.shape) for key, t in network.state_dict().items()}


@pytest.mark.parametrize("name", ["r18", "r34", "r50", "r100"])
def test_the_shipped_depths_are_recognised(name, tmp_path):
    with torch.device("meta"):
        network = BACKBONES[name]()
    torch.save(zeros_of(network), tmp_path / "b.pt")
    assert load_embedder(tmp_path / "b.pt").name == name


def test_two_hundred_layers_are_recognised(tmp_path, monkeypatch):
    """arcface_torch's iresnet200 has 6, 26, 60 and 6 units; half a gigabyte, so stay on meta."""
    from arcface_plus.embedder import state_dict_model

    built = []

    def on_meta(layers, embedding_dim):
        built.append((layers, embedding_dim))
        with torch.device("meta"):
            return IResNet(layers, embedding_dim)

    monkeypatch.setattr(state_dict_model, "IResNet", on_meta)
    monkeypatch.setattr(state_dict_model, "load_strictly", lambda *_: None)
    with torch.device("meta"):
        network = IResNet([6, 26, 60, 6])
    torch.save(zeros_of(network), tmp_path / "b.pth")
    network, name = state_dict_model.network_from_state_dict(tmp_path / "b.pth")
    assert (name, built) == ("r200", [([6, 26, 60, 6], 512)])


def test_torch_export_of_an_iresnet_is_a_plain_state_dict(images, tmp_path):
    network = settled(IResNet((1, 1, 1, 1), embedding_dim=8))
    torch.save(network.state_dict(), tmp_path / "a.pth")
    write(tmp_path / "a.pth", "torch", tmp_path / "b.pt")
    loaded = torch.load(tmp_path / "b.pt", weights_only=True)
    IResNet((1, 1, 1, 1), embedding_dim=8).load_state_dict(loaded, strict=True)


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
    assert "not an IResNet's" in complaint(bad.with_suffix(".pt"))
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes(exported.read_bytes())
    assert "needs the .json" in complaint(alone)


def test_weights_of_another_architecture_say_which(exported, tmp_path):
    path = tmp_path / "m.safetensors"
    path.write_bytes(exported.read_bytes())
    card = json.loads(exported.with_suffix(".json").read_text())
    for changed, words in (
        ({"backbone": "r18", "parameters": {}}, "not the weights of r18: it lacks bn1.bias and"),
        ({"parameters": {"width": 0.5}}, "in another shape"),
        ({"backbone": "r19"}, "unknown backbone 'r19'"),
    ):
        path.with_suffix(".json").write_text(json.dumps(card | changed))
        with pytest.raises(DataError, match=words):
            load_embedder(path)


def test_a_pickle_that_runs_code_is_refused(tmp_path):
    import os
    import pickle

    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "owned"),)

    torch.save({"fc.weight": Evil()}, tmp_path / "evil.pt")
    (tmp_path / "evil.pth").write_bytes(pickle.dumps(Evil()))
    for name in ("evil.pt", "evil.pth"):
        with pytest.raises(DataError, match="without running code"):
            load_embedder(tmp_path / name)
    assert not (tmp_path / "owned").exists()


def test_the_card_and_the_user_say_how_it_is_fed(small, exported, images, tmp_path):
    path = tmp_path / "m.safetensors"
    path.write_bytes(exported.read_bytes())
    card = json.loads(exported.with_suffix(".json").read_text())
    card |= {"channel_order": "BGR", "mean": 100.0, "scale": 50.0}
    path.with_suffix(".json").write_text(json.dumps(card))

    def expected(mean, scale, order):
        pixels = torch.from_numpy(images[..., ::order].astype(np.float32).transpose(0, 3, 1, 2))
        with torch.no_grad():
            return small((pixels - mean) / scale).numpy()

    assert_close(load_embedder(path)(images), expected(100, 50, -1))
    said = FeedingOptions(scale=128.0, channel_order="RGB")
    assert_close(load_embedder(path, "cpu", said)(images), expected(100, 128, 1))
    card["channel_order"] = "GBR"
    path.with_suffix(".json").write_text(json.dumps(card))
    with pytest.raises(UserError, match=r"not a model card: channel_order: .*'RGB' or 'BGR'"):
        load_embedder(path)
    with pytest.raises(UserError, match=r"scale 0\.0 is not a positive number"):
        load_embedder(exported, "cpu", FeedingOptions(scale=0.0))


def test_images_of_another_kind_are_refused(exported, images):
    embedder = load_embedder(exported)
    for wrong in (images.astype(np.float32), images[:, :100], images[0]):
        with pytest.raises(UserError, match="images must be"):
            embedder(wrong)
