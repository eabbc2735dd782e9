"""Exported files give the network's embeddings, here and elsewhere; a wrong one is not left."""

from __future__ import annotations

import copy
import os
import threading

import numpy as np
import onnx
import pytest
import torch
from networks import assert_close, naive, settled

from arcface_plus.embedder import export
from arcface_plus.embedder.export import OPSET, write
from arcface_plus.embedder.feeding import Feeding
from arcface_plus.embedder.load import load_embedder, load_model
from arcface_plus.models.backbones import BACKBONES, IResNet
from arcface_plus.run_directory.model_file import ModelCard, write_model
from data_prep.errors import DataError, UserError


@pytest.fixture(scope="module")
def onnx_file(exported, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "m.onnx"
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

    monkeypatch.setattr(export, "onnx_file", lambda network, feeding: onnx_file.read_bytes())
    with pytest.raises(UserError, match=r"m\.onnx: not written: ONNX Runtime's embeddings differ"):
        write(tmp_path / "o.safetensors", "onnx", tmp_path / "m.onnx")
    assert {path.name for path in tmp_path.iterdir()} == {"o.safetensors", "o.json"}


def test_a_network_that_has_diverged_is_not_exported(small, onnx_file, tmp_path):
    other = copy.deepcopy(small)
    with torch.no_grad():
        next(iter(other.parameters())).fill_(float("nan"))
    with pytest.raises(UserError, match="the network's own embeddings are not finite"):
        export.check_onnx(other, onnx_file.read_bytes(), tmp_path / "m.onnx")


def test_onnx_is_not_exported_again(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"")
    with pytest.raises(DataError, match="layers of an ONNX file cannot be read"):
        write(tmp_path / "m.onnx", "torch", tmp_path / "m.pt")


def test_torch_export_of_an_iresnet_is_a_plain_state_dict(images, tmp_path):
    network = settled(IResNet((1, 1, 1, 1), embedding_dim=8))
    torch.save(network.state_dict(), tmp_path / "a.pth")
    write(tmp_path / "a.pth", "torch", tmp_path / "b.pt")
    loaded = torch.load(tmp_path / "b.pt", weights_only=True)
    IResNet((1, 1, 1, 1), embedding_dim=8).load_state_dict(loaded, strict=True)


@pytest.mark.parametrize("name", ["r18", "mobilefacenet", "arcface_torch_mbf", "tiny"])
def test_our_torch_files_are_read_again(images, tmp_path, name):
    """With what is in no tensor's name or shape: the width, the feeding."""
    parameters = {"width": 0.375} if name in ("mobilefacenet", "tiny") else {}
    torch.manual_seed(0)
    network = settled(BACKBONES[name](embedding_dim=16, **parameters))
    card = ModelCard(name, parameters, 16, step=7, channel_order="BGR", mean=100.0)
    write_model(tmp_path / "m.safetensors", network.state_dict(), card)
    write(tmp_path / "m.safetensors", "torch", tmp_path / "m.pt")
    again = load_model(tmp_path / "m.pt")
    assert again.card is not None
    assert (again.card.to_json(), again.name) == (card.to_json(), name)
    assert again.feeding == Feeding(100.0, channel_order="BGR")
    embeddings = load_embedder(tmp_path / "m.pt")(images[:2])
    assert np.array_equal(embeddings, load_embedder(tmp_path / "m.safetensors")(images[:2]))


def test_our_torch_files_are_plain_state_dicts(small, exported, tmp_path):
    write(exported, "torch", tmp_path / "m.pt")
    loaded = torch.load(tmp_path / "m.pt", weights_only=True)
    assert loaded.keys() == small.state_dict().keys()
    copy.deepcopy(small).load_state_dict(loaded, strict=True)


def test_outputs_are_checked_before_the_model_is_read(tmp_path, monkeypatch):
    gone = tmp_path / "gone.pt"
    (tmp_path / "folder.pt").mkdir()
    with pytest.raises(UserError, match=r"folder\.pt: is a directory"):
        write(gone, "torch", tmp_path / "folder.pt")
    with pytest.raises(UserError, match="its directory does not exist"):
        write(gone, "onnx", tmp_path / "no" / "m.onnx")
    with pytest.raises(UserError, match=r"writes \.safetensors files"):
        write(gone, "safetensors", tmp_path / "m.pt")
    (tmp_path / "m.json").mkdir()
    with pytest.raises(UserError, match=r"m\.json: is a directory"):
        write(gone, "safetensors", tmp_path / "m.safetensors")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(UserError, match="no permission to write in"):
        write(gone, "torch", tmp_path / "m.pt")


def test_links_stay_and_pipes_are_written_to(exported, small, tmp_path):
    (tmp_path / "real.pt").write_bytes(b"old")
    (tmp_path / "link.pt").symlink_to("real.pt")
    write(exported, "torch", tmp_path / "link.pt")
    assert (tmp_path / "link.pt").is_symlink()
    whole = (tmp_path / "real.pt").read_bytes()
    os.mkfifo(tmp_path / "pipe.pt")
    read = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe.pt").read_bytes()))
    reader.start()
    write(exported, "torch", tmp_path / "pipe.pt")
    reader.join(timeout=60)
    assert (tmp_path / "pipe.pt").is_fifo()
    assert len(read[0]) == len(whole)
    os.mkfifo(tmp_path / "pipe.safetensors")
    with pytest.raises(UserError, match=r"its \.json cannot be written next to it"):
        write(exported, "safetensors", tmp_path / "pipe.safetensors")
