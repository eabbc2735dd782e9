"""`arcface-plus demo`: the whole way from no data to a verdict, on generated faces."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path, typer.Option(help="Directory for faces, runs and comparison.")] = Path(
        "demo_out"
    ),
) -> None:
    """Generated faces → train ArcFace and ArcFace+ → verify both → comparison."""
    from arcface_plus.demo import run

    run(out)
