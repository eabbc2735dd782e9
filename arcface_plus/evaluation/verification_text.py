"""What `eval verify` prints: a line for each target, and why a figure is missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eval.roc import DIFFERENT_PAIRS_NEEDED, FALSE_ACCEPT_RATES

Figures = Mapping[str, Any]
"""One target of the JSON that `eval verify` writes."""


def target_line(name: str, figures: Figures) -> str:
    """Accuracy ± its spread over the folds (95% interval), AUC, EER, and the TARs that are known.

    "lfw: 98.67 ± 0.58% (95% 98.34 to 98.93)  AUC 0.9987  EER 1.30%  TAR@1e-1 99.83% @1e-2 98.03%"
    """
    accuracy = figures["accuracy"]
    low, high = accuracy["ci95"]
    auc = "–" if figures["auc"] is None else f"{figures['auc']:.4f}"
    eer = "–" if figures["eer"] is None else f"{100 * figures['eer']:.2f}%"
    known = [
        f"@{far} {100 * tar:.2f}%" for far, tar in figures["tar_at_far"].items() if tar is not None
    ]
    tars = f"  TAR{' '.join(known)}" if known else ""
    return (
        f"{name}: {100 * accuracy['mean']:.2f} ± {100 * accuracy['std']:.2f}% "
        f"(95% {100 * low:.2f} to {100 * high:.2f})  AUC {auc}  EER {eer}{tars}"
    )


def missing_rates(targets: Mapping[str, Figures]) -> list[str]:
    """A sentence for the targets that lack the same TARs because they have too few pairs.

    Targets with pairs of one kind alone are not among them: they have no ROC at all.
    """
    lacking: dict[tuple[str, ...], list[str]] = {}
    for name, figures in targets.items():
        missing = tuple(far for far, tar in figures["tar_at_far"].items() if tar is None)
        if missing and figures["auc"] is not None:
            lacking.setdefault(missing, []).append(name)
    return [_sentence(fars, names, targets) for fars, names in lacking.items()]


def _sentence(fars: tuple[str, ...], names: list[str], targets: Mapping[str, Figures]) -> str:
    needed = [f"{DIFFERENT_PAIRS_NEEDED * FALSE_ACCEPT_RATES[far]:,}" for far in fars]
    have = [f"{name} has {targets[name]['pairs'] - targets[name]['same']:,}" for name in names]
    they = "it needs" if len(fars) == 1 else "they need"
    return (
        f"no TAR at FAR {_joined(fars)}: {they} {_joined(needed)} different pairs; {_joined(have)}"
    )


def _joined(words: tuple[str, ...] | list[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
