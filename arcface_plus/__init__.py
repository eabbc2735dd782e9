"""Floor 3: everything that makes a run. `arcface_plus.cli` is the one command line."""

__version__ = "0.1.0"
