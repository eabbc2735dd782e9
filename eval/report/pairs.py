"""The pairs that the networks get wrong by most, side by side for all groups, as cards of HTML.

With the pair file at hand its encoded images go into the page as they are: nothing is decoded here.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from eval.compare import Comparison, TargetComparison
from eval.report.charts import COLOURS
from eval.report.figures import NO_SCORES, Section, missing
from eval.runs import Run

WORST = 12
KINDS = {False: "Different people taken for one", True: "One person taken for two"}
_MIME = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG": "image/png"}


def worst_pairs(comparison: Comparison, images: Mapping[str, Sequence[bytes]]) -> Section:
    """The worst false accepts and false rejects of each target.

    `images`: target → the 2·P encoded images of its pair file, pair k being 2k and 2k + 1.
    """
    blocks: list[str] = []
    remarks: list[str] = []
    for target in comparison.targets:
        runs = _comparable(comparison, target)
        without = [run.name for run in comparison.runs if run.name not in runs]
        remarks += missing(f"Worst pairs of {target.name}", without, f"{NO_SCORES} or other pairs")
        if runs:
            blocks += [_cards(comparison, target, runs, k, images.get(target.name)) for k in KINDS]
            if target.name not in images:
                remarks.append(
                    f"{target.name}: pairs are listed by number; `--data DIR` with "
                    f"{target.name}.bin shows their images."
                )
    about = (
        f"Of the pairs that any run decides wrongly the {WORST} worst by the mean cosine over all "
        "runs; pairs are counted from 0. Look at them before blaming a network: some labels are "
        "wrong."
    )
    return Section("Worst pairs", tuple(blocks), ((about, *remarks) if blocks else tuple(remarks)))


def _comparable(comparison: Comparison, target: TargetComparison) -> dict[str, Run]:
    """By name the runs whose scores are of the same pairs as the first one's."""
    found = [run for run in comparison.runs if target.name in run.scores]
    return {
        run.name: run
        for run in found
        if np.array_equal(run.scores[target.name].same, found[0].scores[target.name].same)
    }


def _cards(
    comparison: Comparison,
    target: TargetComparison,
    runs: Mapping[str, Run],
    same: bool,
    images: Sequence[bytes] | None,
) -> str:
    scores = {name: run.scores[target.name] for name, run in runs.items()}
    cosine = {name: 1 - s.distances.astype(np.float64) / 2 for name, s in scores.items()}
    folds = {
        run.name: len(result.accuracy.folds)
        for run, result in zip(comparison.runs, target.results, strict=True)
        if result is not None
    }
    wrong = {name: ~s.decisions(folds[name]) for name, s in scores.items()}
    truth = next(iter(scores.values())).same
    candidates = np.flatnonzero(np.any(list(wrong.values()), axis=0) & (truth == same))
    mean = np.mean(list(cosine.values()), axis=0)[candidates]
    worst = candidates[np.argsort(mean if same else -mean, kind="stable")[:WORST]]
    title = f"{target.name}: {KINDS[same].lower()}"
    if not len(worst):
        return f"<h3>{escape(title)}</h3><p>None.</p>"
    cards = []
    for pair in worst.tolist():
        lines = []
        for number, group in enumerate(comparison.groups):
            names = [run.name for run in group.runs if run.name in runs]
            if names:
                value = float(np.mean([cosine[name][pair] for name in names]))
                said = _said([bool(wrong[name][pair]) for name in names])
                lines.append(
                    f'<li><i class="c{number % COLOURS}"></i>{escape(group.name)} '
                    f"<span><b>{value:.3f}</b> {said}</span></li>"
                )
        pictures = _pictures(images, pair) if images is not None else ""
        cards.append(
            f'<div class="pair">{pictures}<b>pair {pair}</b><ul>{"".join(lines)}</ul></div>'
        )
    head = f"<h3>{escape(title)}, the worst {len(worst)} of {len(candidates)}</h3>"
    return f'{head}<div class="pairs">{"".join(cards)}</div>'


def _said(wrong: Sequence[bool]) -> str:
    if len(wrong) == 1:
        return "wrong" if wrong[0] else "right"
    return f"wrong in {sum(wrong)} of {len(wrong)}"


def _pictures(images: Sequence[bytes], pair: int) -> str:
    return (
        f'<div class="faces">{"".join(_picture(images[2 * pair + k], pair) for k in (0, 1))}</div>'
    )


def _picture(image: bytes, pair: int) -> str:
    kind = next((mime for head, mime in _MIME.items() if image.startswith(head)), None)
    if kind is None:
        return "<span>neither JPEG nor PNG</span>"
    data = base64.b64encode(image).decode("ascii")
    return f'<img alt="pair {pair}" width="112" height="112" src="data:{kind};base64,{data}">'
