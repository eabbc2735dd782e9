"""The entry point: `arcface-plus`, `python -m arcface_plus`, `torchrun -m arcface_plus`.

Two things come before every other import: handlers with which signals end the program (the imports
take seconds), and the import of our own `data_prep` and `eval`.
"""

from __future__ import annotations

import importlib.util
import signal
import sys
from importlib.machinery import PathFinder
from pathlib import Path

from arcface_plus import torchrun
from arcface_plus.signals import leave
from arcface_plus.watchdog import STOPPING

PACKAGES = ("data_prep", "eval")


def _load_own_packages() -> None:
    """Import the top-level packages next to this one, whatever comes before them on sys.path.

    `python -m` puts the current folder first on sys.path, and PYTHONPATH may add others.
    arcface_torch's repository has its own `eval/`, and so has every run directory.
    """
    root = str(Path(__file__).resolve().parents[1])
    for name in PACKAGES:
        if name not in sys.modules:
            spec = PathFinder.find_spec(name, [root])
            assert spec is not None, f"{name} is not in {root}"
            assert spec.loader is not None, f"{name} in {root} has no __init__.py"
            module = importlib.util.module_from_spec(spec)
            sys.modules[name] = module
            spec.loader.exec_module(module)


# Not in main: processes spawned by multiprocessing import this file but do not call main.
_load_own_packages()


def main() -> None:
    """Run the command line with this process's arguments and exit with its status."""
    for number in STOPPING:
        signal.signal(number, leave)
    torchrun.end_with_launcher()
    from arcface_plus.cli import main as command_line

    command_line()


if __name__ == "__main__":
    main()
