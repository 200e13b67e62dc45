"""What every sink keeps: all rows after write and commit, in order, refusals reported, streams apart, close at any time."""

import io

import pytest

from shipper.clock import ManualClock
from shipper.sink.console import ConsoleSink
from shipper.sink.embedded import EmbeddedSink
from shipper.sink.memory import MemorySink
from shipper.sink.null import NullSink
from shipper.state import State
from shipper.store.read import Reader
from shipper.store.segments import Limits
from tests.batches import FILE_ID, finished

ROWS = [f'{{"seq":{number}}}'.encode() for number in range(1, 6)]
BAD = b"not an object"


class Embedded:
    """Refuses a row that is not a JSON object."""

    bad = BAD
    mixes_streams = False

    def __init__(self, data):
        self.data = data
        self.sink = EmbeddedSink(data, Limits(), ManualClock())

    def rows(self, stream):
        reader = Reader(self.data)
        found, _ = reader.new_rows({}, stream)
        reader.close()
        return found


class Memory:
    """Refuses what it was told to."""

    bad = ROWS[0]
    mixes_streams = False

    def __init__(self, data):
        self.sink = MemorySink()

    def rows(self, stream):
        return [out for _, out in self.sink.streams[stream]]

    def will_refuse(self, event_id):
        self.sink.refuse[event_id] = "told to"


class Console:
    """Refuses nothing; both streams go to the same place."""

    bad = None
    mixes_streams = True

    def __init__(self, data):
        self.output = io.BytesIO()
        self.sink = ConsoleSink(self.output)

    def rows(self, stream):
        return self.output.getvalue().split(b"\n")[:-1]


class Null:
    """Refuses nothing and has nothing to show but a count."""

    bad = None
    mixes_streams = True

    def __init__(self, data):
        self.sink = NullSink()

    def rows(self, stream):
        return ROWS[: self.sink.rows]


@pytest.fixture(params=[Embedded, Memory, Console, Null], ids=lambda kind: kind.__name__.lower())
def place(request, tmp_path):
    state = State(tmp_path / "state.db")
    made = request.param(tmp_path)
    made.state = state
    yield made
    made.sink.close()
    state.close()


def write(place, *rows, stream="records", start=0, time="2026-11-20T10:00:00Z"):
    """Writes and commits a batch; returns what was refused."""
    batch = finished(*rows, start=start, time=time)
    batch.stream = stream
    batch.forget_inputs()
    refused = place.sink.write(batch)
    place.state.commit(batch)
    return refused


def test_it_has_the_name_of_its_file(place):
    """By which refused rows find back to it."""
    assert place.sink.name == type(place).__name__.lower()


def test_all_rows_are_there_in_order(place):
    """Over several batches."""
    write(place, *ROWS[:2])
    write(place, *ROWS[2:], start=20)

    assert place.rows("records") == ROWS


def test_a_batch_without_rows_is_nothing(place):
    """Progress alone, as when only blank lines were read."""
    assert write(place) == []
    assert place.rows("records") == []


def test_a_refused_row_is_reported_and_the_others_are_stored(place):
    """With its place in the batch, the sink's name and a reason."""
    if place.bad is None:
        pytest.skip("takes every row")
    if hasattr(place, "will_refuse"):
        place.will_refuse(f"{FILE_ID}-10")
    refused = write(place, ROWS[0], place.bad, ROWS[1])

    assert [(each.row, each.sink) for each in refused] == [(1, place.sink.name)] and refused[0].reason
    assert place.rows("records") == [ROWS[0], ROWS[1]]


def test_a_batch_of_refused_rows_alone_stores_nothing(place):
    """And is no error."""
    if place.bad is None:
        pytest.skip("takes every row")
    if hasattr(place, "will_refuse"):
        place.will_refuse(f"{FILE_ID}-0")

    assert len(write(place, place.bad)) == 1
    assert place.rows("records") == []


def test_alerts_are_kept_apart_from_records(place):
    """A search for records finds no alert."""
    if place.mixes_streams:
        pytest.skip("has one place for all")
    write(place, ROWS[0])
    write(place, ROWS[1], stream="alerts")

    assert (place.rows("records"), place.rows("alerts")) == ([ROWS[0]], [ROWS[1]])


def test_closing_twice_is_closing_once(place):
    """A run that fails while it ends closes again."""
    write(place, ROWS[0])
    place.sink.close()
    place.sink.close()

    assert place.rows("records") == [ROWS[0]]
