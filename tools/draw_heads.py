"""Draw docs/images/heads.png: what each head makes of the labelled cosine, by the heads themselves.

    python tools/draw_heads.py [FILE]

Left: margins of normalized heads, divided by their scale. Right: heads that depend on the norm of
the embedding (as multiples of scale or norm).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from arcface_plus.models.heads import (
    AdaFace,
    ArcFace,
    CombinedMargin,
    CosFace,
    Head,
    MagFace,
    NormalizedSoftmax,
    SphereFace,
)

FILE = Path(__file__).parents[1] / "docs/images/heads.png"
DEGREES = torch.linspace(0.0, 180.0, 721, dtype=torch.float64)
Curve = tuple[str, Head, float, int]  # name, head, norm of the embedding, step


def adaface() -> AdaFace:
    """With typical norms: mean 20, deviation 5."""
    head = AdaFace(scale=1.0)
    head.running.value = torch.tensor([20.0, 5.0])
    return head.eval()


NORMALIZED: Sequence[Curve] = (
    ("softmax: cos θ", NormalizedSoftmax(1.0), 1.0, 0),
    ("arcface, 0.5", ArcFace(1.0), 1.0, 0),
    ("cosface, 0.35", CosFace(1.0), 1.0, 0),
    ("combined_margin, 1, 0.3, 0.2", CombinedMargin(1.0), 1.0, 0),
    ("combined_margin, 0.9, 0.4, 0.15", CombinedMargin(1.0, 0.9, 0.4, 0.15), 1.0, 0),
)
BY_NORM: Sequence[Curve] = (
    ("sphereface, first step (λ 1000)", SphereFace(4), 1.0, 0),
    ("sphereface, from step 1,659 (λ 5)", SphereFace(4), 1.0, 1659),
    ("sphereface without annealing", SphereFace(4, 0.0, 0.0, 0.0), 1.0, 0),
    ("adaface, a norm of 5 (3 σ below the mean)", adaface(), 5.0, 0),
    ("adaface, a norm of 35 (3 σ above)", adaface(), 35.0, 0),
    ("magface, a norm of 10", MagFace(1.0), 10.0, 0),
    ("magface, a norm of 110", MagFace(1.0), 110.0, 0),
)


def labelled_logits(curve: Curve) -> Tensor:
    """Of the labelled class at each of DEGREES, for one sample each."""
    _, head, norm, step = curve
    cosine = torch.deg2rad(DEGREES).cos().unsqueeze(1)
    labels, norms = torch.zeros(len(cosine), dtype=torch.int64), torch.full((len(cosine),), norm)
    with torch.no_grad():
        return head(cosine, labels, norms.double(), step=step).squeeze(1)


def draw(file: Path) -> None:
    figure = Figure(figsize=(10.0, 4.2), facecolor="white", layout="constrained")
    canvas = FigureCanvasAgg(figure)
    panels = figure.subplots(1, 2)
    for axes, curves in zip(panels, (NORMALIZED, BY_NORM), strict=True):
        for number, curve in enumerate(curves):
            axes.plot(DEGREES, labelled_logits(curve), label=curve[0], color=f"C{number}")
        axes.set_xlabel("angle θ to the labelled class, degrees")
        axes.set_xticks(range(0, 181, 30))
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    panels[0].set_ylabel("labelled logit / scale (or / norm)")
    panels[1].set_ylim(-7.2, 1.3)
    canvas.print_png(str(file))


if __name__ == "__main__":
    draw(Path(sys.argv[1]) if len(sys.argv) > 1 else FILE)
