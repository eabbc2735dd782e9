"""A short run of the fuzzer; `run_fuzz.py --inputs 100000` is the long one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_two_thousand_mutated_inputs() -> None:
    script = Path(__file__).with_name("run_fuzz.py")
    run = subprocess.run(
        [sys.executable, str(script), "--inputs", "2000", "--seed", "1"],
        capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr[-2000:]
    assert "0 findings" in run.stdout.splitlines()[-1]
