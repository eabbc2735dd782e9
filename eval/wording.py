"""Format differences, intervals, p-values and verdicts as text."""

from __future__ import annotations

from collections.abc import Sequence

from eval.difference import Difference
from eval.metric import ACCURACY, METRICS

NO_DIFFERENCE = "no difference shown"
MINUS = "−"


def listed(names: Sequence[str]) -> str:
    """Names as a list in a sentence: a, b and c."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def percent(share: float) -> str:
    """A fraction in %, with two decimals and without the % sign."""
    return f"{100 * share:.2f}"


def points(share: float) -> str:
    """A difference of fractions in percentage points, with its sign."""
    text = f"{100 * share:+.2f}"
    return "0.00" if float(text) == 0 else text.replace("-", MINUS)


def interval(bounds: tuple[float, float]) -> str:
    """An interval of a difference of fractions, in percentage points."""
    return f"{points(bounds[0])} to {points(bounds[1])}"


def level(share: float) -> str:
    """The level of an interval: 95%, 97.5%, 98.3%."""
    return f"{100 * share:.1f}".removesuffix(".0") + "%"


def p_value(p: float) -> str:
    """A p-value for a table."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def p_phrase(p: float) -> str:
    """A p-value for a sentence."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def verdict_words(difference: Difference) -> str:
    """The verdict in two or three words."""
    if difference.verdict is None:
        return difference.words
    if not difference.shown:
        return NO_DIFFERENCE
    better = difference.name if difference.favours_group else difference.reference
    return f"{better} better"


def sentence(difference: Difference, judged: int) -> str:
    """The verdict as a sentence: the difference shown, or the smallest that could be shown.

    `judged` is the number of verdicts in the whole comparison.
    """
    verdict = difference.verdict
    assert verdict is not None
    figures = (
        f"{points(verdict.mean)} points ({level(verdict.level)} interval "
        f"{interval(verdict.interval)}), {p_phrase(verdict.p_holm)}"
        + (" after Holm's correction" if judged > 1 else "")
        + f" ({verdict.test}, {evidence(difference)})"
    )
    name, where = difference.name, f"{difference.reference} on {difference.target}"
    if difference.metric != ACCURACY.name:
        where += f" by {METRICS[difference.metric].label}"
    if difference.shown:
        return (
            f"{name} is {'better' if difference.favours_group else 'worse'} than {where}: {figures}"
        )
    told = f"no difference could be shown between {name} and {where}: {figures}"
    if difference.resolves:
        smallest = percent(difference.resolves)
        told += f"; the smallest difference that could be shown is {smallest} points"
    return told


def evidence(difference: Difference) -> str:
    """The sample that the verdict's test was computed from."""
    if difference.design == "same seeds" and difference.by_seed:
        return f"the same {difference.by_seed.n} seeds of each"
    if difference.design == "other seeds" and difference.seeds:
        first, second = difference.seeds.runs
        return f"{first} and {second} seeds"
    if difference.design == "pairs":
        return f"these two networks on {difference.pairs} pairs"
    return f"these two networks on {difference.folds.n if difference.folds else 0} folds"
