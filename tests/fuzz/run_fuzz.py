"""Mutates .idx, .rec, .bin, images, lists and whole sets, and looks at what the readers do.

    python tests/fuzz/run_fuzz.py --inputs 100000 [--seed 0] [--targets bin,image] [--keep DIR]

Allowed is a result or our own UserError. Anything else is a finding: another exception, more than
--seconds for one input, more memory than --megabytes above the start, a signal, or code execution
(an audit hook watches for processes, sockets, imports and files opened for writing elsewhere).
Exit status 1 if there are findings; with --keep their inputs are saved. Input i of a target is a
pure function of (seed, target, i), so every finding can be had again with --only TARGET:I.
"""

from __future__ import annotations

import argparse
import codecs
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from types import FrameType

from targets import Target, targets

from data_prep.images import one_thread_each


class TooSlow(BaseException):
    """The input took longer than allowed; no except clause of ours may catch it."""


class Executed(BaseException):
    """The input made Python do what no data may."""


FORBIDDEN = ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "subprocess.Popen",
             "socket.", "ctypes.", "exec", "compile", "shutil.", "pty.")  # fmt: skip


class Watch:
    """The audit hook: raises Executed for what data must never cause, while `folder` is set."""

    def __init__(self) -> None:
        self.folder = ""

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self.folder:
            return
        if event.startswith(FORBIDDEN):
            raise Executed(f"{event} {arguments!r:.200}")
        if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
            name = os.fsdecode(arguments[0])
            writes = isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
            if writes and not name.startswith(self.folder):
                raise Executed(f"opens {name} for writing")


def run_range(
    target: Target, first: int, last: int, options: argparse.Namespace, report: int
) -> None:
    """Inputs first … last − 1 in this (forked) process; findings as JSON lines into `report`."""
    codecs.lookup("unicode_escape")  # which messages use: its import is none of an input's doing
    watch = Watch()
    sys.addaudithook(watch)
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 2)  # libjpeg's and libpng's complaints

    def too_slow(_: int, __: FrameType | None) -> None:
        raise TooSlow(f"over {options.seconds} s")

    signal.signal(signal.SIGALRM, too_slow)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (options.megabytes << 20),) * 2)
    with one_thread_each():
        for i in range(20):  # modules are imported when first needed: no execution to report
            run_one(target, random.Random(f"warm up {i}"), options.seconds, Watch())
        for i in range(first, last):
            os.write(report, json.dumps({"at": i}).encode() + b"\n")
            rng = random.Random(f"{options.seed}:{target.name}:{i}")
            seconds, what = run_one(target, rng, options.seconds, watch)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            line = {"done": i, "seconds": round(seconds, 3), "peak": peak, "what": what[:3000]}
            os.write(report, json.dumps(line).encode() + b"\n")


def run_one(target: Target, rng: random.Random, limit: float, watch: Watch) -> tuple[float, str]:
    """Seconds and what went wrong ("" if nothing) with one input."""
    base = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(dir=base) as name:
        folder = Path(name)
        for file, data in target.make(rng).items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(data)
        problem: BaseException | None = None
        start = time.perf_counter()
        signal.setitimer(signal.ITIMER_REAL, limit)
        watch.folder = name
        try:
            target.use(folder)
        except BaseException as error:
            problem = error
        finally:
            watch.folder = ""
            signal.setitimer(signal.ITIMER_REAL, 0)
        seconds = time.perf_counter() - start
    if problem is None:
        return seconds, ""
    return seconds, "".join(traceback.format_exception(problem, limit=-4))


def run_forked(
    target: Target, first: int, last: int, options: argparse.Namespace, totals: dict[str, float]
) -> list[tuple[int, str]]:
    """A child for inputs first … last − 1, a new one after each crash; returns the findings."""
    findings = []
    while first < last:
        read_end, write_end = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read_end)
            try:
                run_range(target, first, last, options, write_end)
            except BaseException:
                line = {"died": traceback.format_exc(limit=-4)}
                os.write(write_end, json.dumps(line).encode() + b"\n")
            finally:
                os._exit(0)
        os.close(write_end)
        at, died = first, ""
        with os.fdopen(read_end) as lines:
            for text in lines:
                line = json.loads(text)
                if "done" not in line:
                    at, died = line.get("at", at), line.get("died", "")
                    continue
                totals["slowest"] = max(totals["slowest"], line["seconds"])
                totals["peak"] = max(totals["peak"], line["peak"])
                first = line["done"] + 1
                if line["what"]:
                    findings.append((line["done"], line["what"]))
        _, status = os.waitpid(child, 0)
        if first < last:
            findings.append((at, f"the process died (status {status})\n{died}"))
            first = at + 1
    return findings


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--targets", default="")
    parser.add_argument("--only", default="", help="TARGET:I, run that input alone")
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    wanted = set(filter(None, options.targets.split(",")))
    chosen = [t for t in targets() if not wanted or t.name in wanted]
    if options.only:
        name, number = options.only.split(":")
        chosen = [t for t in chosen if t.name == name]
    weights = sum(target.weight for target in chosen)
    start = time.perf_counter()
    inputs = found = 0
    for target in chosen:
        count = -(-options.inputs * target.weight // weights)
        first, last = (int(number), int(number) + 1) if options.only else (0, count)
        totals = {"slowest": 0.0, "peak": 0.0}
        findings = run_forked(target, first, last, options, totals)
        inputs += last - first
        found += len(findings)
        print(
            f"{target.name}: {last - first} inputs, {len(findings)} findings, slowest "
            f"{totals['slowest']:.2f} s, peak memory {totals['peak']:.0f} MiB",
            flush=True,
        )
        for i, what in findings[:20]:
            print(f"--only {target.name}:{i}\n{what}", flush=True)
            if options.keep:
                folder = options.keep / f"{target.name}_{i}"
                folder.mkdir(parents=True, exist_ok=True)
                files = target.make(random.Random(f"{options.seed}:{target.name}:{i}"))
                for file, data in files.items():
                    (folder / file).parent.mkdir(parents=True, exist_ok=True)
                    (folder / file).write_bytes(data)
    seconds = time.perf_counter() - start
    print(f"{inputs} inputs, {found} findings in {seconds:.0f} s")
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())
