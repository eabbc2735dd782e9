"""The backbone of a checkpoint as a file that others load: safetensors, ONNX, PyTorch."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from arcface_plus.embedder.feeding import Feeding
from arcface_plus.embedder.load import load_backbone, model_card, weights_in
from arcface_plus.embedder.onnx_model import open_onnx
from arcface_plus.models.backbones import BACKBONES
from arcface_plus.run_directory.checkpoint import ModelCard, write_model
from data_prep.crop_size import SIDE
from data_prep.errors import UserError

SUFFIXES = {"safetensors": (".safetensors",), "onnx": (".onnx",), "torch": (".pt", ".pth")}

OPSET = 18
"""The oldest that PyTorch's exporter writes, and so the one that most runtimes read."""

ONNX_TOLERANCE = 1e-4
"""How far an ONNX file's embeddings may be from the network's, in mean lengths of an embedding."""


def write(checkpoint: Path, format: str, out: Path) -> None:
    """Write `out`, whole or not at all.

    UserError if its name does not fit the format, its directory is missing, or the ONNX file does
    not give the network's embeddings.
    """
    if out.suffix not in SUFFIXES[format]:
        raise UserError(f"{out}: --format {format} writes {' or '.join(SUFFIXES[format])} files")
    if not out.parent.is_dir():
        raise UserError(f"{out}: its directory does not exist")
    if checkpoint.is_dir():
        checkpoint = weights_in(checkpoint)
    network, name = load_backbone(checkpoint)
    network.eval()
    card = model_card(checkpoint)
    if format == "safetensors":
        card = card or _card_of_state_dict(checkpoint, network, name)
        write_model(out, network.state_dict(), card)
        return
    partial = out.with_name(f".{out.stem}.partial{out.suffix}")
    try:
        if format == "torch":
            torch.save(dict(network.state_dict()), partial)
        else:
            fed = Feeding(card.mean, card.scale, card.channel_order) if card else Feeding()
            write_onnx(network, partial, fed)
            check_onnx(network, partial, out)
        os.replace(partial, out)
    finally:
        partial.unlink(missing_ok=True)


def write_onnx(network: nn.Module, path: Path, feeding: Feeding) -> None:
    """Input `images` (batch, 3, 112, 112) float32, output `embeddings` (batch, d) float32.

    The metadata says how to feed it: channel_order, mean, scale.
    """
    onnx = _onnx_extra()
    with warnings.catch_warnings():  # PyTorch warns of what it is itself about to rename
        warnings.simplefilter("ignore", FutureWarning)
        program = torch.onnx.export(
            network,
            (torch.zeros(2, 3, SIDE, SIDE),),
            input_names=["images"],
            output_names=["embeddings"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    for key, value in {
        "channel_order": feeding.channel_order,
        "mean": repr(feeding.mean),
        "scale": repr(feeding.scale),
        "opset": str(OPSET),
        "source": "arcface-plus",
    }.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.checker.check_model(model)
    onnx.save(model, path)


def check_onnx(network: nn.Module, path: Path, out: Path) -> None:
    """Refuse a file whose embeddings, by ONNX Runtime, are not the network's.

    With batches of one and of three pictures of noise: the second would not run if the batch size
    of the export had got into the graph.
    """
    forward, _, _ = open_onnx(path, torch.device("cpu"))
    images = torch.rand(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        expected = network(images).numpy().astype(np.float64)
    if not np.isfinite(expected).all():
        raise UserError(f"{out}: not written: the network's own embeddings are not finite")
    found = np.concatenate([forward(images[:1]).numpy(), forward(images).numpy()])
    length = float(np.linalg.norm(expected, axis=1).mean())
    apart = float(np.linalg.norm(found - expected[[0, 0, 1, 2]], axis=1).max())
    if not apart <= ONNX_TOLERANCE * length:
        raise UserError(
            f"{out}: not written: by ONNX Runtime its embeddings are {apart / length:.1e} of their "
            f"length from the network's ({ONNX_TOLERANCE:g} is allowed); try other versions of "
            "torch, onnx and onnxruntime"
        )


def _onnx_extra() -> Any:
    try:
        import onnx
        import onnxruntime  # noqa: F401  (the file is checked before it is left)
    except ImportError:
        raise UserError("writing ONNX needs `pip install arcface-plus[onnx]`") from None
    return onnx


def _card_of_state_dict(checkpoint: Path, network: nn.Module, name: str) -> ModelCard:
    """For a bare state dict: a card that names the architecture found in it."""
    if name not in BACKBONES:
        raise UserError(
            f"{checkpoint}: an IResNet of unusual depth ({name}); use --format onnx or torch"
        )
    dimensions = network.embedding_dim
    assert isinstance(dimensions, int)
    return ModelCard(backbone=name, parameters={}, embedding_dim=dimensions)
