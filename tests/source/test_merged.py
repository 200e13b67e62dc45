"""Several sources as one."""

import threading

import pytest

from shipper.model import Batch
from shipper.source.merged import Merged


class Counting:
    """Yields batches until it is stopped; says whether it was closed while it was still being read."""

    def __init__(self, most=10**9):
        self.most, self.stopped, self.reading, self.closed_while_reading = most, False, False, None
        self.in_sight = threading.Event()

    def __iter__(self):
        self.reading = True
        for number in range(self.most):
            if self.stopped:
                break
            yield Batch([b"x"], [number], [], 0.0)
        self.reading = False

    def stop(self):
        self.stopped = True

    def close(self):
        self.closed_while_reading = self.reading

    def read(self):
        return {"x": 1}

    def keep_in_sight(self):
        self.in_sight.set()


def test_yields_what_all_of_them_have():
    """And ends when the last one ends."""
    assert len(list(Merged([Counting(3), Counting(4)]))) == 7


def test_closes_a_source_only_when_nobody_reads_it():
    """Also when the consumer went away in the middle."""
    sources = [Counting(), Counting()]
    merged = Merged(sources)
    next(iter(merged))
    merged.close()
    assert [source.closed_while_reading for source in sources] == [False, False]


def test_a_source_that_nobody_takes_from_keeps_its_files_in_sight():
    """Each in the thread that reads it."""
    sources = [Counting(), Counting()]
    merged = Merged(sources)
    next(iter(merged))
    assert all(source.in_sight.wait(20.0) for source in sources)
    merged.close()


def test_raises_what_a_source_raised():
    """The run ends with it."""

    class Broken(Counting):
        def __iter__(self):
            raise ValueError("broken")

    merged = Merged([Broken(), Counting()])
    with pytest.raises(ValueError, match="broken"):
        list(merged)
    merged.close()
