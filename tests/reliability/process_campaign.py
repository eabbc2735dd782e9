"""Kill or stop processes of a run of several at random moments, then repeat its command.

`campaign.py --processes 2` runs this. The launcher that starts the processes as torchrun does is
part of each trial, and it is hit, too:

    kill one       SIGKILL to one process; the launcher ends the others
    restart        the same, and the launcher starts all again, as `--max-restarts 1` does
    kill all       SIGKILL to all processes
    kill launcher  SIGKILL to the launcher; its processes save and end
    SIGTERM, SIGUSR1, SIGINT    to the launcher, which forwards it
    signal one     SIGTERM to one process

What the repeated command leaves must equal what an undisturbed one leaves, and the broken one must
have said one line at most. How long its processes took to end is printed.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from launcher import launch
from outcome import Outcome, difference, outcome

KINDS = (
    "kill one", "restart", "kill all", "kill launcher", "SIGTERM", "SIGUSR1", "SIGINT",
    "signal one",
)  # fmt: skip
PATIENCE = 120.0  # seconds after which a command hangs


class ProcessCampaign:
    """Trials of one command in `work`: words as of `train`, for a run directory."""

    def __init__(self, words: Sequence[str], count: int, work: Path, seed: int) -> None:
        self._words, self._count, self._work = list(words), count, work
        self._random = random.Random(f"processes {seed}")
        self.longest = 0.0  # seconds from the harm to the end of all processes
        reference = work / "reference"
        started = time.perf_counter()
        status, said = self._finished(self._started(reference, 0), PATIENCE)
        assert status == 0, said
        self.seconds = time.perf_counter() - started
        self._expected: Outcome = outcome(reference)

    def trial(self, kind: str) -> str | None:
        """What is wrong after harming the command and repeating it; None: nothing."""
        run = self._work / "run"
        after = self._random.uniform(0, self.seconds)
        try:
            launcher = self._started(run, 1 if kind == "restart" else 0)
            time.sleep(after)
            pids = self._pids()
            self._harm(kind, launcher, pids)
            harmed = time.perf_counter()
            _, said = self._finished(launcher, PATIENCE)
            _await_end(pids.values())
            if kind != "restart":
                self.longest = max(self.longest, time.perf_counter() - harmed)
            if wrong := self._wrong_words(said, kind):
                return f"{after:.3f} s: {wrong}"
            status, said = self._finished(self._started(run, 0), PATIENCE)
            if status != 0:
                return f"{after:.3f} s: repeated: status {status}: {said.strip()[-600:]}"
            found = difference(self._expected, outcome(run))
            return f"{after:.3f} s: {found}" if found else None
        finally:
            shutil.rmtree(run, ignore_errors=True)

    def _harm(self, kind: str, launcher: int, pids: dict[int, int]) -> None:
        numbers = {"SIGTERM": signal.SIGTERM, "SIGUSR1": signal.SIGUSR1, "SIGINT": signal.SIGINT}
        if kind in numbers:
            os.kill(launcher, numbers[kind])  # not waited for yet, so the number is still its own
        elif kind == "kill launcher":
            os.kill(launcher, signal.SIGKILL)
        elif kind == "kill all":
            _kill(pids.values(), signal.SIGKILL)
        else:
            one = [pids[self._random.choice(list(pids))]] if pids else []
            _kill(one, signal.SIGTERM if kind == "signal one" else signal.SIGKILL)

    def _wrong_words(self, said: str, kind: str) -> str | None:
        """One line says why a command ended; two where it was restarted, or torchrun is gone."""
        lines = [line for line in said.splitlines() if line.startswith("arcface-plus: ")]
        most = {"restart": 2, "kill launcher": self._count}.get(kind, 1)
        if len(lines) > most or "Traceback" in said or "internal error" in said:
            return f"said {said.strip()[-800:]}"
        return None

    def _started(self, run: Path, max_restarts: int) -> int:
        """A fork that launches the command; its process number."""
        shutil.rmtree(self._work / "said", ignore_errors=True)
        words = [*self._words, "--out", str(run)]
        child = os.fork()
        if child == 0:
            status = 99
            try:
                status = launch(words, self._count, self._work / "said", max_restarts)
            finally:
                sys.stderr.flush()
                os._exit(status)
        return child

    def _finished(self, launcher: int, limit: float) -> tuple[int, str]:
        """Wait for a launcher: its status, and what its processes said."""
        until = time.monotonic() + limit
        while not (ended := os.waitpid(launcher, os.WNOHANG))[0]:
            if time.monotonic() > until:
                _kill([launcher, *self._pids().values()], signal.SIGKILL)
            time.sleep(0.01)
        files = sorted((self._work / "said").glob("said.*"))
        said = "".join(file.read_text(errors="replace") for file in files)
        return os.waitstatus_to_exitcode(ended[1]), said

    def _pids(self) -> dict[int, int]:
        """Process number by rank; empty before they are started."""
        try:
            pids: dict[int, int] = json.loads((self._work / "said/pids.json").read_text())
        except FileNotFoundError:
            return {}
        return pids


def _kill(pids: Iterable[int], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _await_end(pids: Iterable[int]) -> None:
    """Wait for processes whose launcher was killed; then repeating the command finds no lock."""
    until = time.monotonic() + PATIENCE
    for pid in pids:
        while _runs(pid) and time.monotonic() < until:
            time.sleep(0.01)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def run_processes(campaign: ProcessCampaign, each: int) -> tuple[int, int]:
    """`each` trials of every kind → how many were made, and how many failed."""
    made = failed = 0
    for kind in KINDS:
        for _ in range(each):
            made += 1
            if wrong := campaign.trial(kind):
                failed += 1
                print(f"{kind} after {wrong}", flush=True)
        print(f"{kind}: {each} moments of {campaign.seconds:.1f} s tried", flush=True)
    print(f"ended at most {campaign.longest:.1f} s after the harm", flush=True)
    return made, failed
