"""``python -m eval …``: a door into the one command line, where this floor's commands live.

In a folder with a package `eval` of its own, Python would run that one: ``python -P -m eval …``.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run ``arcface-plus eval …`` with this process's arguments; exits with its status."""
    # The one import upwards that the layer rule allows, and only when the door is opened:
    # eval itself stays usable without the rest.
    from arcface_plus.__main__ import main as program

    sys.argv.insert(1, "eval")
    program()


if __name__ == "__main__":
    main()
