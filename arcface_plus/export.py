"""The backbone of a checkpoint as a file that others load: safetensors, ONNX, PyTorch."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import nn

from arcface_plus.checkpoint import ModelCard, write_model
from arcface_plus.data.images import SIZE
from arcface_plus.embedder import load_backbone, model_card
from arcface_plus.models.backbones import BACKBONES
from data_prep.errors import UserError

SUFFIXES = {"safetensors": (".safetensors",), "onnx": (".onnx",), "torch": (".pt", ".pth")}


def write(checkpoint: Path, format: str, out: Path) -> None:
    """Write `out`; UserError if its name does not fit the format or its directory is missing."""
    if out.suffix not in SUFFIXES[format]:
        raise UserError(f"{out}: --format {format} writes {' or '.join(SUFFIXES[format])} files")
    if not out.parent.is_dir():
        raise UserError(f"{out}: its directory does not exist")
    network, name = load_backbone(checkpoint)
    network.eval()
    partial = out.with_name(f".{out.stem}.partial{out.suffix}")
    try:
        if format == "safetensors":
            write_model(out, network.state_dict(), _card(checkpoint, network, name))
            return
        if format == "torch":
            torch.save(dict(network.state_dict()), partial)
        else:
            write_onnx(network, partial)
        os.replace(partial, out)
    finally:
        partial.unlink(missing_ok=True)


def write_onnx(network: nn.Module, path: Path) -> None:
    """Input `images` (N, 3, 112, 112) float32 RGB in [−1, 1], output `embeddings` (N, d)."""
    try:
        import onnx
    except ImportError:
        raise UserError("writing ONNX needs `pip install arcface-plus[onnx]`") from None
    example = torch.zeros(2, 3, SIZE, SIZE)
    program = torch.onnx.export(
        network,
        (example,),
        input_names=["images"],
        output_names=["embeddings"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    model = program.model_proto
    for key, value in {
        "channel_order": "RGB",
        "mean": "127.5",
        "scale": "127.5",
        "source": "arcface-plus",
    }.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _card(checkpoint: Path, network: nn.Module, name: str) -> ModelCard:
    """The checkpoint's own card; for a bare state dict one that names the architecture found."""
    card = model_card(checkpoint)
    if card is not None:
        return card
    if name not in BACKBONES:
        raise UserError(f"{checkpoint}: an IResNet of unusual depth ({name}); use --format onnx")
    dimensions = network.embedding_dim
    assert isinstance(dimensions, int)
    return ModelCard(backbone=name, parameters={}, embedding_dim=dimensions)
