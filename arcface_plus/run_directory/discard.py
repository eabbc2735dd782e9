"""`--fresh`: remove what a run has written, and nothing else."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from arcface_plus.run_directory.entries import CONFIG_FILE, ENTRIES, LOCK_FILE, SAMPLES_FOLDER
from data_prep.files import partial_name, publish, sync_folder

DISCARDED = ".discarded"
"""The name of config.yaml while its run is being deleted."""

# What a run writes into its folders, so that --fresh deletes nothing else.
_WRITTEN = {
    "checkpoints": re.compile(r"\.?step_\d{8,}(\.partial|\.removed)?"),
    "eval": re.compile(r"\.?step_\d{8,}\.(json|npz)(\.partial)?"),
    SAMPLES_FOLDER: re.compile(r"\.?step_\d{8,}\.png(\.partial)?"),
    "tb": re.compile(r"events\.out\.tfevents\..*"),
    "wandb": re.compile(r"(offline-)?run-.*|latest-run|debug(-internal)?\.log"),
}


def discard(run: Path) -> None:
    """Remove what a run has written, and nothing else; can be repeated after a kill."""
    if (run / CONFIG_FILE).is_file():
        publish(run / CONFIG_FILE, run / DISCARDED)
    for name in ENTRIES:
        entry = run / name
        if name in _WRITTEN and entry.is_dir():
            _discard_written(entry, _WRITTEN[name])
        else:
            entry.unlink(missing_ok=True)
    for entry in run.iterdir():
        if is_leftover(entry.name) and entry.name not in (DISCARDED, LOCK_FILE):
            entry.unlink(missing_ok=True)
    sync_folder(run)  # a power cut must not bring back entries without the mark
    (run / DISCARDED).unlink(missing_ok=True)


def _discard_written(folder: Path, written: re.Pattern[str]) -> None:
    """Remove a run's own files and folders from a folder, then the folder if it is empty."""
    for entry in folder.iterdir():
        if written.fullmatch(entry.name):
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink(missing_ok=True)
    if not folder.is_symlink() and not any(folder.iterdir()):
        folder.rmdir()


def is_leftover(name: str) -> bool:
    """Whether a killed run leaves files of this name: those that it had begun to write."""
    return name in (DISCARDED, LOCK_FILE) or name in {
        partial_name(Path(entry)).name for entry in ENTRIES
    }
