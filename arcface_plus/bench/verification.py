"""Speed of verifying a pair file, against the order of operations in common scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from arcface_plus.bench.timing import measure
from arcface_plus.data.images import decode
from arcface_plus.embedder.load import Embedder, load_embedder, network_embedder
from arcface_plus.evaluation.protocol_embedding import BLOCK, embed_pixels
from arcface_plus.evaluation.verification import verify_file
from arcface_plus.models.backbones import MobileFaceNet
from data_prep.crop_size import SIDE
from data_prep.pairs import read_pairs
from eval.verification import VerificationResult, verify


def run(pair_file: Path, ckpt: Path | None, device: torch.device) -> dict[str, Any]:
    """Time `eval verify` of one file and the naive order, once each after one warm-up block.

    The naive order decodes all images one by one, then embeds every image of every pair and its
    mirror image. Without `ckpt` the network is an untrained MobileFaceNet, which is as fast as a
    trained one.

    Returns:
        ``title``; ``rows``, each with name, seconds and ratio (the naive way's time over this
        one's); ``same_digits``, whether folds' accuracies and thresholds are bit-identical.
    """
    embedder = _embedder(ckpt, device)
    embedder(np.zeros((BLOCK, SIDE, SIDE, 3), np.uint8))
    found: dict[str, VerificationResult] = {}

    def keep(name: str, result: VerificationResult) -> None:
        found[name] = result

    rivals = {
        "every image of every pair, decoded one by one": lambda: keep(
            "naive", naive(embedder, pair_file)
        ),
        "eval verify": lambda: keep("ours", verify_file(embedder, pair_file, 2 * BLOCK).result),
    }
    seconds = {name: times[0] for name, times in measure(rivals, repeats=1, warmup=0).items()}
    baseline = next(iter(seconds.values()))
    return {
        "title": f"verification of {pair_file.name}, {embedder.name} on {device}",
        "rows": [
            {"name": name, "seconds": value, "ratio": baseline / value}
            for name, value in seconds.items()
        ],
        "same_digits": all(
            np.array_equal(getattr(found["ours"], name), getattr(found["naive"], name))
            for name in ("fold_accuracies", "fold_thresholds")
        ),
    }


def naive(embedder: Embedder, pair_file: Path) -> VerificationResult:
    """The protocol image by image, as in common scripts."""
    encoded, same = read_pairs(pair_file)
    images = np.stack([decode(image) for image in encoded])
    summed = embed_pixels(embedder, images, flip=True).summed
    return verify(summed[0::2], summed[1::2], same)


def _embedder(ckpt: Path | None, device: torch.device) -> Embedder:
    if ckpt is not None:
        return load_embedder(ckpt, device)
    torch.manual_seed(0)
    network = MobileFaceNet(embedding_dim=512).eval().to(device)
    return network_embedder(network, device, "mobilefacenet, untrained")
