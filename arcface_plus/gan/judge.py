"""The classifier that the user names to score images: a run of ours, or a file of torchvision's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from arcface_plus.embedder.classifier import load_classifier
from arcface_plus.embedder.torch_file import read_torch_file
from arcface_plus.evaluation.classification import scoring
from data_prep.errors import DataError
from data_prep.files import sha256_of

_INCEPTION_SIDE = 299


@dataclass(frozen=True)
class Judge:
    """A classifier in evaluation mode.

    logits: pixels (n, h, w, 3) uint8, on its device → (n, classes).
    facts: what it is, for reports: scores by different classifiers cannot be compared.
    """

    logits: Callable[[Tensor], Tensor]
    facts: dict[str, object]

    @property
    def name(self) -> str:
        return str(self.facts["name"])

    @torch.inference_mode()
    def probabilities(self, pixels: Tensor) -> NDArray[np.float64]:
        """(n, h, w, 3) uint8 → (n, classes), rows that sum to 1."""
        found: NDArray[np.float64] = self.logits(pixels).double().softmax(dim=1).cpu().numpy()
        return found


def load_judge(path: Path, device: torch.device, side: int) -> Judge:
    """A run of `task: classification` (a folder), or a file with torchvision's inception_v3.

    side: of the images to be scored.

    Raises:
        DataError: it is neither, or takes other images.
    """
    if not path.exists():
        raise DataError(f"eval.classifier: {path}: no such run or file")
    return _of_run(path, device, side) if path.is_dir() else _inception(path, device)


def _of_run(path: Path, device: torch.device, side: int) -> Judge:
    loaded = load_classifier(path, device)
    card = loaded.card
    if card.input_size != (side, side):
        size = "×".join(map(str, card.input_size[::-1]))
        raise DataError(
            f"eval.classifier: {path}: takes images of {size}, the GAN makes {side}×{side}"
        )
    if not loaded.classifier.head.uses_class_norms:
        raise DataError(
            f"eval.classifier: {path}: its head {card.head} gives cosines and no probabilities; "
            "train one with head: linear_softmax"
        )
    scores = scoring(loaded.network, loaded.classifier)
    facts: dict[str, object] = {
        "name": f"{card.backbone} with {card.classes} classes",
        "kind": "run",
        "path": str(path),
        "step": card.step,
        "sha256": card.weights_sha256,
    }
    return Judge(lambda pixels: scores(loaded.channels.normalize(pixels)), facts)


def _inception(path: Path, device: torch.device) -> Judge:
    """Images are enlarged bilinearly to 299×299 and fed in [−1, 1], as its weights expect."""
    from torchvision.models.inception import Inception3

    network = Inception3(init_weights=False)
    state, _ = read_torch_file(path)
    wanted = {name: tensor.shape for name, tensor in network.state_dict().items()}
    if wanted != {name: tensor.shape for name, tensor in state.items()}:
        raise DataError(
            f"eval.classifier: {path}: not weights of torchvision's inception_v3, whose file is "
            "inception_v3_google-0cc3c7bd.pth; or give a run of task: classification"
        )
    network.load_state_dict(state)
    network.eval().to(device)
    facts: dict[str, object] = {
        "name": "torchvision's inception_v3 with 1000 classes",
        "kind": "inception_v3",
        "path": str(path),
        "sha256": sha256_of(path),
    }
    return Judge(lambda pixels: _enlarged(network, pixels), facts)


def _enlarged(network: nn.Module, pixels: Tensor) -> Tensor:
    images = pixels.permute(0, 3, 1, 2).float().div(127.5).sub(1.0)
    size = (_INCEPTION_SIDE, _INCEPTION_SIDE)
    images = nn.functional.interpolate(images, size, mode="bilinear", align_corners=False)
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        logits: Tensor = network(images)
    return logits
