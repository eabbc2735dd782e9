"""Options that several commands share: where a model runs, how it is fed, where figures go."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arcface_plus.console import output, say
from data_prep.files import is_stdout

if TYPE_CHECKING:
    from rich.console import Console

    from arcface_plus.embedder.load import Embedder
    from arcface_plus.embedder.state_dict_model import BackboneChoice

_SAYS = "Default: what the model file says, else 127.5."
MeanOption = Annotated[
    float | None,
    typer.Option(help=f"Subtracted from the pixels (0 to 255). {_SAYS}", show_default=False),
]
ScaleOption = Annotated[
    float | None, typer.Option(help=f"Divides the pixels after that. {_SAYS}", show_default=False)
]
BgrOption = Annotated[
    bool | None,
    typer.Option(
        "--bgr/--rgb",
        help="Order of channels. Default: what the model file says, else RGB.",
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
SettingsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", "-s", metavar="KEY.SUB=VALUE", help="Override a key of the config; repeatable."
    ),
]
BackboneOption = Annotated[
    str | None,
    typer.Option(
        help="Network, if the file does not name it: r50, or '{name: mobilefacenet, width: 0.5}'.",
        show_default=False,
    ),
]
DeviceOption = Annotated[
    str, typer.Option(metavar="auto|cpu|cuda|cuda:N", help="Where the model runs.")
]
BatchSizeOption = Annotated[
    int,
    typer.Option(
        "--batch-size", "-b", min=1, help="Images decoded at a time; results do not depend on it."
    ),
]
JsonOption = Annotated[
    Path | None, typer.Option("--json", "-j", help="Write the figures to this file; - is stdout.")
]


def comma_separated(text: str) -> list[str]:
    """The words of an option such as `--targets a,b`, without blanks and empty ones."""
    return [word.strip() for word in text.split(",") if word.strip()]


def line_printer(*files: Path | None) -> Callable[[str], None]:
    """What prints a command's lines: on stdout, or on stderr where one of `files` is stdout."""
    return say if any(file is not None and is_stdout(file) for file in files) else output


def table_console(*files: Path | None) -> Console:
    """As `line_printer`, for tables: as wide as the terminal, and wide enough in a pipe or file."""
    from rich.console import Console

    ours = any(file is not None and is_stdout(file) for file in files)
    console = Console(stderr=ours)
    return console if console.is_terminal else Console(stderr=ours, width=160)


def backbone_choice(text: str | None) -> BackboneChoice | None:
    """`--backbone`, written as `model.backbone` in a config: a name, or a mapping with one."""
    from arcface_plus.embedder.state_dict_model import BackboneChoice
    from data_prep.errors import UserError
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


def load(
    ckpt: Path,
    device: str,
    mean: float | None,
    scale: float | None,
    bgr: bool | None,
    backbone: str | None = None,
) -> Embedder:
    """The embedder; says on stderr how it is fed where the file leaves that open."""
    from arcface_plus.embedder.feeding import FeedingOptions
    from arcface_plus.embedder.load import load_embedder
    from arcface_plus.runtime import resolve_device
    from data_prep.crop_size import SIDE

    order = None if bgr is None else ("BGR" if bgr else "RGB")
    options = FeedingOptions(mean, scale, order)
    embedder = load_embedder(ckpt, resolve_device(device), options, backbone_choice(backbone))
    if embedder.doubt:
        say(
            f"{ckpt}: {embedder.doubt}: fed with {embedder.feeding} (--mean, --scale, --bgr say "
            "otherwise)",
        )
    side = embedder.feeding.side
    if side != SIDE:
        say(f"{ckpt}: takes images of {side}×{side}: the {SIDE}×{SIDE} crops are resized to that")
    return embedder
