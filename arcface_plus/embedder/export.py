"""Export the backbone of a checkpoint as safetensors, ONNX or a PyTorch state dict."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from arcface_plus.embedder.feeding import Feeding
from arcface_plus.embedder.load import load_model
from arcface_plus.embedder.state_dict_model import BackboneChoice
from arcface_plus.embedder.torch_file import CARD
from arcface_plus.run_directory.model_file import ModelCard, write_model
from data_prep.crop_size import SIDE
from data_prep.errors import UserError
from data_prep.files import check_writable, is_stream, write_bytes

SUFFIXES = {"safetensors": (".safetensors",), "onnx": (".onnx",), "torch": (".pt", ".pth")}

OPSET = 18
"""The oldest opset that PyTorch's exporter writes, because most runtimes read it."""

ONNX_TOLERANCE = 1e-4
"""Largest distance between an ONNX model's embeddings and the network's, relative to the mean
length of an embedding."""


def check_output(format: str, out: Path) -> None:
    """Raise UserError if the suffix of `out` does not fit the format or it cannot be written."""
    if out.suffix not in SUFFIXES[format] and not is_stream(out):
        raise UserError(f"{out}: --format {format} writes {' or '.join(SUFFIXES[format])} files")
    check_writable(out)
    if format == "safetensors":
        if is_stream(out):
            raise UserError(
                f"{out}: not a regular file, so its .json cannot be written next to it; give a "
                "file name"
            )
        check_writable(out.with_suffix(".json"))


def write(checkpoint: Path, format: str, out: Path, backbone: BackboneChoice | None = None) -> None:
    """Write `out` atomically.

    Raises:
        UserError: the file name does not fit the format, the file cannot be written, or the ONNX
            model's embeddings differ from the network's.
    """
    check_output(format, out)
    model = load_model(checkpoint, backbone)
    network = model.network.eval()
    if format == "safetensors":
        if model.card is None:
            raise UserError(
                f"{checkpoint}: safetensors export does not support an IResNet of this depth "
                f"({model.name}); use --format onnx or torch"
            )
        write_model(out, network.state_dict(), model.card)
    elif format == "torch":
        write_bytes(out, state_dict_file(network, model.card))
    else:
        content = onnx_file(network, model.feeding)
        check_onnx(network, content, out)
        write_bytes(out, content)


def state_dict_file(network: nn.Module, card: ModelCard | None) -> bytes:
    """A plain state dict, serialized by `torch.save`.

    The card is stored in the dict's metadata, where PyTorch keeps the module versions. So the
    tensors are the only entries, and any program can load them with ``strict=True``.
    """
    state = network.state_dict()
    if card is not None:
        state._metadata[CARD] = card.to_json()  # type: ignore[attr-defined]
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def onnx_file(network: nn.Module, feeding: Feeding) -> bytes:
    """An ONNX model: `images` (batch, 3, 112, 112) float32 → `embeddings` (batch, d) float32.

    The metadata states the input format: channel_order, mean, scale.
    """
    onnx = _onnx_extra()
    with warnings.catch_warnings():  # PyTorch's exporter uses its own deprecated names
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
    content: bytes = model.SerializeToString()
    return content


def check_onnx(network: nn.Module, content: bytes, out: Path) -> None:
    """Raise UserError if ONNX Runtime's embeddings differ from the network's.

    Checked with batches of one and of three noise images: the second would fail if the graph had
    the batch size of the export hard-coded.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    images = torch.rand(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        expected = network(images).numpy().astype(np.float64)
    if not np.isfinite(expected).all():
        raise UserError(f"{out}: not written: the network's own embeddings are not finite")
    batches = (images[:1].numpy(), images.numpy())
    found = np.concatenate([session.run(None, {"images": batch})[0] for batch in batches])
    length = float(np.linalg.norm(expected, axis=1).mean())
    apart = float(np.linalg.norm(found - expected[[0, 0, 1, 2]], axis=1).max())
    if not apart <= ONNX_TOLERANCE * length:
        raise UserError(
            f"{out}: not written: ONNX Runtime's embeddings differ from the network's by "
            f"{apart / length:.1e} of their length (limit {ONNX_TOLERANCE:g}); try other versions "
            "of torch, onnx and onnxruntime"
        )


def _onnx_extra() -> Any:
    try:
        import onnx
        import onnxruntime  # noqa: F401  (check_onnx needs it)
    except ImportError:
        raise UserError("writing ONNX needs `pip install arcface-plus[onnx]`") from None
    return onnx
