"""``python -m eval …``: the same as ``arcface-plus eval …``.

In a folder that has its own package `eval`, Python would run that one: use ``python -P -m eval …``.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run ``arcface-plus eval …`` with this process's arguments; exits with its status."""
    # The only upward import that the layer rule allows; it is local, so that eval itself stays
    # usable without arcface_plus.
    from arcface_plus.__main__ import main as program

    sys.argv.insert(1, "eval")
    program()


if __name__ == "__main__":
    main()
