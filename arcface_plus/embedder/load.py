"""Load a model file as an embedder: images in, embeddings out.

Reads a run directory (its last checkpoint), a checkpoint, a `.safetensors` file (with or without
the `.json` exported with it), a state dict written by `torch.save`, or an `.onnx` file.
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
    """``embedder(images)``: (n, 112, 112, 3) uint8 RGB → (n, d) float32, the network's raw output.

    The output is not normalized and does not include the mirror image: the verification protocol
    adds both. ``feeding``: the network's input format; ``doubt``: why that may be wrong, "" if it
    is known.
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
    """An embedder from a network, in float32. The caller must put it in evaluation mode.

    Evaluation uses neither a compiled graph nor TF32, so that results do not depend on the machine.
    """

    return Embedder(_full_precision(network), device, name, feeding)


def _full_precision(network: nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
    def forward(images: torch.Tensor) -> torch.Tensor:
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            return cast(torch.Tensor, network.forward(images))

    # Always the same memory format, because the last bits depend on it; this one is the faster.
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return forward


def load_embedder(
    path: str | Path,
    device: str | torch.device = "cpu",
    feeding: FeedingOptions = NOT_SAID,
    backbone: BackboneChoice | None = None,
) -> Embedder:
    """Load an embedder from a model file; UserError (one line) if it is missing or does not fit.

    The input format comes from the file: for .safetensors from its .json, for .onnx from its
    metadata or its first operations. State dicts of other projects get the format of that project.
    `feeding` overrides it. `backbone` names the network of a file that does not name it itself.
    """
    path, device = Path(path), torch.device(device)
    if path.suffix == ".onnx":
        if backbone is not None:
            raise UserError(f"{path}: an ONNX file contains its network; leave --backbone out")
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
    """The network in a model file (any kind except ONNX), its description and input format."""
    if path.is_dir():  # resolve once: a run in progress may write a newer checkpoint meanwhile
        path = weights_in(path)
    if path.suffix == ".onnx":
        raise DataError(
            f"{path}: the layers of an ONNX file cannot be read; "
            "give the run, checkpoint, .safetensors or state dict that it was exported from"
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
            f"{path}: not a model file; give a run, a checkpoint, .safetensors, "
            f"{', '.join(TORCH_SUFFIXES)} or .onnx"
        )
    else:
        raise DataError(f"{path}: no such checkpoint or model file")
    if described is not None:
        return model_from_card(state, described.alone(), path, str(source))
    return model_from_tensors(state, path, backbone)


def _card_beside(path: Path, backbone: BackboneChoice | None) -> ModelCard | None:
    """The .json of a .safetensors; None if it is missing or the user has named the backbone."""
    card = path.with_suffix(".json")
    return ModelCard.read(card) if backbone is None and card.is_file() else None


def weights_in(folder: Path) -> Path:
    """model.safetensors of a checkpoint, or of a run's last checkpoint."""
    last = Checkpoints(folder, keep=1).last()
    if last is not None:
        return last / MODEL_WEIGHTS
    if (folder / MODEL_WEIGHTS).is_file() and (folder / MODEL_CARD).is_file():
        return folder / MODEL_WEIGHTS
    raise DataError(f"{folder}: neither a checkpoint nor a run that has one")
