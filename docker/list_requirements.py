"""Print the requirements in a pyproject.toml, one per line: those for building and for running the
package, with the given extras. The image installs them in a layer below the code.

    python list_requirements.py pyproject.toml [EXTRA …]
"""

import sys
import tomllib
from pathlib import Path


def requirements(pyproject: Path, extras: list[str]) -> list[str]:
    """Requirement strings of the build system, the project and its extras, in that order."""
    tree = tomllib.loads(pyproject.read_text(encoding="utf-8"))
    named = tree["build-system"]["requires"] + tree["project"]["dependencies"]
    for extra in extras:
        named += tree["project"]["optional-dependencies"][extra]
    return named


if __name__ == "__main__":
    print("\n".join(requirements(Path(sys.argv[1]), sys.argv[2:])))
