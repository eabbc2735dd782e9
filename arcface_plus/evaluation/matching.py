"""Same person or not: two images, a threshold with known error rates, a verdict.

No threshold is made up here. It comes from a verification of the very model (`eval verify`), and
so does what is said about how often verdicts at it are wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from arcface_plus.embedder.load import Embedder, weights_in
from arcface_plus.evaluation.protocol_embedding import embed_pixels
from arcface_plus.run_directory.model_file import MODEL_WEIGHTS, ModelCard
from data_prep.errors import DataError, UserError
from eval.runs import VerificationFile
from eval.statistics import binomial_interval
from eval.verification import pair_distances


@dataclass(frozen=True)
class Rule:
    """Same person if the squared distance is below `threshold`; and how often that was wrong.

    target: the pair file that this was measured on, with `different` and `same` pairs.
    far: the false accept rate asked for, "" where only the threshold of best accuracy is known.
    false_accepts, false_rejects: shares of the different and of the same pairs; None where unknown.
    accuracy: share of right decisions in the 10-fold protocol.
    """

    threshold: float
    target: str
    far: str
    different: int
    same: int
    accuracy: float
    false_accepts: float | None
    false_rejects: float | None


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

    Without `far` the lowest one that the target's pairs support; where none is known, as in files
    of older versions, the folds' mean threshold, which is the one of best accuracy.
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
        return Rule(threshold, name, "", different, chosen.same, accuracy, None, None)
    wanted = far or min(known, key=float)
    point = next((known[f] for f in known if _equal(f, wanted)), None)
    if point is None:
        reasons = [why for f, why in chosen.unavailable.items() if _equal(f, wanted)]
        why = f" ({reasons[0]})" if reasons else ""
        there = f"known: {', '.join(known)}" if known else "it has no thresholds at FARs at all"
        raise UserError(f"{path}: no threshold for --far {wanted} on {name}{why}; {there}")
    return Rule(
        point.distance, name, wanted, different, chosen.same, accuracy, point.far, 1 - point.tar
    )


def _equal(one: str, other: str) -> bool:
    try:
        return bool(np.isclose(float(one), float(other), rtol=1e-9, atol=0))
    except ValueError:
        raise UserError(f"--far {other} is not a rate such as 1e-3") from None


def explain(found: Match) -> list[str]:
    """The lines that `match` prints."""
    lines = [
        f"cosine similarity {found.cosine:.4f} · squared distance {found.distance:.4f} "
        "(of unit embeddings, 0 to 4)"
    ]
    rule = found.rule
    if rule is None:
        return [
            *lines,
            "no verdict: no threshold is known for this model; `eval verify --json FILE` measures "
            "one, --verification FILE uses it",
        ]
    verdict = "the same person" if found.same_person else "different persons"
    at = f"the threshold of FAR {rule.far}" if rule.far else "the threshold of best accuracy"
    lines.append(
        f"{verdict}: distance {'below' if found.same_person else 'not below'} "
        f"{rule.threshold:.4f} (cosine {1 - rule.threshold / 2:.4f}), {at} on {rule.target}"
    )
    if rule.false_accepts is None or rule.false_rejects is None:
        pairs = rule.different + rule.same
        return [
            *lines,
            f"such verdicts were wrong in {100 * (1 - rule.accuracy):.2f}% of {rule.target}'s "
            f"{pairs} pairs (10-fold); how the errors divide is not in the file",
        ]
    return [*lines, *_error_rates(found, rule, rule.false_accepts, rule.false_rejects)]


def _error_rates(found: Match, rule: Rule, accepts: float, rejects: float) -> list[str]:
    wrong_same = accepts * rule.different
    wrong_different = rejects * rule.same
    if found.same_person:
        wrong, said = wrong_same, wrong_same + (1 - rejects) * rule.same
    else:
        wrong, said = wrong_different, wrong_different + (1 - accepts) * rule.different
    word = "the same" if found.same_person else "different"
    called_same = _share(wrong_same, rule.different)
    called_different = _share(wrong_different, rule.same)
    return [
        f"at it, of {rule.different} different pairs {called_same} were called the same, "
        f"of {rule.same} same pairs {called_different} different",
        f"so of the {round(said)} pairs called {word} there {_share(wrong, said)} were wrong; "
        f"{_OTHER_SHARES[bool(found.same_person)]}",
    ]


_OTHER_SHARES = {
    True: "where same pairs are rarer than there, more are",
    False: "where same pairs are more common than there, more are",
}


def _share(count: float, of: float) -> str:
    """A percentage with Wilson's 95% interval."""
    if round(of) == 0:
        return "none"
    low, high = binomial_interval(round(count), round(of))
    return f"{100 * count / of:.2f}% (95% {100 * low:.2f} to {100 * high:.2f})"
