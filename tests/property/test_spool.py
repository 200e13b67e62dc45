"""Whatever happens to a sink, its spool and the process: every row that was committed is in the sink in the end."""

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from shipper.errors import Retry
from shipper.store import waiting
from shipper.store.layout import PARKED
from tests.test_spool import DAY, NEXT_DAY, Place, rows

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(1, 4)),
        st.tuples(st.just("write and crash"), st.integers(1, 4)),
        st.tuples(st.just("write while away"), st.integers(2, 6)),
        st.sampled_from([("away",), ("back",), ("risk",), ("no risk",), ("restart",), ("tend",), ("wait",)]),
    ),
    max_size=40,
)
BLOCKS = st.sampled_from([("block", DAY[:10]), ("block", NEXT_DAY[:10]), ("unblock",)])


class Run:
    """A reader that begins again behind what was committed."""

    def __init__(self, place):
        self.place, self.read, self.there = place, 0, 1

    def step(self, what, *arguments):
        place = self.place
        match what:
            case "write":
                self.write(*arguments)
            case "write and crash":
                self.write_uncommitted(*arguments)
                place.reopen()
            case "write while away":
                place.risk = True
                place.goes_away()
                for _ in range(*arguments):
                    self.write(2)
            case "away":
                place.inner.away = Retry("down", 2.0)
            case "back":
                place.inner.away = None
            case "block":
                place.inner.blocked.add(*arguments)
            case "unblock":
                place.inner.blocked.clear()
            case "risk" | "no risk":
                place.risk = what == "risk"
            case "restart":
                place.reopen()
            case "tend":
                place.spool.tend()
            case "wait":
                place.clock.advance(7)

    def batch(self, count):
        self.there = max(self.there, self.read + count)
        batch = rows(*range(self.read, self.read + count))
        batch.times = [(DAY, NEXT_DAY)[(self.read + row) % 2] for row in range(count)]
        return batch

    def write(self, count):
        if not isinstance(self.place.write(self.batch(count)), str):
            self.read += count

    def write_uncommitted(self, count):
        try:
            self.place.spool.write(self.batch(count))
        except Retry:
            return

    def end(self):
        """All is well again, some time passes, and all that is there is read."""
        self.step("back")
        self.step("unblock")
        for _ in range(200):
            self.place.clock.advance(40)
            self.place.spool.tend()
        self.write(max(1, self.there - self.read))


@contextmanager
def played(steps):
    """With segments of two or three rows."""
    before, waiting.SEGMENT_BYTES = waiting.SEGMENT_BYTES, 200
    folder = Path(tempfile.mkdtemp())
    place = Place(folder, max_bytes=2_000)
    try:
        run = Run(place)
        for step in steps:
            run.step(*step)
        run.end()
        yield run
    finally:
        waiting.SEGMENT_BYTES = before
        place.spool.close()
        place.state.close()
        shutil.rmtree(folder)


@given(STEPS)
@settings(max_examples=50, deadline=None)
def test_rows_arrive_in_order_with_none_left_out(steps):
    """Some twice, under the same id."""
    with played(steps) as run:
        assert list(dict.fromkeys(run.place.numbers())) == list(range(run.read))
        assert run.place.files() == []


@given(st.lists(st.one_of(STEPS.map(tuple), BLOCKS.map(lambda block: (block,))), max_size=8))
@settings(max_examples=50, deadline=None)
def test_no_row_is_left_out_when_days_are_blocked(pieces):
    """Parked rows come later."""
    with played([step for piece in pieces for step in piece]) as run:
        assert set(run.place.numbers()) == set(range(run.read))
        assert (run.place.files(), run.place.waiting(PARKED)) == ([], 0)
