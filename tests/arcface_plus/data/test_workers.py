"""Threads process every chunk once, report progress in order, and raise the first error."""

from __future__ import annotations

import os
import threading
import time

import pytest

from arcface_plus.data.workers import Workers


@pytest.mark.parametrize(("count", "largest"), [(0, 4), (1, 4), (7, 100), (100, 8), (101, 8)])
@pytest.mark.parametrize("threads", [1, 3])
def test_every_image_is_processed_once(threads, count, largest):
    done, seen, lock = [], [], threading.Lock()

    def work(start, stop):
        assert 0 < stop - start <= largest
        with lock:
            done.extend(range(start, stop))

    workers = Workers(threads)
    workers.each_chunk(work, count, largest, lambda made, total: seen.append((made, total)))
    workers.close()
    assert sorted(done) == list(range(count))
    assert seen == sorted(seen)
    assert not count or seen[-1] == (count, count)


def test_zero_threads_means_one_per_core():
    workers = Workers(0)
    assert workers.count == os.cpu_count()
    workers.close()


def test_the_first_error_is_raised_after_all_threads_have_stopped():
    at_work, lock, seen = [0], threading.Lock(), []

    def work(start, stop):
        with lock:
            at_work[0] += 1
        time.sleep(0.001 * (start % 7))
        with lock:
            at_work[0] -= 1
        if start in (20, 40):
            raise ValueError(start)

    workers = Workers(4)
    with pytest.raises(ValueError, match="20"):
        workers.each_chunk(work, 1000, 4, lambda done, total: seen.append(done))
    assert at_work == [0]
    assert seen == [4, 8, 12, 16, 20]
    workers.close()
