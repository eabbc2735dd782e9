"""RUN/tracking.json: under which id a run is recorded elsewhere, so that it continues there."""

from __future__ import annotations

import json
from pathlib import Path

from data_prep.files import write_text
from data_prep.json_file import read_json_mapping

TRACKING_FILE = "tracking.json"


def tracked_id(run: Path, sink: str) -> str | None:
    """The run's id in a sink, None if it has none yet; DataError for a broken file."""
    try:
        found = read_json_mapping(run / TRACKING_FILE).get(sink)
    except FileNotFoundError:
        return None
    return None if found is None else str(found)


def remember_id(run: Path, sink: str, tracked: str) -> None:
    """Keep the run's id in a sink for when the run is resumed."""
    path = run / TRACKING_FILE
    ids = read_json_mapping(path) if path.is_file() else {}
    if ids.get(sink) != tracked:
        write_text(path, json.dumps({**ids, sink: tracked}, indent=2) + "\n")
