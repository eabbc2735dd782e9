"""The pairs that the networks get wrong by most, side by side for all groups.

With the pair file at hand its encoded images go into the page as they are: nothing is decoded here.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from eval.groups import Group
from eval.report.sections import NO_SCORES, members, missing
from eval.runs import Run

WORST = 12
KINDS = {False: "Different people taken for one", True: "One person taken for two"}
_MIME = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG": "image/png"}


@dataclass(frozen=True)
class Score:
    """A group's result on a pair: its mean cosine, and whether it decides it correctly."""

    group: str
    colour: int
    cosine: float
    said: str


@dataclass(frozen=True)
class Card:
    """One pair; `pictures` are two data: URLs, None for an image that is neither JPEG nor PNG.

    Without the pair file there are no pictures.
    """

    pair: int
    pictures: tuple[str | None, ...]
    scores: tuple[Score, ...]


@dataclass(frozen=True)
class Block:
    """The worst pairs of a target of one kind."""

    title: str
    cards: tuple[Card, ...]


@dataclass(frozen=True)
class WorstPairs:
    """All blocks, and remarks: how they were chosen and what is missing."""

    blocks: tuple[Block, ...]
    remarks: tuple[str, ...]


def worst_pairs(
    groups: Sequence[Group], targets: Sequence[str], images: Mapping[str, Sequence[bytes]]
) -> WorstPairs:
    """The worst false accepts and false rejects of each target.

    `images`: target → the 2·P encoded images of its pair file, pair k being 2k and 2k + 1.
    """
    blocks: list[Block] = []
    remarks: list[str] = []
    for target in targets:
        runs = _comparable(groups, target)
        without = [run.name for *_, run in members(groups) if run.name not in runs]
        remarks += missing(f"Worst pairs of {target}", without, f"{NO_SCORES} or other pairs")
        if runs:
            blocks += [_block(groups, target, runs, k, images.get(target)) for k in KINDS]
            if target not in images:
                remarks.append(
                    f"{target}: pairs are listed by number; `--data DIR` with "
                    f"{target}.bin shows their images."
                )
    about = (
        f"Of the pairs that any run decides wrongly the {WORST} worst by the mean cosine over all "
        "runs; pairs are counted from 0. Look at them before blaming a network: some labels are "
        "wrong."
    )
    return WorstPairs(tuple(blocks), (about, *remarks) if blocks else tuple(remarks))


def _comparable(groups: Sequence[Group], target: str) -> dict[str, Run]:
    """By name the runs whose scores are of the same pairs as the first one's."""
    found = [run for *_, run in members(groups) if target in run.scores]
    return {
        run.name: run
        for run in found
        if np.array_equal(run.scores[target].same, found[0].scores[target].same)
    }


def _block(
    groups: Sequence[Group],
    target: str,
    runs: Mapping[str, Run],
    same: bool,
    images: Sequence[bytes] | None,
) -> Block:
    scores = {name: run.scores[target] for name, run in runs.items()}
    cosine = {name: 1 - s.distances.astype(np.float64) / 2 for name, s in scores.items()}
    folds = {name: len(run.results.verified[target].accuracy.folds) for name, run in runs.items()}
    wrong = {name: ~s.decisions(folds[name]) for name, s in scores.items()}
    truth = next(iter(scores.values())).same
    candidates = np.flatnonzero(np.any(list(wrong.values()), axis=0) & (truth == same))
    mean = np.mean(list(cosine.values()), axis=0)[candidates]
    worst = candidates[np.argsort(mean if same else -mean, kind="stable")[:WORST]]
    title = f"{target}: {KINDS[same].lower()}"
    if not len(worst):
        return Block(title, ())
    cards = []
    for pair in worst.tolist():
        found = []
        for number, group in enumerate(groups):
            names = [run.name for run in group.runs if run.name in runs]
            if names:
                value = float(np.mean([cosine[name][pair] for name in names]))
                said = _said([bool(wrong[name][pair]) for name in names])
                found.append(Score(group.name, number, value, said))
        shown = () if images is None else (images[2 * pair], images[2 * pair + 1])
        cards.append(Card(pair, tuple(map(_data_url, shown)), tuple(found)))
    return Block(f"{title}, the worst {len(worst)} of {len(candidates)}", tuple(cards))


def _said(wrong: Sequence[bool]) -> str:
    if len(wrong) == 1:
        return "wrong" if wrong[0] else "right"
    return f"wrong in {sum(wrong)} of {len(wrong)}"


def _data_url(image: bytes) -> str | None:
    kind = next((mime for head, mime in _MIME.items() if image.startswith(head)), None)
    return kind and f"data:{kind};base64,{base64.b64encode(image).decode('ascii')}"
