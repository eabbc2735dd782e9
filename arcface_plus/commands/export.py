"""`arcface-plus export`: write a model in a format that other programs load."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from arcface_plus.commands.model_options import BackboneOption, backbone_choice
from arcface_plus.console import say


class Format(StrEnum):
    safetensors = "safetensors"
    onnx = "onnx"
    torch = "torch"


def export(
    ckpt: Annotated[
        Path,
        typer.Option("--ckpt", "-c", help="Run, checkpoint, .safetensors or .pt/.pth/.ckpt/.tar."),
    ],
    format: Annotated[Format, typer.Option("--format", "-f", help="Output format.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="File to write: .safetensors, .onnx, .pt or .pth.")
    ],
    backbone: BackboneOption = None,
) -> None:
    """Export the backbone as safetensors (with its .json), ONNX or a plain PyTorch state dict."""
    from arcface_plus.embedder.export import write

    write(ckpt, format.value, out, backbone_choice(backbone))
    say(f"wrote {out}")
