"""Options that several commands share: the model, its device and input format, the output file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arcface_plus.console import output, say
from data_prep.errors import UserError
from data_prep.files import check_writable, is_stdout, is_stream

if TYPE_CHECKING:
    from rich.console import Console

    from arcface_plus.embedder.load import Embedder
    from arcface_plus.embedder.state_dict_model import BackboneChoice

_DEFAULT = "Default: from the model file, else 127.5."
MeanOption = Annotated[
    float | None,
    typer.Option(help=f"Subtract this from pixel values 0 to 255. {_DEFAULT}", show_default=False),
]
ScaleOption = Annotated[
    float | None,
    typer.Option(
        help=f"Divide pixel values by this after subtracting the mean. {_DEFAULT}",
        show_default=False,
    ),
]
BgrOption = Annotated[
    bool | None,
    typer.Option(
        "--bgr/--rgb",
        help="Channel order. Default: from the model file, else RGB.",
        show_default=False,
    ),
]

CkptOption = Annotated[
    Path,
    typer.Option(
        "--ckpt",
        "-c",
        help="Run, checkpoint, .safetensors, .pt/.pth/.ckpt/.tar with a state dict, or .onnx.",
    ),
]
CkptsOption = Annotated[
    list[Path],
    typer.Option(
        "--ckpt",
        "-c",
        help="Run, checkpoint, .safetensors or state dict; repeat to compare several.",
    ),
]
SettingsOption = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", metavar="KEY.SUB=VALUE", help="Override a config key; repeatable."),
]
BackboneOption = Annotated[
    str | None,
    typer.Option(
        help="Backbone, if the model file does not name it: r50, or "
        "'{name: mobilefacenet, width: 0.5}'.",
        show_default=False,
    ),
]
DeviceOption = Annotated[
    str, typer.Option(metavar="auto|cpu|cuda|cuda:N", help="Where the model runs.")
]
BatchSizeOption = Annotated[
    int,
    typer.Option(
        "--batch-size", "-b", min=1, help="Images to decode at a time; does not affect results."
    ),
]
JsonOption = Annotated[
    Path | None, typer.Option("--json", "-j", help="Write results to this file; - is stdout.")
]


def comma_separated(text: str) -> list[str]:
    """The items of an option such as `--targets a,b`, stripped, without empty ones."""
    return [word.strip() for word in text.split(",") if word.strip()]


def line_printer(*files: Path | None) -> Callable[[str], None]:
    """The function that prints a command's lines: to stdout, or stderr if `files` has stdout."""
    return say if any(file is not None and is_stdout(file) for file in files) else output


def table_console(*files: Path | None) -> Console:
    """As `line_printer`, for tables: as wide as the terminal, 160 columns in a pipe or file."""
    from rich.console import Console

    ours = any(file is not None and is_stdout(file) for file in files)
    console = Console(stderr=ours)
    return console if console.is_terminal else Console(stderr=ours, width=160)


def backbone_choice(text: str | None) -> BackboneChoice | None:
    """Parse `--backbone`, written like `model.backbone` in a config: a name, or a mapping."""
    from arcface_plus.embedder.state_dict_model import BackboneChoice
    from data_prep.yaml_file import parse_yaml

    if text is None:
        return None
    try:
        given = parse_yaml(text)
    except ValueError:
        given = None
    parts = {"name": given} if isinstance(given, str) else given
    if not isinstance(parts, dict) or not isinstance(parts.get("name"), str):
        raise UserError(
            f"--backbone {text[:80]}: give a name (r50) or '{{name: mobilefacenet, width: 0.5}}'"
        )
    return BackboneChoice(parts["name"], {str(k): v for k, v in parts.items() if k != "name"})


def check_output(file: Path | None, suffix: str) -> None:
    """UserError if the file of an option like --png cannot be written, or has another suffix."""
    check_writable(file)
    if file is not None and file.suffix != suffix and not is_stream(file):
        raise UserError(f"{file}: --{suffix[1:]} needs a {suffix} file name")


def load(
    ckpt: Path,
    device: str,
    mean: float | None,
    scale: float | None,
    bgr: bool | None,
    backbone: str | None = None,
) -> Embedder:
    """Load an embedder; report the assumed input format on stderr if the file does not state it."""
    from arcface_plus.embedder.feeding import FeedingOptions
    from arcface_plus.embedder.load import load_embedder
    from arcface_plus.runtime import resolve_device
    from data_prep.crop_size import SIDE

    order = None if bgr is None else ("BGR" if bgr else "RGB")
    options = FeedingOptions(mean, scale, order)
    embedder = load_embedder(ckpt, resolve_device(device), options, backbone_choice(backbone))
    if embedder.doubt:
        say(
            f"{ckpt}: {embedder.doubt}; assuming input {embedder.feeding} (change it with --mean, "
            "--scale, --bgr)",
        )
    side = embedder.feeding.side
    if side != SIDE:
        say(f"{ckpt}: takes {side}×{side} images; resizing the {SIDE}×{SIDE} crops to that size")
    return embedder
