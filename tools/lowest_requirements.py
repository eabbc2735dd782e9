"""Print the lowest versions that pyproject.toml allows, one requirement a line:

    python tools/lowest_requirements.py [EXTRA …] > lowest.txt

`make test-lowest` installs these beside the usual ones and runs tests with them. PyTorch is left
out: it is gigabytes, and its bound is what the code was written against.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

LEFT_OUT = ("torch", "torchvision")
PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


def lowest(pyproject: Path, extras: list[str]) -> list[str]:
    """`name==bound` of each direct dependency, those of the extras included.

    Raises:
        ValueError: a dependency is not of the form `name>=bound`.
    """
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    named = list(project["dependencies"])
    for extra in extras:
        named += project["optional-dependencies"][extra]
    pinned = []
    for requirement in named:
        match = re.fullmatch(r"([\w.-]+)>=([\w.]+)", requirement)
        if match is None:
            raise ValueError(
                f"{requirement}: expected name>=bound, so that the bound can be tested"
            )
        if match[1] not in LEFT_OUT:
            pinned.append(f"{match[1]}=={match[2]}")
    return pinned


if __name__ == "__main__":
    print("\n".join(lowest(PYPROJECT, sys.argv[1:])))
