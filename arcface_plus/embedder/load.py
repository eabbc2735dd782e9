"""Any model file → images in, embeddings out.

Reads a run directory (its last checkpoint), a checkpoint, an exported `.safetensors` with its
`.json`, a `.pt`/`.pth` state dict, or an `.onnx` file.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from arcface_plus.config.tree import build_backbone
from arcface_plus.embedder.feeding import NOT_SAID, Feeding, FeedingOptions
from arcface_plus.embedder.onnx_model import open_onnx
from arcface_plus.embedder.state_dict_model import load_strictly, network_from_state_dict
from arcface_plus.run_directory.checkpoint import (
    MODEL_CARD,
    MODEL_WEIGHTS,
    Checkpoints,
    ModelCard,
    load_weights,
)
from data_prep.crop_size import SIDE
from data_prep.errors import DataError, UserError


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

    def forward(images: torch.Tensor) -> torch.Tensor:
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            return cast(torch.Tensor, network.forward(images))

    # One memory format for all: last bits depend on it, and this one is the faster, on CPUs too.
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Embedder(forward, device, name, feeding)


def load_embedder(
    path: str | Path, device: str | torch.device = "cpu", feeding: FeedingOptions = NOT_SAID
) -> Embedder:
    """The embedder in a model file; UserError (one line) if there is none or it does not fit.

    The file says how the network is fed: .safetensors in its .json, .onnx in its metadata or its
    first operations; state dicts are fed as arcface_torch does. `feeding` overrides that.
    """
    path, device = Path(path), torch.device(device)
    if path.suffix == ".onnx":
        forward, stated, doubt = open_onnx(path, device)
        doubt = doubt if feeding == NOT_SAID else ""
        return Embedder(forward, device, path.stem, feeding.over(stated), doubt)
    if path.is_dir():  # looked for once: a run in progress may have another last one a moment later
        path = weights_in(path)
    network, name = load_backbone(path)
    card = model_card(path)
    stated = Feeding(card.mean, card.scale, card.channel_order) if card else Feeding()
    return network_embedder(network.eval().to(device), device, name, feeding.over(stated))


def load_backbone(path: Path) -> tuple[nn.Module, str]:
    """The network in a model file (all kinds but ONNX) and what it is, e.g. "r50"."""
    if path.is_dir():
        path = weights_in(path)
    if not path.is_file():
        raise DataError(f"{path}: no such checkpoint or model file")
    if path.suffix == ".safetensors":
        card = ModelCard.read(path.with_suffix(".json"))
        return _from_card(path, card), card.backbone
    if path.suffix in (".pt", ".pth"):
        return network_from_state_dict(path)
    if path.suffix == ".onnx":
        raise DataError(
            f"{path}: an ONNX file does not give its layers back; "
            "give the run, checkpoint, .safetensors or state dict that it was made from"
        )
    raise DataError(
        f"{path}: not a model file (a run, a checkpoint, .safetensors, .pt, .pth or .onnx)"
    )


def model_card(path: Path) -> ModelCard | None:
    """The card beside a run, checkpoint or .safetensors; None for the kinds that have none."""
    card = (weights_in(path) if path.is_dir() else path).with_suffix(".json")
    return ModelCard.read(card) if path.suffix not in (".pt", ".pth", ".onnx") else None


def weights_in(folder: Path) -> Path:
    """model.safetensors of a checkpoint, or of a run's last checkpoint."""
    last = Checkpoints(folder, keep=1).last()
    if last is not None:
        return last / MODEL_WEIGHTS
    if (folder / MODEL_WEIGHTS).is_file() and (folder / MODEL_CARD).is_file():
        return folder / MODEL_WEIGHTS
    raise DataError(f"{folder}: neither a checkpoint nor a run with one")


def _from_card(path: Path, card: ModelCard) -> nn.Module:
    try:
        network = build_backbone(card.backbone, card.parameters, card.embedding_dim)
    except (ValueError, TypeError) as error:
        raise DataError(f"{path.with_suffix('.json')}: {error}") from None
    load_strictly(network, load_weights(path), path, card.backbone)
    return network
