"""`arcface-plus eval …`: verify one model, compare runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from arcface_plus.commands.progress import console, progress_bar

evaluation = typer.Typer(help="Verify models and compare runs.", no_args_is_help=True)


@evaluation.command()
def verify(
    ckpt: Annotated[
        Path, typer.Option(help="Run, checkpoint, .safetensors, .pt/.pth state dict or .onnx.")
    ],
    data: Annotated[Path, typer.Option(help="Directory with <target>.bin.")],
    targets: Annotated[
        str | None, typer.Option(help="Comma-separated. Default: every .bin in the directory.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the figures to this file.")
    ] = None,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Images decoded at a time; no effect on digits.")
    ] = 128,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
) -> None:
    """10-fold verification on DATA/<target>.bin by the field's protocol."""
    import json
    from contextlib import ExitStack

    from arcface_plus.checkpoint import write_text
    from arcface_plus.embedder import load_embedder
    from arcface_plus.runtime import resolve_device
    from arcface_plus.verification import target_file, verify_targets
    from data_prep.errors import UserError

    names = [t.strip() for t in targets.split(",") if t.strip()] if targets else _all_targets(data)
    for name in names:
        target_file(data, name)
    if not names:
        raise UserError(f"{data}: no .bin pair file in this directory")
    if json_file is not None and not json_file.parent.is_dir():
        raise UserError(f"{json_file}: its directory does not exist")
    embedder = load_embedder(ckpt, resolve_device(device))
    with ExitStack() as bars:
        result = verify_targets(
            embedder,
            data,
            names,
            checkpoint=str(ckpt),
            batch_size=batch_size,
            progress=lambda target: bars.enter_context(progress_bar(target)),
        )
    for name, found in result["targets"].items():
        print(_line(name, found))
    if json_file is not None:
        write_text(json_file, json.dumps(result, indent=2) + "\n")


@evaluation.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(help="Run directories, or files of verify --json.")],
    out: Annotated[
        Path | None, typer.Option(help="Also write compare.md and compare.json here.")
    ] = None,
) -> None:
    """Are two or more runs different, by how much, how sure."""
    from rich.console import Console

    from eval import report
    from eval.compare import compare as compare_runs

    comparison = compare_runs(runs)
    report.to_terminal(comparison, Console())
    if out is not None:
        for path in report.write(comparison, out):
            console.print(f"wrote {path}", highlight=False)


def _all_targets(data: Path) -> list[str]:
    from data_prep.errors import UserError

    if not data.is_dir():
        raise UserError(f"{data}: no such directory of pair files")
    return sorted(path.stem for path in data.glob("*.bin"))


def _line(name: str, found: dict[str, Any]) -> str:
    accuracy = found["accuracy"]
    low, high = accuracy["ci95"]
    rates = "  ".join(
        f"TAR@{far} {100 * tar:.2f}%" if tar is not None else f"TAR@{far} –"
        for far, tar in found["tar_at_far"].items()
    )
    return (
        f"{name}: {100 * accuracy['mean']:.2f} ± {100 * accuracy['std']:.2f}%  "
        f"(95% {100 * low:.2f} to {100 * high:.2f}; {found['pairs']} pairs)  {rates}"
    )
