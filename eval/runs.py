"""Read the files of a run that a comparison needs: last verification, config and summary.

A run is given as its directory (``RUN/eval/step_00038000.json``, ``RUN/config.yaml``,
``RUN/summary.json``) or as one JSON file written by ``eval verify --json``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from data_prep.errors import DataError
from data_prep.json_file import read_json, read_json_mapping
from data_prep.validation_errors import first_misfit
from data_prep.yaml_file import read_yaml
from eval.scores import PairScores, read_scores, scores_file

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, lt=2**53)]


def _rate(text: str) -> str:
    try:
        float(text)
    except ValueError:
        raise ValueError(f"{text[:20]!r} is not a rate such as 1e-3") from None
    return text


Rate = Annotated[str, AfterValidator(_rate)]
"""A false accept rate as a key: "1e-3"."""


class _Read(BaseModel):
    """Unknown keys are ignored: a newer version may have written the file."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Accuracy(_Read):
    """10-fold accuracy as fractions: over the folds, and of each fold."""

    mean: Share
    std: Share
    folds: Annotated[tuple[Share, ...], Field(min_length=2)]
    thresholds: tuple[float, ...] = ()
    ci95: tuple[Share, Share]


class MeasuredPoint(_Read):
    """Error rates if pairs at a squared distance below `distance` are accepted."""

    distance: Annotated[float, Field(allow_inf_nan=False)]
    far: Share
    tar: Share


class TargetResult(_Read):
    """One target of a verification file; see `eval.verification.VerificationResult`."""

    pairs: Count
    same: Count
    images: Count | None = None
    unique_images: Count | None = None
    accuracy: Accuracy
    auc: Share | None = None
    eer: Share | None = None
    tar_at_far: dict[str, Share | None] = {}
    thresholds_at_far: dict[Rate, MeasuredPoint | None] = {}
    unavailable: dict[str, str] = {}
    pair_file: str | None = None
    pairs_sha256: str | None = None

    @property
    def headline(self) -> float:
        """The figure that stands for the target: accuracy, a share."""
        return self.accuracy.mean

    @property
    def ci95(self) -> tuple[float, float]:
        return self.accuracy.ci95

    @property
    def trials(self) -> int:
        """How many decisions the headline is the share of."""
        return self.pairs

    @property
    def counts(self) -> tuple[int, int, int | None, int | None, int]:
        """Counts that must agree before folds can be paired: necessary, not sufficient."""
        folds = len(self.accuracy.folds)
        return self.pairs, self.same, self.images, self.unique_images, folds


class ClassificationTarget(_Read):
    """The test split of a classification run; see `eval.classification.ClassificationResult`."""

    images: Count
    classes: Count
    top1: Share
    top5: Share | None = None
    top1_ci95: tuple[Share, Share]
    mean_class_error: Share
    per_class_error: tuple[Share | None, ...]
    per_class_images: tuple[Count, ...]

    @property
    def headline(self) -> float:
        """The figure that stands for the split: top-1 accuracy, a share."""
        return self.top1

    @property
    def ci95(self) -> tuple[float, float]:
        return self.top1_ci95

    @property
    def trials(self) -> int:
        """How many decisions the headline is the share of."""
        return self.images

    @property
    def counts(self) -> tuple[int, int]:
        """Counts that must agree before runs can be compared."""
        return self.images, self.classes


Result = TargetResult | ClassificationTarget
"""What a run has of one target."""


class ClassificationFile(ClassificationTarget):
    """What ``eval classify --json`` writes."""

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    checkpoint: str = ""


class VerificationFile(_Read):
    """What ``eval verify --json`` writes."""

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    checkpoint: str = ""
    protocol: str = ""
    flip: bool | None = None
    targets: Annotated[dict[str, TargetResult], Field(min_length=1)]


@dataclass(frozen=True)
class Results:
    """An evaluation of any task, by target; a classification's is called test."""

    targets: Mapping[str, Result]
    checkpoint: str = ""
    protocol: str = ""
    flip: bool | None = None

    @property
    def verified(self) -> dict[str, TargetResult]:
        """The targets that are pair files."""
        return {name: r for name, r in self.targets.items() if isinstance(r, TargetResult)}


@dataclass(frozen=True)
class Run:
    """The parts of a run that a comparison needs.

    `config` and `summary` are flat, with dotted keys; None if the run has no such file.
    `directory` is the run directory, None for a verification file outside one.
    `step` is taken from the verification file's name, None if it has another name.
    `scores` are the pairs' distances by target; empty if the .npz file is missing.
    `shared_images`: target → how many of its images the run was trained on, as counted by
    training; a target that is missing was not checked.
    """

    name: str
    path: Path
    directory: Path | None
    results_file: Path
    step: int | None
    results: Results
    config: dict[str, Any] | None
    summary: dict[str, Any] | None
    scores: Mapping[str, PairScores]
    shared_images: Mapping[str, int] = field(default_factory=dict)

    @property
    def seed(self) -> object:
        """The run's seed, None if unknown."""
        return None if self.config is None else self.config.get("run.seed")


def read_runs(paths: Sequence[Path]) -> list[Run]:
    """Read each run and give it a unique name: its folder's name, or its path if two are equal.

    Raises:
        DataError: something is missing or invalid; the message names the file and key.
    """
    runs = [read_run(path) for path in paths]
    for names in ([run.name for run in runs], [str(run.path) for run in runs]):
        if len(set(names)) == len(names):
            return [replace(run, name=name) for run, name in zip(runs, names, strict=True)]
    return [replace(run, name=f"{run.name} ({i})") for i, run in enumerate(runs, 1)]


def read_run(path: Path) -> Run:
    """Read one run directory or one verification file.

    Raises:
        DataError: see `read_runs`.
    """
    path = Path(path)
    directory: Path | None
    if path.is_dir():
        directory, results_file, name = path, _last_results(path), path.resolve().name
    elif path.is_file():
        # A file inside a run directory also gets that run's config.
        directory, results_file, name = path.parent.parent, path, path.stem
        if path.parent.name != "eval" or not (directory / "config.yaml").is_file():
            directory = None
    else:
        raise DataError(f"{path}: no such run directory or verification file")
    results = read_results(results_file)
    return Run(
        name=name,
        path=path,
        directory=directory,
        results_file=results_file,
        step=step_of(results_file),
        results=results,
        config=_read_config(directory / "config.yaml") if directory else None,
        summary=_read_summary(directory / "summary.json") if directory else None,
        scores=_read_scores(results_file, results),
        shared_images=_read_shared_images(directory / "environment.json") if directory else {},
    )


def read_unverified_run(path: Path) -> Run:
    """As `read_run`, but also accepts a run directory without verification.

    The `results` of such a run have no targets; `results_file` is the folder where they would be.

    Raises:
        DataError: see `read_runs`; or a directory that has neither verification nor metrics.
    """
    path = Path(path)
    if not path.is_dir() or any(step_of(file) is not None for file in _results_files(path)):
        return read_run(path)
    if not (path / "config.yaml").is_file() or not (path / "metrics.jsonl").is_file():
        raise DataError(
            f"{path}: not a run directory (neither eval/step_*.json nor config.yaml and "
            "metrics.jsonl)"
        )
    return Run(
        name=path.resolve().name,
        path=path,
        directory=path,
        results_file=path / "eval",
        step=None,
        results=Results({}),
        config=_read_config(path / "config.yaml"),
        summary=_read_summary(path / "summary.json"),
        scores={},
    )


def _read_shared_images(file: Path) -> dict[str, int]:
    """Empty for runs of versions that did not check."""
    found = read_json_mapping(file).get("shared_images", {}) if file.is_file() else {}
    if not isinstance(found, dict) or not all(type(count) is int for count in found.values()):
        raise DataError(f"{file}: shared_images: expected a whole number for each target")
    return found


def _results_files(directory: Path) -> Iterator[Path]:
    return (directory / "eval").glob("step_*.json")


def _last_results(directory: Path) -> Path:
    found = [file for file in _results_files(directory) if step_of(file) is not None]
    if not found:
        raise DataError(
            f"{directory}: no verification results (eval/step_*.json); "
            f"run `arcface-plus eval verify --ckpt {directory} --data DIR --json FILE` "
            "for each run and compare the FILEs"
        )
    return max(found, key=lambda file: step_of(file) or 0)


def step_of(file: Path) -> int | None:
    """The step in a verification file's name, None if it has another name."""
    match = re.fullmatch(r"step_(\d+)\.json", file.name)
    return int(match[1]) if match else None


def read_verification(file: Path) -> VerificationFile:
    """One file of `eval verify`; the DataError names the invalid key."""
    try:
        return VerificationFile.model_validate(read_json(file))
    except FileNotFoundError:
        raise DataError(f"{file}: no such file; `eval verify --json` writes it") from None
    except ValidationError as error:
        raise DataError(
            f"{file}: not written by `eval verify --json`: {first_misfit(error)}"
        ) from None


def read_results(file: Path) -> Results:
    """One file of `eval verify` or `eval classify`; the DataError names the invalid key."""
    content = read_json(file) if file.is_file() else None
    if not (isinstance(content, dict) and content.get("task") == "classification"):
        read = read_verification(file)
        return Results(read.targets, read.checkpoint, read.protocol, read.flip)
    try:
        images = ClassificationFile.model_validate(content)
    except ValidationError as error:
        raise DataError(
            f"{file}: not written by `eval classify --json`: {first_misfit(error)}"
        ) from None
    return Results({"test": images}, images.checkpoint)


def _read_scores(results_file: Path, results: Results) -> dict[str, PairScores]:
    """The scores that belong to a verification file; DataError if its accuracies differ."""
    file = scores_file(results_file)
    if not file.is_file():
        return {}
    scores = read_scores(file)
    for target, found in scores.items():
        result = results.targets.get(target)
        if (
            not isinstance(result, TargetResult)
            or found.accuracies(len(result.accuracy.folds)) != result.accuracy.folds
        ):
            raise DataError(
                f"{file}: {target}: its scores do not belong to {results_file.name}; verify "
                "again, or delete the file to compare only by folds"
            )
    return scores


def _read_config(file: Path) -> dict[str, Any] | None:
    """config.yaml, flat; None if it is missing."""
    return dict(_flatten(read_yaml(file))) if file.is_file() else None


def _read_summary(file: Path) -> dict[str, Any] | None:
    """summary.json, flat; None if it is missing."""
    return dict(_flatten(read_json_mapping(file))) if file.is_file() else None


def _flatten(content: dict[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, dict) and value:
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
