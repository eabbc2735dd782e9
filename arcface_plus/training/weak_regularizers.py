"""Says once that a regularizer is too weak to matter."""

from __future__ import annotations

import math

SHARE = 0.002
IN_A_ROW = 5  # logged steps


class WeakRegularizers:
    """Watches each regularizer's share: its gradient over the data loss's on the same weights."""

    def __init__(self) -> None:
        self._below: dict[str, int] = {}
        self._said: set[str] = set()

    def after(self, label: str, share: float) -> str | None:
        """The line to show after a logged step with this share; NaN says nothing.

        Shown once, when the share was below 0.2% at five logged steps in a row. With such
        shares class weights turned by a degree at most, and no effect on accuracy was shown
        (docs/evidence.md).
        """
        if math.isnan(share):
            return None
        self._below[label] = self._below.get(label, 0) + 1 if share < SHARE else 0
        if self._below[label] < IN_A_ROW or label in self._said:
            return None
        self._said.add(label)
        return (
            f"regularizer {label}: at {IN_A_ROW} logged steps in a row its pull was below "
            f"{SHARE:.1%} of the data loss's on the same weights (now {share:.2g}): it hardly "
            "changes them; a larger regularizer.weight would (docs/regularizers.md)"
        )
