"""The training step of the most widely used code in the field, restated.

Contiguous (NCHW) tensors, eager mode, fp16 autocast with a loss scaler (on a CPU, where fp16 has no
advantage, fp32 without one), gradients of the backbone clipped at 5, ``torch.optim.SGD`` with its
defaults (on GPUs the multi-tensor version, not the fused one), the margin added to the angles of
the whole matrix (arccos, then cos), cross entropy, and the loss copied to the host after every
step. The network is the same module as ours, uncompiled: its arithmetic is the same, including the
fully connected layer in fp32. ArcFace+ adds the paper's n×n method (`bench.mma.n_by_n_loss`) in
fp32, since under autocast its clamp at 0.99999 rounds to 1 and the gradient is not finite.

Those scripts also turn on cuDNN's autotuning; `bench.step` does so for both.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arcface_plus.bench.mma import n_by_n_loss

_SCALE, _MARGIN, _WEIGHT = 64.0, 0.5, 0.03
_CLIP = 5.0


class ReferenceStep:
    """Each call makes one update on the given batch and returns the loss.

    ``backbone`` maps images (n, 3, 112, 112) to embeddings (n, d); it is moved to the device of
    ``images`` and trained. ``regularized``: ArcFace+ instead of ArcFace.
    """

    def __init__(
        self,
        backbone: nn.Module,
        images: Tensor,
        labels: Tensor,
        *,
        dimensions: int,
        classes: int,
        regularized: bool,
    ) -> None:
        device = images.device
        self.images, self.labels = images.contiguous(), labels
        self.backbone = backbone.to(device).train()
        self.weight = nn.Parameter(torch.empty(classes, dimensions, device=device))
        nn.init.normal_(self.weight, std=0.01)
        self.regularized = regularized
        self.half = device.type == "cuda"
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.half)
        self.optimizer = torch.optim.SGD(
            [{"params": list(self.backbone.parameters())}, {"params": [self.weight]}],
            lr=0.1,
            momentum=0.9,
            weight_decay=5e-4,
        )

    def __call__(self) -> float:
        with torch.autocast(self.images.device.type, torch.float16, enabled=self.half):
            embeddings = self.backbone(self.images)
            cosine = F.linear(F.normalize(embeddings), F.normalize(self.weight))
        loss = F.cross_entropy(arccos_margin(cosine.float(), self.labels), self.labels)
        if self.regularized:
            loss = loss + _WEIGHT * n_by_n_loss(self.weight)
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimizer)
        nn.utils.clip_grad_norm_(self.backbone.parameters(), _CLIP)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
        return loss.item()


def arccos_margin(cosine: Tensor, labels: Tensor) -> Tensor:
    """scale · cos(θ + margin at the label), computed from all angles; cosine (n, C), labels (n,).

    The backward pass treats the margin as a constant, as in the restated code, which so avoids the
    derivatives of arccos and cos.
    """
    logits = cosine.clamp(-1.0, 1.0)
    rows = torch.arange(len(labels), device=labels.device)
    with torch.no_grad():
        logits.arccos_()
        logits[rows, labels] += _MARGIN
        logits.cos_()
    return logits * _SCALE
