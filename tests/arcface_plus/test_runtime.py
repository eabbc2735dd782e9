"""Signals during a run: the first is remembered, the second does what it did before."""

from __future__ import annotations

import os
import signal

import pytest

from arcface_plus.runtime import Interrupts


class Former(Exception):
    pass


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_has_its_former_effect(number):
    """Not the system's default: process 1 of a container has none for SIGTERM."""

    def former(*_: object) -> None:
        raise Former

    before = signal.signal(number, former)
    try:
        with Interrupts() as interrupts:
            os.kill(os.getpid(), number)
            assert interrupts.received == number
            with pytest.raises(Former):
                os.kill(os.getpid(), number)
        assert signal.getsignal(number) is former
    finally:
        signal.signal(number, before)
