"""How a study is getting on: one bar over the steps of all its runs, or a line for each run."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from rich.progress import TextColumn

from arcface_plus.console import console, new_bar, say
from arcface_plus.studies.job import Job
from arcface_plus.studies.scheduler import Failure
from arcface_plus.studies.state import logged_step
from data_prep.errors import printable

REFRESH = 1.0  # seconds between two looks at the runs' metrics


class StudyProgress:
    """Watches the scheduler.

    `finished`: how many runs were finished before; `steps`: by name, where each job begins.
    """

    def __init__(self, jobs: Sequence[Job], finished: int, steps: Mapping[str, int]) -> None:
        self._done, self._of = finished, finished + len(jobs)
        self._ends = {job.name: job.planned.config.optimizer.steps for job in jobs}
        self._steps = dict(steps)
        self._running: Sequence[Job] = ()
        self._first = sum(steps.values())
        self._begun = self._looked = time.monotonic()
        self._bar = new_bar(TextColumn("{task.fields[note]}", markup=False))
        self._task = self._bar.add_task(
            "steps", total=sum(self._ends.values()), completed=self._first, note=""
        )

    def __enter__(self) -> StudyProgress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def started(self, job: Job) -> None:
        begins = self._steps[job.name]
        say(f"{job.name}: {f'resumes at step {begins}' if begins else 'starts'}; log: {job.log}")

    def running(self, jobs: Sequence[Job]) -> None:
        self._running = jobs
        now = time.monotonic()
        if not console.is_terminal or now - self._looked < REFRESH:
            return
        self._looked = now
        self._look()
        names = ", ".join(job.name for job in jobs)
        note = f"run {self._done + len(jobs)} of {self._of}: {names}"
        self._bar.update(self._task, completed=sum(self._steps.values()), note=printable(note))

    def ended(self, job: Job, failure: Failure | None) -> None:
        self._done += 1
        self._look()
        self._steps[job.name] = self._ends[job.name]  # one that failed is not waited for either
        self._bar.update(self._task, completed=sum(self._steps.values()))
        if failure is not None:
            say(f"{job.name}: failed: {failure.reason}", style="yellow")
            return
        say(f"{job.name}: finished ({self._done} of {self._of}{self._left()})")

    def _look(self) -> None:
        """How far the running jobs are."""
        for job in self._running:
            self._steps[job.name] = max(self._steps[job.name], logged_step(job.run))

    def _left(self) -> str:
        """How long the rest may take at the speed so far, as text."""
        made, total = sum(self._steps.values()), sum(self._ends.values())
        if made >= total or made <= self._first:
            return ""
        seconds = (time.monotonic() - self._begun) * (total - made) / (made - self._first)
        return f"; about {max(1, round(seconds / 60))} min left"
