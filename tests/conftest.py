"""What every test may use: the folder of real data, when there is one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder named by ARCFACE_PLUS_REAL_DATA; the test is skipped where it is absent."""
    named = os.environ.get("ARCFACE_PLUS_REAL_DATA", "")
    if not named or not Path(named).is_dir():
        pytest.skip("no real data here (set ARCFACE_PLUS_REAL_DATA to its folder)")
    return Path(named)
