"""`arcface-plus eval verify` and `eval compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from arcface_plus.commands.model_options import (
    BackboneOption,
    BatchSizeOption,
    BgrOption,
    CkptOption,
    DeviceOption,
    JsonOption,
    MeanOption,
    ScaleOption,
    comma_separated,
    line_printer,
    load,
)
from arcface_plus.console import progress_bar, say
from data_prep.files import check_folder_writable, check_writable, is_stream

evaluation = typer.Typer(help="Verify models and compare runs.", no_args_is_help=True)


@evaluation.command()
def verify(
    ckpt: CkptOption,
    data: Annotated[Path, typer.Option("--data", "-d", help="Directory with <target>.bin.")],
    targets: Annotated[
        str | None,
        typer.Option(
            "--targets", "-t", help="Comma-separated. Default: every .bin in the directory."
        ),
    ] = None,
    json_file: JsonOption = None,
    batch_size: BatchSizeOption = 128,
    device: DeviceOption = "auto",
    no_flip: Annotated[
        bool, typer.Option("--no-flip", help="Embed the images alone, not their mirror images.")
    ] = False,
    pictures: Annotated[
        Path | None,
        typer.Option(help="Draw ROC, score histograms and the worst mistakes into this folder."),
    ] = None,
    mean: MeanOption = None,
    scale: ScaleOption = None,
    bgr: BgrOption = None,
    backbone: BackboneOption = None,
) -> None:
    """10-fold verification on DATA/<target>.bin by the field's protocol."""
    from arcface_plus.evaluation.verification import VerificationReport, verify_file
    from arcface_plus.evaluation.verification_text import missing_rates, target_line

    files = _target_files(data, targets)
    _check_outputs(json_file, pictures)
    embedder = load(ckpt, device, mean, scale, bgr, backbone)
    show = line_printer(json_file)
    verified = {}
    for name, file in files.items():
        with progress_bar(name) as progress:
            verified[name] = verify_file(embedder, file, batch_size, progress, flip=not no_flip)
        show(target_line(name, verified[name].figures))
        pairs, same = (verified[name].figures[key] for key in ("pairs", "same"))
        if same in (0, pairs):
            kind = "same" if same else "different"
            say(f"{file}: all {pairs} pairs are {kind}, so accuracy means nothing", style="yellow")
    for line in missing_rates({name: found.figures for name, found in verified.items()}):
        say(line)
    if json_file is not None:
        VerificationReport(not no_flip, verified).write(json_file, checkpoint=str(ckpt))
    if pictures is not None:
        from arcface_plus.evaluation.verification_pictures import draw

        for path in draw(verified, data, pictures):
            say(f"wrote {path}")


@evaluation.command()
def compare(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(help="Run directories, or files of verify --json, each for itself."),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=GLOB: runs of one recipe with different seeds; repeat it for each recipe "
            "(and, with the same NAME, for more of its runs). Quote the glob."
        ),
    ] = None,
    resolve: Annotated[
        float, typer.Option(help="Tell how many seeds would show a difference of so many points.")
    ] = 0.1,
    out: Annotated[
        Path | None, typer.Option(help="Also write compare.html, compare.md and compare.json here.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Directory with <target>.bin: shows the worst pairs in compare.html."),
    ] = None,
) -> None:
    """Are two or more runs, or groups of runs by seed, different; by how much, how sure."""
    from rich.console import Console

    from data_prep.errors import UserError
    from eval.compare import compare as compare_runs
    from eval.report.terminal import to_terminal
    from eval.report.write import write_comparison

    if data is not None and out is None:
        raise UserError("--data is for the worst pairs in compare.html: give --out DIR too")
    if out is not None:
        check_folder_writable(out)
    comparison = compare_runs(runs or [], _groups(group or []), resolve / 100)
    written: list[Path] = []
    if out is not None:  # before anything is printed: `… | head` must not lose the report
        from arcface_plus.evaluation.comparison_parts import class_angles, layer_angles, pair_images

        images = pair_images(comparison.runs, data) if data is not None else {}
        angles, layers = class_angles(comparison.runs), layer_angles(comparison.runs)
        written = write_comparison(comparison, out, angles, images, layers)
    to_terminal(comparison, Console())
    for path in written:
        say(f"wrote {path}")
    if out is None:
        say("--out DIR writes all tests, tables and pictures (compare.html, .md, .json)")


def _groups(options: list[str]) -> dict[str, list[Path]]:
    """NAME=GLOB… → the runs of each name, sorted as the glob finds them."""
    from glob import glob

    from data_prep.errors import UserError

    groups: dict[str, list[Path]] = {}
    for option in options:
        name, equals, pattern = option.partition("=")
        if not (name and equals and pattern):
            raise UserError(f"--group {option}: give NAME=GLOB, like arcface='runs/arcface_*'")
        found = [Path(path) for path in sorted(glob(pattern, recursive=True))]
        if not found:
            raise UserError(f"--group {option}: nothing is called {pattern}")
        groups.setdefault(name, []).extend(found)
    return groups


def _check_outputs(json_file: Path | None, pictures: Path | None) -> None:
    """Before any work: a name that cannot be written is found out now."""
    from data_prep.errors import UserError
    from eval.scores import scores_file

    check_writable(json_file)
    if json_file is not None and not is_stream(json_file):
        if json_file.suffix == ".npz":
            raise UserError(
                f"{json_file}: name the JSON file; the pairs' distances go beside it as .npz"
            )
        check_writable(scores_file(json_file))
    if pictures is not None:
        check_folder_writable(pictures)


def _target_files(data: Path, targets: str | None) -> dict[str, Path]:
    """The pair file of each target asked for, by default of all in the directory."""
    from arcface_plus.evaluation.verification import check_folder, target_file, target_name
    from data_prep.errors import UserError

    names = [target_name(name) for name in comma_separated(targets or "")]
    if not names:
        check_folder(data)
        names = sorted(path.stem for path in data.glob("*.bin"))
    if not names:
        raise UserError(f"{data}: no .bin pair file in this directory")
    return {name: target_file(data, name) for name in names}
