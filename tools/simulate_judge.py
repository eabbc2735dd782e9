"""How often are the verdicts of `eval compare` and `study` wrong? The tables of docs/judge.md.

    python tools/simulate_judge.py seeds
    python tools/simulate_judge.py pairs --study DIR --target lfw --pairs lfw.bin

`seeds` draws the figures of runs and needs no data. `pairs` measures what makes the scores of a
finished study's runs vary, simulates networks with these components on the same pairs, and applies
the protocol and the judge's tests to them. Both print Markdown. Rates are in percent, with the 95%
interval that the number of simulated studies leaves.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from judge_pairs import pair_tables
from judge_seeds import seed_tables
from judge_table import Table

from data_prep.errors import UserError


def main() -> None:
    """Print the tables as they are finished."""
    options = _options()
    try:
        for table in _tables(options, np.random.default_rng(options.seed)):
            print(table, flush=True)
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


def _tables(options: argparse.Namespace, rng: np.random.Generator) -> Iterator[Table]:
    if options.what == "seeds":
        return seed_tables(options.studies or 20_000, rng)
    if not (options.study and options.target and options.pairs):
        raise UserError("pairs needs --study, --target and --pairs")
    variants = [name for name in options.variants.split(",") if name]
    return pair_tables(
        options.study, variants, options.target, options.pairs, options.studies or 2_000, rng
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("seeds", "pairs"))
    parser.add_argument("--studies", type=int, help="simulated per cell; default 20,000 and 2,000")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--study", type=Path, help="folder of a study: runs/VARIANT/seed_N in it")
    parser.add_argument("--variants", default="", help="comma-separated; default: all")
    parser.add_argument("--target", help="the target whose scores are read")
    parser.add_argument("--pairs", type=Path, help="its pair file, for images in common")
    return parser.parse_args()


if __name__ == "__main__":
    main()
