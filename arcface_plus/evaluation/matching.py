"""Same person or not: two images, a threshold with known error rates, a verdict.

No threshold is made up here. It comes from a verification of the very model (`eval verify`), and
so does what is said about how often verdicts at it are wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from arcface_plus.embedder.load import Embedder, weights_in
from arcface_plus.evaluation.protocol_embedding import embed_pixels
from arcface_plus.run_directory.model_file import MODEL_WEIGHTS, ModelCard
from data_prep.errors import DataError, UserError
from eval.roc import DIFFERENT_PAIRS_NEEDED, FALSE_ACCEPT_RATES
from eval.runs import MeasuredPoint, TargetResult, VerificationFile
from eval.statistics import binomial_interval
from eval.verification import pair_distances

DEFAULT_FAR = "1e-3"


@dataclass(frozen=True)
class Rule:
    """Same person if the squared distance is below `threshold`; and how often that was wrong.

    target: the pair file that this was measured on, with `different` and `same` pairs.
    far: the false accept rate asked for, "" where only the threshold of best accuracy is known.
    false_accepts, false_rejects: shares of the different and of the same pairs; None where unknown.
    accuracy: share of right decisions in the 10-fold protocol.
    why_not_default: why `far` is not DEFAULT_FAR although none was asked for, "" otherwise.
    """

    threshold: float
    target: str
    far: str
    different: int
    same: int
    accuracy: float
    false_accepts: float | None
    false_rejects: float | None
    why_not_default: str = ""

    @property
    def cosine(self) -> float:
        """The same threshold on the cosine similarity: same person above it."""
        return 1 - self.threshold / 2


@dataclass(frozen=True)
class Match:
    """Cosine similarity (−1 … 1), squared distance (0 … 4) and what a rule says of them."""

    cosine: float
    distance: float
    rule: Rule | None

    @property
    def same_person(self) -> bool | None:
        return None if self.rule is None else self.distance < self.rule.threshold


def match(embedder: Embedder, images: NDArray[np.uint8], rule: Rule | None, flip: bool) -> Match:
    """Compare two crops (2, 112, 112, 3) uint8 RGB as the verification protocol does."""
    embeddings = embed_pixels(embedder, images, flip=flip).summed
    distance = float(pair_distances(embeddings[:1], embeddings[1:])[0])
    return Match(1 - distance / 2, distance, rule)


def own_verification(ckpt: Path) -> Path | None:
    """The verification that a run made of this checkpoint; None if there is none.

    Only of the very step: another step of the same run is another model.
    """
    run, step = _run_and_step(ckpt)
    file = run / "eval" / f"step_{step or 0:08d}.json"
    return file if step is not None and file.is_file() else None


def is_of(found: VerificationFile, path: Path, ckpt: Path) -> bool:
    """Whether the verification in `path` is of the model `ckpt`, as far as the names tell.

    A run, its last checkpoint and the weights in it are three names of one model; a run's own file
    may also have been made where the run lay at another place.
    """
    if not found.checkpoint or Path(found.checkpoint).resolve() == ckpt.resolve():
        return True
    own = own_verification(ckpt)
    if own is not None and own.resolve() == path.resolve():
        return True
    try:
        return _run_and_step(Path(found.checkpoint)) == _run_and_step(ckpt) != (ckpt, None)
    except DataError:  # the model that was verified is no longer there
        return False


def _run_and_step(ckpt: Path) -> tuple[Path, int | None]:
    """The run a checkpoint belongs to and its step; (ckpt, None) for other model files."""
    weights = weights_in(ckpt) if ckpt.is_dir() else ckpt
    if weights.name != MODEL_WEIGHTS:
        return ckpt, None
    step = ModelCard.read(weights.with_suffix(".json")).step
    folder = weights.parent.resolve()
    run = folder.parent.parent if folder.parent.name == "checkpoints" else folder
    return run, step


def rule_from(found: VerificationFile, path: Path, target: str | None, far: str | None) -> Rule:
    """The rule of a target (by default the one with most different pairs) at a false accept rate.

    Without `far` 1e-3, or the lowest one that the target's pairs support; where none is known, as
    in files of older versions, the folds' mean threshold, which is the one of best accuracy.
    """
    targets = found.targets
    if target is not None and target not in targets:
        raise UserError(f"{path}: has no target {target!r}; it has {', '.join(targets)}")
    name = target or max(targets, key=lambda t: targets[t].pairs - targets[t].same)
    chosen = targets[name]
    known = {f: point for f, point in chosen.thresholds_at_far.items() if point is not None}
    different, accuracy = chosen.pairs - chosen.same, chosen.accuracy.mean
    if far is None and not known:
        if not chosen.accuracy.thresholds:
            raise UserError(f"{path}: has no thresholds on {name}; make it again by `eval verify`")
        threshold = float(np.mean(chosen.accuracy.thresholds))
        return Rule(
            threshold, name, "", different, chosen.same, accuracy, None, None,
            _why_not_default(chosen, name, "the threshold of best accuracy decides"),
        )  # fmt: skip
    wanted = far or _default(known)
    point = next((known[f] for f in known if _equal(f, wanted)), None)
    if point is None:
        reasons = [why for f, why in chosen.unavailable.items() if _equal(f, wanted)]
        why = f" ({reasons[0]})" if reasons else ""
        there = f"known: {', '.join(known)}" if known else "it has no thresholds at FARs at all"
        raise UserError(f"{path}: no threshold for --far {wanted} on {name}{why}; {there}")
    why = ""
    if far is None and not _equal(wanted, DEFAULT_FAR):
        why = _why_not_default(chosen, name, f"FAR {wanted} is the strictest that it supports")
    return Rule(
        point.distance, name, wanted, different, chosen.same, accuracy, point.far, 1 - point.tar,
        why,
    )  # fmt: skip


def _default(known: Mapping[str, MeasuredPoint]) -> str:
    return next((f for f in known if _equal(f, DEFAULT_FAR)), min(known, key=float))


def _why_not_default(target: TargetResult, name: str, instead: str) -> str:
    """The sentence that says which threshold stands in for that of DEFAULT_FAR."""
    different = target.pairs - target.same
    needed = DIFFERENT_PAIRS_NEEDED * FALSE_ACCEPT_RATES[DEFAULT_FAR]
    if different < needed:
        return (
            f"FAR {DEFAULT_FAR} needs {needed:,} different pairs and {name} has {different:,}: "
            f"{instead}."
        )
    return f"The verification has no threshold at FAR {DEFAULT_FAR}: {instead}."


def _equal(one: str, other: str) -> bool:
    try:
        return bool(np.isclose(float(one), float(other), rtol=1e-9, atol=0))
    except ValueError:
        raise UserError(f"--far {other} is not a rate such as 1e-3") from None


def headline(found: Match) -> str:
    """The verdict in two words."""
    return {True: "Same person", False: "Different people", None: "No verdict"}[found.same_person]


def explain(found: Match) -> list[str]:
    """The sentences that `match` prints."""
    rule = found.rule
    if rule is None:
        return [
            f"{headline(found)}: similarity {found.cosine:.3f}, but no threshold is known for this "
            "model.",
            "`eval verify --json FILE` measures one; give it as --verification FILE.",
        ]
    lines = [f"{headline(found)}: {similarity_and_threshold(found.cosine, rule)}."]
    if rule.false_accepts is None or rule.false_rejects is None:
        lines.append(
            f"With such thresholds {_percent(1 - rule.accuracy)} of {rule.target}'s "
            f"{rule.different + rule.same:,} pairs are decided wrongly (10-fold)."
        )
    else:
        lines.append(
            f"On {rule.target} this threshold accepts "
            f"{_share(rule.false_accepts, rule.different, 'different')} and rejects "
            f"{_share(rule.false_rejects, rule.same, 'same')}."
        )
    return [*lines, rule.why_not_default] if rule.why_not_default else lines


def similarity_and_threshold(cosine: float, rule: Rule) -> str:
    """Both as cosines, with as many digits as show which one is larger."""
    at = f"FAR {rule.far}" if rule.far else "best accuracy"
    for digits in range(3, 7):
        one, other = f"{cosine:.{digits}f}", f"{rule.cosine:.{digits}f}"
        if one != other:
            break
    return f"similarity {one}, threshold {other} ({at} on {rule.target})"


def _share(share: float, of: int, kind: str) -> str:
    """A percentage of `of` pairs of a kind, with Wilson's 95% interval."""
    if of == 0:
        return f"nothing (it has no {kind} pairs)"
    low, high = binomial_interval(round(share * of), of)
    digits = _digits(share)
    interval = f"95% {100 * low:.{digits}f} to {100 * high:.{digits}f}"
    return f"{_percent(share)} of {kind} pairs ({interval})"


def _percent(share: float) -> str:
    return f"{100 * share:.{_digits(share)}f}%"


def _digits(share: float) -> int:
    """Digits after the point of a percentage: rare errors need more."""
    return 1 if share >= 0.01 else 2 if share >= 0.001 else 3
