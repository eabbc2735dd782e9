"""Runs side by side: start, watch, stop them. One that fails does not stop the others."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from arcface_plus.signals import Interrupts
from arcface_plus.studies.job import DIVERGED, Command, Job, train_command

POLL = 0.2  # seconds
PATIENCE = 30.0  # seconds that a run has to end after a second signal


@dataclass(frozen=True)
class Failure:
    """A run that did not finish."""

    name: str
    status: int
    reason: str

    @property
    def diverged(self) -> bool:
        return self.status == DIVERGED


class Watcher(Protocol):
    """Whoever shows how the runs are getting on."""

    def started(self, job: Job) -> None: ...
    def running(self, jobs: Sequence[Job]) -> None: ...
    def ended(self, job: Job, failure: Failure | None) -> None: ...


@dataclass(frozen=True)
class Outcome:
    """Failures in the order in which they happened; the signal that stopped the study, if any."""

    failures: tuple[Failure, ...]
    stopped_by: int | None


def run_side_by_side(
    jobs: Sequence[Job],
    slots: int,
    environment: Callable[[int], Mapping[str, str]],
    watcher: Watcher,
    command: Command = train_command,
) -> Outcome:
    """Run all jobs, at most `slots` at a time; each after the one that it starts from, if any.

    After SIGINT or SIGTERM nothing new is started and the runs are asked to save and end; a second
    signal ends them at once, and raises what it would raise without us.

    Args:
        environment: slot, from 0 to slots − 1 → the environment of a job in it.
    """
    waiting, failures = deque(jobs), list[Failure]()
    running: dict[int, tuple[Job, subprocess.Popen[bytes]]] = {}
    passed_on = False
    with Interrupts() as interrupts, _none_left_behind(running):
        while running or (waiting and interrupts.received is None):
            while lost := _without_start(waiting, failures):
                job, failure = lost
                waiting.remove(job)
                failures.append(failure)
                watcher.ended(job, failure)
            for slot in range(slots):
                ready = _next(waiting, running)
                if slot not in running and ready and interrupts.received is None:
                    waiting.remove(ready)
                    running[slot] = (ready, ready.start(environment(slot), command))
                    watcher.started(ready)
            if interrupts.received is not None and not passed_on:
                passed_on = True
                _signal_all(running, interrupts.received)
            for slot, (job, process) in list(running.items()):
                status = process.poll()
                if status is None:
                    continue
                del running[slot]
                ended = _failure(job, status, interrupts.received)
                failures += [ended] if ended else []
                if interrupts.received is None or ended or status == 0:
                    watcher.ended(job, ended)
            watcher.running([job for job, _ in running.values()])
            if running:
                time.sleep(POLL)
    return Outcome(tuple(failures), interrupts.received)


def _without_start(
    waiting: Sequence[Job], failures: Sequence[Failure]
) -> tuple[Job, Failure] | None:
    """A job whose start has failed, and what it is reported as."""
    for failure in failures:
        for job in waiting:
            if job.follows == failure.name:
                return job, Failure(
                    job.name, failure.status, f"{failure.name}, its start, has failed"
                )
    return None


def _next(waiting: Sequence[Job], running: Mapping[int, tuple[Job, object]]) -> Job | None:
    """The first job that need not wait for another one to end."""
    unfinished = {job.name for job in (*waiting, *(job for job, _ in running.values()))}
    return next((job for job in waiting if job.follows not in unfinished), None)


def _failure(job: Job, status: int, stopped_by: int | None) -> Failure | None:
    if status == 0 or (stopped_by and status in (128 + stopped_by, -stopped_by)):
        return None
    return Failure(job.name, status, job.reason(status))


def _signal_all(running: Mapping[int, tuple[Job, subprocess.Popen[bytes]]], number: int) -> None:
    for _, process in running.values():
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


@contextlib.contextmanager
def _none_left_behind(running: dict[int, tuple[Job, subprocess.Popen[bytes]]]):  # type: ignore[no-untyped-def]
    """However we leave: no run goes on without us."""
    try:
        yield
    finally:
        _signal_all(running, signal.SIGTERM)
        deadline = time.monotonic() + PATIENCE
        for _, process in running.values():
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
