"""One run of a study as a process of its own: command, environment, log, and why it failed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from arcface_plus.studies.plan import PlannedRun
from arcface_plus.studies.starts import located
from data_prep.errors import first_line
from data_prep.files import make_folder, write_text

Command = Callable[[Path, Path], list[str]]
"""(config file, run directory) → the words of the command."""

DIVERGED = 3
LOG_TAIL = 1 << 14


@dataclass(frozen=True)
class Job:
    """A run of the study that is not finished. All paths are in the study's folder."""

    planned: PlannedRun
    folder: Path

    @property
    def name(self) -> str:
        return self.planned.name

    @property
    def follows(self) -> str | None:
        """The name of the run that it starts from, which must be finished before."""
        return self.planned.start.name if self.planned.start else None

    @property
    def run(self) -> Path:
        return self.folder / self.planned.folder

    @property
    def config_file(self) -> Path:
        return self.folder / "configs" / f"{self.name}.yaml"

    @property
    def log(self) -> Path:
        return self.folder / "logs" / f"{self.name}.log"

    def prepare(self) -> None:
        """Write the config, and make room for the log."""
        for file in (self.config_file, self.log):
            make_folder(file.parent)
        write_text(self.config_file, located(self.folder, self.planned).to_yaml())

    def start(self, environment: Mapping[str, str], command: Command) -> subprocess.Popen[bytes]:
        """Start it; its output is appended to the log.

        In a session of its own: a Ctrl-C on the terminal reaches the study alone, which passes it
        on once.
        """
        self.prepare()
        with open(self.log, "ab") as log:
            return subprocess.Popen(
                command(self.config_file, self.run),
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                env=dict(environment), start_new_session=True,
            )  # fmt: skip

    def reason(self, status: int) -> str:
        """Why it ended with `status`: its own last words, or the signal."""
        if status < 0:
            return f"ended by signal {-status}; its output: {self.log}"
        told = [line for line in self._log_lines() if line.strip()]
        ours = [line for line in told if line.startswith("arcface-plus: ")]
        if ours:
            return ours[-1].removeprefix("arcface-plus: ")
        last = f" ({told[-1].strip()[:160]})" if told else ""
        return f"exit status {status}{last}; its output: {self.log}"

    def _log_lines(self) -> list[str]:
        try:
            with open(self.log, "rb") as file:
                size = file.seek(0, 2)
                file.seek(max(0, size - LOG_TAIL))
                return file.read().decode("utf-8", "replace").splitlines()
        except OSError as error:
            return [first_line(error)]


def train_command(config_file: Path, run: Path) -> list[str]:
    return [sys.executable, "-m", "arcface_plus", "train", str(config_file), "--out", str(run)]


def shared_out(jobs: int, slot: int, gpus: list[str]) -> dict[str, str]:
    """The environment of the job in one of `jobs` slots: its share of cores, its GPU.

    What the user has set stays. Threads that wait must not spin against the other runs.
    """
    environment = dict(os.environ)
    threads = max(1, len(os.sched_getaffinity(0)) // jobs)
    if jobs > 1:
        environment.setdefault("OMP_NUM_THREADS", str(threads))
        environment.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if len(gpus) > 1:
        environment["CUDA_VISIBLE_DEVICES"] = gpus[slot % len(gpus)]
    return environment


def visible_gpus() -> list[str]:
    """The GPUs that runs may use, as CUDA_VISIBLE_DEVICES names them."""
    import torch

    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    count = torch.cuda.device_count()
    if named:
        return [name.strip() for name in named.split(",") if name.strip()][:count]
    return [str(number) for number in range(count)]
