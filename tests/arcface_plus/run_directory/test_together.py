"""What one process cannot do, all have failed to do, and none waits."""

from __future__ import annotations

import pytest
from processes import in_processes

from arcface_plus.run_directory.together import in_first, together
from arcface_plus.runtime import Processes
from data_prep.errors import DataError


def results(rank: int, count: int) -> tuple[list[int], str]:
    processes = Processes(rank, count)
    return together(processes, lambda: 10 * rank), in_first(processes, lambda: f"of {rank}")


def test_everybody_gets_all_results():
    assert in_processes(3, results, 3) == [([0, 10, 20], "of 0")] * 3
    assert together(Processes(), lambda: 7) == [7]
    assert in_first(Processes(), lambda: 7) == 7


class Unsendable(Exception):
    def __init__(self, one: str, other: str) -> None:
        super().__init__(f"{one}, {other}")


def errors(rank: int, count: int) -> list[str]:
    processes, told = Processes(rank, count), []

    def failing(*ranks: int) -> None:
        if rank in ranks:
            raise OSError(28, "No space left on device", f"disk of {rank}")

    def unsendable() -> None:
        if rank == 1:
            raise Unsendable("a", "b")

    def refused() -> None:
        raise DataError(f"x: damaged, says {rank}")

    for action in (lambda: failing(1), lambda: failing(1, 2), unsendable):
        with pytest.raises((OSError, RuntimeError)) as caught:
            together(processes, action)
        told.append(f"{type(caught.value).__name__}: {caught.value}")
    with pytest.raises(DataError) as caught:
        in_first(processes, refused)
    told.append(str(caught.value))
    return [*told, str(together(processes, lambda: rank))]  # still in step


def test_an_error_in_one_is_raised_in_all():
    full = "OSError: [Errno 28] No space left on device: 'disk of 1'"
    said = [full, full, "RuntimeError: a, b", "x: damaged, says 0", "[0, 1, 2]"]
    assert in_processes(3, errors, 3) == [said] * 3
    with pytest.raises(Unsendable):
        together(Processes(), lambda: (_ for _ in ()).throw(Unsendable("a", "b")))


def two_groups(rank: int) -> list[list[str]]:
    """Calls of two threads, in different orders in the two processes."""
    import threading

    first, found = Processes(rank, 2), {}
    second = first.apart()

    def call(name: str, processes: Processes) -> None:
        found[name] = [processes.gather(f"{name} {rank}") for _ in range(20)]

    thread = threading.Thread(target=call, args=("b", second))
    thread.start()
    call("a", first)
    thread.join()
    second.barrier()
    assert second.any(rank == 1)
    return [found["a"][-1], found["b"][-1]]


def test_a_second_thread_has_a_group_of_its_own():
    assert in_processes(2, two_groups) == [[["a 0", "a 1"], ["b 0", "b 1"]]] * 2
    assert Processes().apart() == Processes()
