"""Print the lowest versions that pyproject.toml allows, one requirement per line:

    python tools/lowest_requirements.py [EXTRA …] > lowest.txt

`make test-lowest` installs them in a separate folder and runs tests with them. PyTorch is omitted:
it is gigabytes large, and its lower bound is the version that the code was written for.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

LEFT_OUT = ("torch", "torchvision")
PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


def lowest(pyproject: Path, extras: list[str]) -> list[str]:
    """`name==bound` of each direct dependency, including those of the extras.

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
