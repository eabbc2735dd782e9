"""Checks a run directory before training: may it be used, and does it hold the same run?"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

import arcface_plus
from arcface_plus.config.sections import StoredConfig
from arcface_plus.run_directory.checkpoint import Checkpoints
from arcface_plus.run_directory.discard import DISCARDED, discard, is_leftover
from arcface_plus.run_directory.entries import CONFIG_FILE, ENVIRONMENT_FILE
from arcface_plus.run_directory.lock import locked
from data_prep.errors import DataError, UserError
from data_prep.files import make_folder
from data_prep.json_file import read_json_mapping
from data_prep.yaml_file import read_yaml


@contextlib.contextmanager
def claimed(run: Path, config: StoredConfig, fresh: bool) -> Iterator[Path | None]:
    """Hold RUN's lock, make RUN ready, and give what `prepare` returns.

    UserError if another run holds it, or as `prepare` raises; then nothing is written.
    """
    if not (run / DISCARDED).is_file():
        check_usable(run, config, fresh)
    make_folder(run)
    with locked(run):
        yield prepare(run, config, fresh)


def prepare(run: Path, config: StoredConfig, fresh: bool) -> Path | None:
    """Make RUN ready and return the checkpoint to continue from, None for a new run.

    UserError if RUN holds something that is not a run, or a run of another config.
    """
    if (run / DISCARDED).is_file():  # a --fresh that was killed
        discard(run)
    check_usable(run, config, fresh)
    if fresh and _is_run(run, config):
        discard(run)
    make_folder(run)
    return Checkpoints(run, keep=1).last()


def check_usable(
    run: Path, config: StoredConfig, fresh: bool, remedy: str = "use --fresh or another --out"
) -> None:
    """Raise UserError if `prepare` would; writes nothing.

    `remedy`: what the user can do about a run of another configuration.
    """
    if run.exists() and not run.is_dir():
        raise UserError(f"{run}: is a file, not a run directory; choose another --out")
    is_run = _is_run(run, config)
    if run.is_dir() and not is_run:
        foreign = sorted(entry.name for entry in run.iterdir() if not is_leftover(entry.name))
        if foreign:
            raise UserError(
                f"{run}: is not empty and not a run (it holds {foreign[0]}); choose another --out"
            )
    if is_run and not fresh:
        _check_same_run(run, config, remedy)


def _is_run(run: Path, config: StoredConfig) -> bool:
    """Whether RUN/config.yaml belongs to a run: --fresh must not delete other programs' files."""
    if not (run / CONFIG_FILE).is_file():
        return False
    if (run / ENVIRONMENT_FILE).is_file():
        return True
    try:
        type(config).model_validate(read_yaml(run / CONFIG_FILE))
    except (DataError, ValidationError):
        return False
    return True


def flattened(tree: dict[str, object], prefix: str = "") -> dict[str, object]:
    """Nested sections → dotted keys."""
    flat: dict[str, object] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= flattened(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def _check_same_run(run: Path, config: StoredConfig, remedy: str) -> None:
    """A run continues only with the same config, except for keys that do not affect results."""
    try:
        before = read_yaml(run / CONFIG_FILE)
    except DataError as error:
        raise UserError(
            f"{error}; restore it, or use --fresh to discard the run and its checkpoints"
        ) from None
    old = flattened(_with_defaults(before, config))
    new = flattened(config.model_dump(mode="json"))
    changed = [
        f"{key} {old.get(key)!r} → {new.get(key)!r}"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key) and not key.startswith(config.free_keys)
    ]
    if changed:
        raise UserError(
            f"{run}: holds a run of another configuration ({'; '.join(changed)})"
            f"{_other_version(run)}; {remedy}"
        )


def _other_version(run: Path) -> str:
    """What else may explain that the config differs: defaults and keys change with versions."""
    try:
        version = read_json_mapping(run / ENVIRONMENT_FILE).get("arcface_plus")
    except (OSError, DataError):
        return ""
    ours = arcface_plus.__version__
    return "" if version in (None, ours) else f", begun with version {version}; this is {ours}"


def _with_defaults(tree: dict[str, object], config: StoredConfig) -> dict[str, object]:
    """A config written by an older version, with the keys added since."""
    try:
        return type(config).model_validate(tree).model_dump(mode="json")
    except ValidationError:  # another command's, a key removed since, or an edited file
        return tree
