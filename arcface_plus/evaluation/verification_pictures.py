"""Pictures of a verification: ROC, score histograms and the worst errors, as PNG files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from arcface_plus.data.images import decode
from arcface_plus.evaluation.verification import Verified
from data_prep.files import replacing
from data_prep.pairs import read_pairs
from eval.report.pictures import pairs_figure, roc_figure, score_figure
from eval.scores import PairScores
from eval.verification import worst_pairs

WORST = 20
DOTS_PER_INCH = 150


def draw(targets: Mapping[str, Verified], data: Path, folder: Path) -> list[Path]:
    """Draw each target's pictures into `folder` (created if missing); returns the files.

    <target>_roc.png (if there are both same and different pairs), <target>_scores.png, and
    <target>_false_accepts.png and _false_rejects.png with the 20 worst of each.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for target, found in targets.items():
        images, _ = read_pairs(data / f"{target}.bin")
        for name, figure in _figures(target, found, images).items():
            path = folder / f"{target}_{name}.png"
            with replacing(path) as file:
                figure.savefig(file, dpi=DOTS_PER_INCH, format="png")
            written.append(path)
    return written


def _figures(target: str, found: Verified, images: list[bytes]) -> dict[str, Figure]:
    result = found.result
    scores = PairScores(result.distances, result.truth)
    figures = {}
    if 0 < result.same < result.pairs:
        accuracy = f"{100 * result.accuracy_mean:.2f}%"
        figures["roc"] = roc_figure(f"ROC on {target}", {f"{target}, accuracy {accuracy}": scores})
    figures["scores"] = score_figure(f"Scores on {target}", scores, result.fold_thresholds.tolist())
    accepts, rejects = worst_pairs(result, WORST)
    wrong = ~result.decisions
    for name, what, pairs, total in (
        ("false_accepts", "false accepts (different people)", accepts, wrong & ~result.truth),
        ("false_rejects", "false rejects (same person)", rejects, wrong & result.truth),
    ):
        title = f"{target}: {what}, the worst {len(pairs)} of {int(total.sum())}"
        cosine = 1 - result.distances / 2
        captions = [f"pair {k}, cosine {cosine[k]:.3f}" for k in pairs]
        figures[name] = pairs_figure(title, _thumbnails(images, pairs), captions)
    return figures


def _thumbnails(images: list[bytes], pairs: NDArray[np.int64]) -> NDArray[np.uint8]:
    decoded = [[decode(images[2 * k]), decode(images[2 * k + 1])] for k in pairs]
    return np.array(decoded, dtype=np.uint8).reshape(len(pairs), 2, *decode(images[0]).shape)
