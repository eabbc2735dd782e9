"""A signal that the program does not act upon ends it, also while the main thread cannot."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import time

import pytest

from arcface_plus.watchdog import Watchdog


@pytest.fixture
def ended() -> queue.Queue[int]:
    return queue.Queue()


@pytest.fixture(autouse=True)
def _noted():
    """As in a run, Python handlers note the signals."""
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    yield
    signal.signal(signal.SIGTERM, before)


def test_an_unsettled_signal_ends_the_program(ended):
    with Watchdog(0.2, ended.put):
        os.kill(os.getpid(), signal.SIGTERM)
        assert ended.get(timeout=30) == signal.SIGTERM


@pytest.mark.parametrize("settles", ["settle", "leave"])
def test_a_settled_one_does_not(ended, settles):
    with Watchdog(1.0, ended.put) as watchdog:
        os.kill(os.getpid(), signal.SIGTERM)
        if settles == "settle":
            watchdog.settle()
            time.sleep(1.5)
    assert ended.empty()


def test_work_that_takes_long_does_not_count(ended):
    with Watchdog(0.2, ended.put) as watchdog:
        with watchdog.at_ease():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1.0)
            assert ended.empty()
        assert ended.get(timeout=30) == signal.SIGTERM


def test_slow_steps_get_more_time(ended):
    with Watchdog(0.1, ended.put) as watchdog:
        time.sleep(1.0)
        watchdog.step()  # took a second
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1.0)
        assert ended.empty()
        assert ended.get(timeout=30) == signal.SIGTERM


def test_what_it_told_before_is_told_again(ended):
    told, signals = os.pipe()
    os.set_blocking(signals, False)
    former = signal.set_wakeup_fd(signals)
    try:
        with Watchdog(0.1, ended.put):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        assert os.read(told, 1) == bytes([signal.SIGTERM])
    finally:
        signal.set_wakeup_fd(former)
        os.close(told)
        os.close(signals)


STUCK = """
import ctypes, signal
from arcface_plus.watchdog import Watchdog
signal.signal(signal.SIGTERM, lambda *_: print("handled", flush=True))
with Watchdog(0.3):
    print("stuck", flush=True)
    mutex = ctypes.create_string_buffer(128)
    for _ in range(2):  # the second waits for ever
        ctypes.CDLL(None).pthread_mutex_lock(mutex)
"""


def test_a_main_thread_in_c_code():
    """No Python handler runs: the process ends with one line and the signal's status."""
    process = subprocess.Popen(
        [sys.executable, "-c", STUCK], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "stuck\n"
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 128 + signal.SIGTERM
    assert errors == (
        "arcface-plus: stopped by SIGTERM without saving, since another process does not answer; "
        "the last checkpoint stays\n"
    )
