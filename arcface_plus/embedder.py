"""Any model file → images in, embeddings out.

Reads a run directory (its last checkpoint), a checkpoint, an exported `.safetensors` with its
`.json`, a `.pt`/`.pth` state dict, or an `.onnx` file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from arcface_plus.checkpoint import MODEL_CARD, MODEL_WEIGHTS, Checkpoints, ModelCard, load_weights
from arcface_plus.data.images import SIZE, normalise
from arcface_plus.models.backbones import BACKBONES, IResNet
from arcface_plus.models.registry import build
from data_prep.errors import DataError, UserError

WRAPPERS = ("module.", "_orig_mod.", "backbone.")  # DDP, torch.compile, whole recognizers


class Embedder:
    """``embedder(images)``: (n, 112, 112, 3) uint8 RGB → (n, d) float32, as the network gives it.

    Not normalised and without the mirror image: `verification` adds both, as the protocol wants.
    """

    def __init__(
        self, forward: Callable[[torch.Tensor], torch.Tensor], device: torch.device, name: str
    ) -> None:
        self._forward, self.device, self.name = forward, device, name

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        if images.dtype != np.uint8 or images.shape[1:] != (SIZE, SIZE, 3):
            raise UserError(
                f"images must be (n, {SIZE}, {SIZE}, 3) uint8, not {images.shape} {images.dtype}"
            )
        with torch.inference_mode():
            pixels = torch.from_numpy(np.ascontiguousarray(images)).to(self.device)
            images_last = normalise(pixels).contiguous(memory_format=torch.channels_last)
            embeddings = self._forward(images_last)
        return embeddings.float().cpu().numpy()


def network_embedder(network: nn.Module, device: torch.device, name: str) -> Embedder:
    """An embedder around a network in evaluation mode (the caller sees to that), in float32.

    Evaluation takes neither a compiled graph nor TF32: figures must not depend on the machine.
    """

    def forward(images: torch.Tensor) -> torch.Tensor:
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            return cast(torch.Tensor, network.forward(images))

    # One memory format for all: last bits depend on it, and this one is the faster, on CPUs too.
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Embedder(forward, device, name)


def load_embedder(path: str | Path, device: str | torch.device = "cpu") -> Embedder:
    """The embedder in a model file; UserError (one line) if there is none or it does not fit."""
    path, device = Path(path), torch.device(device)
    if path.suffix == ".onnx":
        return _onnx_embedder(path, device)
    network, name = load_backbone(path)
    return network_embedder(network.eval().to(device), device, name)


def load_backbone(path: Path) -> tuple[nn.Module, str]:
    """The network in a model file (all kinds but ONNX) and what it is, e.g. "r50"."""
    if path.is_dir():
        path = _model_in(path)
    if not path.is_file():
        raise DataError(f"{path}: no such checkpoint or model file")
    if path.suffix == ".safetensors":
        card = ModelCard.read(path.with_suffix(".json"))
        return _from_card(path, card), card.backbone
    if path.suffix in (".pt", ".pth"):
        return _from_state_dict(path)
    raise DataError(
        f"{path}: not a model file (a run, a checkpoint, .safetensors, .pt, .pth or .onnx)"
    )


def model_card(path: Path) -> ModelCard | None:
    """The card beside a run, checkpoint or .safetensors; None for the kinds that have none."""
    card = (_model_in(path) if path.is_dir() else path).with_suffix(".json")
    return ModelCard.read(card) if path.suffix not in (".pt", ".pth", ".onnx") else None


def _model_in(folder: Path) -> Path:
    """model.safetensors of a checkpoint, or of a run's last checkpoint."""
    last = Checkpoints(folder, keep=1).last()
    if last is not None:
        return last / MODEL_WEIGHTS
    if (folder / MODEL_WEIGHTS).is_file() and (folder / MODEL_CARD).is_file():
        return folder / MODEL_WEIGHTS
    raise DataError(f"{folder}: neither a checkpoint nor a run with one")


def _from_card(path: Path, card: ModelCard) -> nn.Module:
    parameters = {"embedding_dim": card.embedding_dim, **card.parameters}
    try:
        network = cast(nn.Module, build(BACKBONES, "backbone", card.backbone, parameters))
    except (ValueError, TypeError) as error:
        raise DataError(f"{path.with_suffix('.json')}: {error}") from None
    _load(network, load_weights(path), path, card.backbone)
    return network


def _from_state_dict(path: Path) -> tuple[nn.Module, str]:
    """A plain state dict with arcface_torch's IResNet names, possibly wrapped."""
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # pickle's refusals and zip's complaints
        first = (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
        raise DataError(
            f"{path}: not a state dict that loads without running code ({first})"
        ) from None
    for key in ("state_dict", "state_dict_backbone", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not content:
        raise DataError(f"{path}: holds no state dict")
    state = {_unwrapped(str(k)): v for k, v in content.items() if isinstance(v, torch.Tensor)}
    layers = [
        len({m[1] for name in state if (m := re.match(rf"layer{stage}\.(\d+)\.", name))})
        for stage in (1, 2, 3, 4)
    ]
    if min(layers) == 0 or "fc.weight" not in state:
        raise DataError(
            f"{path}: its tensors are not an IResNet's (layer1 … layer4, fc); other networks load "
            "from .safetensors with its .json, or from .onnx"
        )
    network = IResNet(layers, embedding_dim=state["fc.weight"].shape[0])
    units = sum(layers)
    name = "r200" if units == 98 else f"r{2 * units + 2}"  # two convolutions a unit, stem and fc
    _load(network, state, path, f"IResNet {layers}")
    return network, name


def _unwrapped(name: str) -> str:
    while prefix := next((p for p in WRAPPERS if name.startswith(p)), None):
        name = name.removeprefix(prefix)
    return name


def _load(network: nn.Module, state: Mapping[str, torch.Tensor], path: Path, what: str) -> None:
    """Strictly, but for the batch counters that older files lack; the misfit is named."""
    own = network.state_dict()
    counters = {name for name in own if name.endswith("num_batches_tracked")}
    missing = sorted(own.keys() - state.keys() - counters)
    unknown = sorted(k for k in state.keys() - own.keys() if not k.startswith("classifier."))
    shapes = sorted(k for k in own.keys() & state.keys() if own[k].shape != state[k].shape)
    for names, complaint in (
        (missing, "lacks"),
        (unknown, "has in excess"),
        (shapes, "has in another shape"),
    ):
        if names:
            raise DataError(
                f"{path}: not the weights of {what}: it {complaint} {names[0]}"
                + (f" and {len(names) - 1} more" if len(names) > 1 else "")
            )
    network.load_state_dict({k: v for k, v in state.items() if k in own}, strict=False)


def _onnx_embedder(path: Path, device: torch.device) -> Embedder:
    """One 1×3×112×112 input (dynamic batch), one output; fed with normalised RGB."""
    try:
        import onnxruntime
    except ImportError:
        raise UserError(f"{path}: reading ONNX needs `pip install arcface-plus[onnx]`") from None
    if not path.is_file():
        raise DataError(f"{path}: no such model file")
    wanted = ["CUDAExecutionProvider"] if device.type == "cuda" else []
    providers = [p for p in wanted if p in onnxruntime.get_available_providers()]
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            path, options, providers=[*providers, "CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime's exceptions share no base but Exception
        raise DataError(f"{path}: not a readable ONNX model ({str(error)[:120]})") from None
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1 or not _takes_crops(inputs[0].shape):
        found = ", ".join(f"{i.name} {i.shape}" for i in inputs)
        raise DataError(f"{path}: expected one N×3×112×112 input and one output, found {found}")
    # A batch size that the graph fixes is kept to; the last batch is filled up.
    fixed = inputs[0].shape[0] if isinstance(inputs[0].shape[0], int) else None

    def forward(images: torch.Tensor) -> torch.Tensor:
        batches = images.cpu().split(fixed) if fixed else (images.cpu(),)
        results = []
        for batch in batches:
            short = (fixed or len(batch)) - len(batch)
            padded = torch.cat([batch, batch[-1:].expand(short, -1, -1, -1)]) if short else batch
            feed = {inputs[0].name: padded.contiguous().numpy()}
            results.append(torch.from_numpy(session.run(None, feed)[0])[: len(batch)])
        return torch.cat(results)

    return Embedder(forward, device, path.stem)


def _takes_crops(shape: list[int | str | None]) -> bool:
    """N×3×112×112, where a dimension the graph leaves open (a name or None) fits too."""
    return len(shape) == 4 and all(
        found == wanted or not isinstance(found, int)
        for found, wanted in zip(shape[1:], (3, SIZE, SIZE), strict=True)
    )
