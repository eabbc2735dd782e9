"""An action in a thread: one at a time, waited for, its error told exactly once."""

from __future__ import annotations

import threading

import pytest

from arcface_plus.training.background import Background


def fail() -> None:
    raise OSError(28, "No space left on device")


def test_the_caller_goes_on_and_can_wait():
    done, released = [], threading.Event()
    background = Background("it")

    def action() -> None:
        assert released.wait(60)
        done.append(threading.current_thread() is threading.main_thread())

    background.start(action)
    assert (done, background.failed) == ([], False)
    released.set()
    background.wait()
    assert done == [False]
    background.wait()  # nothing to wait for
    background.close()


def test_the_second_waits_for_the_first():
    order: list[int] = []
    background, released = Background("it"), threading.Event()
    background.start(lambda: (released.wait(60), order.append(1)))
    threading.Timer(0.05, released.set).start()
    background.start(lambda: order.append(2))
    assert order[0] == 1
    background.close()
    assert order == [1, 2]


def test_an_error_is_raised_by_the_next_wait_and_only_there():
    background = Background("it")
    background.start(fail)
    background.settle()
    assert background.failed
    with pytest.raises(OSError, match="No space"):
        background.start(lambda: None)
    assert not background.failed
    background.start(lambda: None)
    background.wait()
    background.close()


def test_an_error_that_nobody_waited_for_becomes_a_line(capsys):
    background = Background("RUN")
    background.start(fail)
    background.close()
    assert "RUN: [Errno 28] No space left on device" in capsys.readouterr().err


def test_what_waits_for_a_process_that_is_gone_is_left_alone(capsys):
    background, released = Background("RUN"), threading.Event()
    background.start(lambda: released.wait(60))
    background.close(limit=0.1)
    assert not released.is_set()
    released.set()
    lost = Background("RUN")

    def barrier() -> None:
        raise RuntimeError("[gloo/transport/tcp/pair.cc:538] Connection closed by peer")

    lost.start(barrier)
    lost.close()
    assert capsys.readouterr().err == ""
