"""Any model file → images in, embeddings out.

Reads a run directory (its last checkpoint), a checkpoint, a `.safetensors` (with the `.json` that
was exported with it, or without), a file of `torch.save` with a state dict, or an `.onnx` file.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from arcface_plus.embedder.feeding import NOT_SAID, Feeding, FeedingOptions
from arcface_plus.embedder.onnx_model import open_onnx
from arcface_plus.embedder.state_dict_model import (
    BackboneChoice,
    LoadedModel,
    model_from_card,
    model_from_tensors,
)
from arcface_plus.embedder.torch_file import read_torch_file
from arcface_plus.run_directory.checkpoint import Checkpoints
from arcface_plus.run_directory.intact import check_model
from arcface_plus.run_directory.model_file import MODEL_CARD, MODEL_WEIGHTS, ModelCard, load_weights
from data_prep.crop_size import SIDE
from data_prep.errors import DataError, UserError

TORCH_SUFFIXES = (".pt", ".pth", ".ckpt", ".tar")


class Embedder:
    """``embedder(images)``: (n, 112, 112, 3) uint8 RGB → (n, d) float32, as the network gives it.

    Not normalised and without the mirror image: `verification` adds both, as the protocol wants.
    ``feeding``: how the network is fed; ``doubt``: why that may be wrong, "" where it is known.
    """

    def __init__(
        self,
        forward: Callable[[torch.Tensor], torch.Tensor],
        device: torch.device,
        name: str,
        feeding: Feeding | None = None,
        doubt: str = "",
    ) -> None:
        self._forward, self.device, self.name = forward, device, name
        self.feeding, self.doubt = feeding or Feeding(), doubt

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        if images.dtype != np.uint8 or images.shape[1:] != (SIDE, SIDE, 3):
            raise UserError(
                f"images must be (n, {SIDE}, {SIDE}, 3) uint8, not {images.shape} {images.dtype}"
            )
        with torch.inference_mode():
            pixels = torch.from_numpy(np.ascontiguousarray(images)).to(self.device)
            images_last = self.feeding(pixels).contiguous(memory_format=torch.channels_last)
            embeddings = self._forward(images_last)
        return embeddings.float().cpu().numpy()


def network_embedder(
    network: nn.Module, device: torch.device, name: str, feeding: Feeding | None = None
) -> Embedder:
    """An embedder around a network in evaluation mode (the caller sees to that), in float32.

    Evaluation takes neither a compiled graph nor TF32: figures must not depend on the machine.
    """

    return Embedder(_full_precision(network), device, name, feeding)


def _full_precision(network: nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
    def forward(images: torch.Tensor) -> torch.Tensor:
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            return cast(torch.Tensor, network.forward(images))

    # One memory format for all: last bits depend on it, and this one is the faster, on CPUs too.
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return forward


def load_embedder(
    path: str | Path,
    device: str | torch.device = "cpu",
    feeding: FeedingOptions = NOT_SAID,
    backbone: BackboneChoice | None = None,
) -> Embedder:
    """The embedder in a model file; UserError (one line) if there is none or it does not fit.

    The file says how the network is fed: .safetensors in its .json, .onnx in its metadata or its
    first operations; state dicts of others are fed as those who made them do. `feeding` overrides
    that; `backbone` says what a file holds that does not say so itself.
    """
    path, device = Path(path), torch.device(device)
    if path.suffix == ".onnx":
        if backbone is not None:
            raise UserError(f"{path}: an ONNX file brings its network along: leave --backbone out")
        forward, stated, doubt = open_onnx(path, device)
        name = path.stem
    else:
        model = load_model(path, backbone)
        network = model.network.eval().to(device)
        stated, doubt, name = model.feeding, model.doubt, model.name
        forward = _full_precision(network)
    doubt = doubt if feeding == NOT_SAID else ""
    return Embedder(forward, device, name, feeding.over(stated), doubt)


def load_model(path: Path, backbone: BackboneChoice | None = None) -> LoadedModel:
    """The network in a model file (all kinds but ONNX), what it is and how it is fed."""
    if path.is_dir():  # looked for once: a run in progress may have another last one a moment later
        path = weights_in(path)
    if path.suffix == ".onnx":
        raise DataError(
            f"{path}: an ONNX file does not give its layers back; "
            "give the run, checkpoint, .safetensors or state dict that it was made from"
        )
    if path.suffix == ".safetensors":
        checked = path.name == MODEL_WEIGHTS and check_model(path.parent)
        described = _card_beside(path, backbone)
        if described is not None and not checked:
            described.check_weights(path)
        state, source = load_weights(path), path.with_suffix(".json")
    elif path.suffix in TORCH_SUFFIXES:
        state, text = read_torch_file(path)
        described = None if text is None or backbone is not None else ModelCard.parse(text, path)
        source = path
    elif path.is_file():
        raise DataError(
            f"{path}: not a model file (a run, a checkpoint, .safetensors, "
            f"{', '.join(TORCH_SUFFIXES)} or .onnx)"
        )
    else:
        raise DataError(f"{path}: no such checkpoint or model file")
    if described is not None:
        return model_from_card(state, described.alone(), path, str(source))
    return model_from_tensors(state, path, backbone)


def _card_beside(path: Path, backbone: BackboneChoice | None) -> ModelCard | None:
    """The .json of a .safetensors; None where there is none, or the user says what is in it."""
    card = path.with_suffix(".json")
    return ModelCard.read(card) if backbone is None and card.is_file() else None


def weights_in(folder: Path) -> Path:
    """model.safetensors of a checkpoint, or of a run's last checkpoint."""
    last = Checkpoints(folder, keep=1).last()
    if last is not None:
        return last / MODEL_WEIGHTS
    if (folder / MODEL_WEIGHTS).is_file() and (folder / MODEL_CARD).is_file():
        return folder / MODEL_WEIGHTS
    raise DataError(f"{folder}: neither a checkpoint nor a run with one")
