"""`arcface-plus data align`: photos → 112x112 crops."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arcface_plus.commands.detector_options import (
    Detector,
    DetectorOption,
    Fallback,
    FallbackOption,
    MinScoreOption,
    ModelOption,
    Pick,
    PickOption,
    require_no_options,
    yunet,
)
from arcface_plus.console import output, progress_bar

if TYPE_CHECKING:
    from data_prep.align.detector import FaceFinder
    from data_prep.align.report import Summary

_LISTED = 10


def align(
    src: Annotated[Path, typer.Argument(help="Folder tree of photos.")],
    out: Annotated[Path, typer.Argument(help="New folder for the same tree of 112x112 crops.")],
    detector: DetectorOption = None,
    model: ModelOption = None,
    landmarks: Annotated[
        Path | None,
        typer.Option(help="Take landmarks from a list: a path and ten numbers per line."),
    ] = None,
    pick: PickOption = None,
    fallback: FallbackOption = None,
    min_score: MinScoreOption = None,
    quality: Annotated[
        int, typer.Option(min=1, max=100, help="Quality of JPEG, WebP and AVIF crops.")
    ] = 95,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Default: one per core.", show_default=False)
    ] = None,
) -> None:
    """Cut aligned 112x112 crops from photos.

    Run it again to continue where it stopped.
    """
    from data_prep.align.align import align as align_photos
    from data_prep.files import check_folder_writable

    check_folder_writable(out)
    finder = _finder(detector, model, landmarks, min_score)
    pick = pick or Pick.central_and_large
    with progress_bar("aligning") as progress:
        summary = align_photos(
            src,
            out,
            finder,
            pick=pick,
            fallback=fallback or Fallback.none,
            quality=quality,
            threads=threads,
            progress=progress,
        )
    for line in _lines(summary, out, pick):
        output(line)


def _finder(
    detector: Detector | None,
    model: Path | None,
    landmarks: Path | None,
    min_score: float | None,
) -> FaceFinder:
    from data_prep.align.landmarks import Landmarks
    from data_prep.errors import UserError

    if landmarks is not None:
        if (detector, model, min_score) != (None, None, None):
            raise UserError(
                "give either --landmarks or a detector (--detector, --model, --min-score), not both"
            )
        return Landmarks(landmarks)
    if model is None:
        require_no_options(detector=detector, min_score=min_score)
        raise UserError(
            "no source of landmarks: give --model face_detection_yunet_2023mar.onnx, or "
            "--landmarks LIST"
        )
    return yunet(model, min_score)


def _lines(summary: Summary, out: Path, pick: str) -> list[str]:
    s = summary
    lines = [
        f"{s.crops} crops of {s.photos} photos in {out} ({s.already_there} already there)",
        f"one face {s.found} · several {s.several} ({pick} taken) · none {s.none} · "
        f"unreadable {s.unreadable} · other files {s.other_files}",
    ]
    if s.unlisted:
        lines.append(f"{s.unlisted} photos are not in the landmark list")
    if s.crop_side:
        lines.append(
            f"median face: {s.crop_side[2]:.0f} photo pixels become 112 ({s.enlarged} enlarged); "
            f"yaw {s.yaw[0]:+.0f} to {s.yaw[4]:+.0f} degrees (5% to 95%)"
        )
    made = s.photos - s.already_there
    if made and s.seconds:
        lines.append(f"{made} photos in {s.seconds:.1f} s: {made / s.seconds:.0f} photos/s")
    return lines + _without_face(out) + [f"report: {out}/align-report.csv, .json, .png"]


def _without_face(out: Path) -> list[str]:
    """The first few photos without a face, without landmarks, or that could not be read."""
    from data_prep.align.report import CSV_NAME, read_rows

    reasons = {"none": "no face", "unlisted": "not in the landmark list"}

    lines: list[str] = []
    count = 0
    for row in read_rows(out / CSV_NAME):
        if row["status"] in (*reasons, "unreadable"):
            count += 1
            if count <= _LISTED:
                what = row["note"] or reasons[row["status"]]
                cropped = ", centre crop" if row["crop"] else ""
                lines.append(f"  {row['path']}: {what}{cropped}")
    if count > _LISTED:
        lines.append(f"  … and {count - _LISTED} more in the report")
    return lines
