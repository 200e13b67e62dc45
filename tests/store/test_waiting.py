"""What waits for a sink lies beside the store, and neither sees the other."""

import errno
from contextlib import closing

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.clock import ManualClock
from shipper.errors import Retry, StateMismatch
from shipper.sink.embedded import EmbeddedSink
from shipper.state import State
from shipper.store.layout import PARKED, SPOOLED, Segment, listed
from shipper.store.read import Reader
from shipper.store.segments import Limits
from shipper.store.waiting import Waiting, as_batch
from tests.batches import finished
from tests.store.store import NOON, TODAY, YESTERDAY, row

SEGMENT = Segment(7, "spool-records", "2026.11.20", "ndjson", 1, 1, TODAY, TODAY)


@pytest.fixture
def state(tmp_path):
    opened = State(tmp_path / "state.db")
    yield opened
    opened.close()


@pytest.fixture
def waiting(tmp_path, state):
    with closing(Waiting(tmp_path, 1 << 20, ManualClock(NOON))) as opened:
        yield opened


def spool(waiting, *rows, time=TODAY):
    batch = finished(*rows, time=time)
    waiting.state.run(*waiting.spool(batch, list(range(len(batch)))))


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 99), st.sampled_from([TODAY, YESTERDAY]), st.text())))
def test_rows_come_back_as_they_went_in(rows):
    """Bytes, id and time of each, in order."""
    out = [orjson.dumps({"event.id": f"{one}-{at}", "@timestamp": time, "m": text}) for one, at, time, text in rows]
    batch = as_batch(SEGMENT, b"".join(line + b"\n" for line in out), 0.0)
    found = [(batch.event_id(place), batch.times[place], batch.out[place]) for place in range(len(batch))]
    assert found == [(f"{one}-{at}", time, line) for (one, at, time, _), line in zip(rows, out, strict=True)]


@pytest.mark.parametrize("line", [b"[]", b"{", b'{"event.id":7}', b'{"event.id":"a-b"}', b'{"event.id":"a-1"}', b"{}"])
def test_a_row_that_does_not_tell_who_it_is_gets_a_name(line):
    """Which no other has."""
    batch = as_batch(SEGMENT, b"{}\n" + line + b"\n", 0.0)
    assert (batch.event_id(1), batch.times[1], batch.out[1]) == ("spool7-1", TODAY, line)


def test_spooled_rows_of_all_days_lie_in_one_segment(waiting):
    """The next one too, when the day changed meanwhile: they are given in the order in which they came."""
    spool(waiting, row(1))
    waiting._clock.advance(86_400)
    spool(waiting, row(2), time=YESTERDAY)
    (segment,) = waiting.spooled()
    assert (segment.file, segment.rows, segment.first) == ("spool/records/2025.11.23/000001.ndjson", 2, YESTERDAY)


def test_parked_rows_lie_by_day_of_their_index(waiting):
    """So that a day is taken or blocked as a whole."""
    batch = finished(row(1), row(2), row(3))
    batch.times = [TODAY, YESTERDAY, TODAY]
    waiting.state.run(*waiting.park(batch, [0, 1]))
    assert {key: segment.rows for key, segment in waiting.parked().items()} == {
        ("parked-records", "2025.11.23"): 1,
        ("parked-records", "2025.11.22"): 1,
    }


def test_bytes_that_are_missing_stop_it(tmp_path, waiting):
    """They were accepted."""
    spool(waiting, row(1))
    (segment,) = waiting.spooled()
    segment.path(tmp_path).write_bytes(b"")
    with pytest.raises(StateMismatch, match="bytes wait there, 0 are left"):
        waiting.load(segment)
    segment.path(tmp_path).unlink()
    with pytest.raises(StateMismatch, match="0 are left"):
        waiting.load(segment)


def test_a_file_that_cannot_be_read_now_is_read_later(tmp_path, waiting, monkeypatch):
    """A disk may fail for a moment, and a process may have too many files open."""
    spool(waiting, row(1))
    (segment,) = waiting.spooled()
    with monkeypatch.context() as patched:
        patched.setattr("pathlib.Path.open", failing)
        with pytest.raises(Retry, match=r"000001\.ndjson: Input/output error"):
            waiting.load(segment)
    assert waiting.load(segment).out == [row(1)]


def test_a_file_that_cannot_be_removed_now_is_removed_by_the_next_start(tmp_path, waiting, monkeypatch):
    """Its rows are settled: nobody is given them again."""
    spool(waiting, row(1))
    (segment,) = waiting.spooled()
    with monkeypatch.context() as patched:
        patched.setattr("pathlib.Path.unlink", failing)
        waiting.settle(segment)
    assert (waiting.spooled(), segment.path(tmp_path).exists()) == ([], True)
    Waiting(tmp_path, 1, ManualClock(NOON)).close()
    assert not segment.path(tmp_path).exists()


def failing(*_, **__):
    raise OSError(errno.EIO, "Input/output error")


def test_a_search_does_not_see_it(tmp_path, waiting):
    """It is not in its store yet."""
    spool(waiting, row(1))
    with closing(Reader(tmp_path)) as reader:
        assert (reader.segments("records"), reader.segments("alerts")) == ([], [])


def test_an_embedded_store_beside_it_neither_counts_nor_seals_nor_repairs_it(tmp_path, state, waiting):
    """Each has a budget of its own."""
    spool(waiting, *[row(number) for number in range(20)])
    (segment,) = waiting.spooled()
    with segment.path(tmp_path).open("ab") as file:
        file.write(b"not committed\n")
    with closing(EmbeddedSink(tmp_path, Limits(10, 1, 0.0, 50), ManualClock(NOON + 900_000), seal_at_end=True)) as sink:
        batch = finished(row(1), time=YESTERDAY)
        refused = sink.write(batch)
        state.commit(batch)
    assert (refused, [found.form for found in listed(state)]) == ([], ["ndjson", "parquet"])
    assert segment.path(tmp_path).read_bytes().endswith(b"not committed\n")


def test_a_start_cuts_and_removes_what_was_not_committed(tmp_path, state, waiting):
    """Of the spool alone."""
    spool(waiting, row(1))
    (segment,) = waiting.spooled()
    path = segment.path(tmp_path)
    path.write_bytes(path.read_bytes() + b"more\n")
    stray = path.with_name("000000.ndjson")
    stray.write_bytes(b"x\n")
    hot = tmp_path / "hot/2025.11.23/000000.ndjson"
    hot.parent.mkdir(parents=True)
    hot.write_bytes(b"another's\n")
    Waiting(tmp_path, 1, ManualClock(NOON)).close()
    assert (path.stat().st_size, stray.exists(), hot.exists()) == (segment.bytes, False, True)


def test_every_stream_has_a_place_to_wait_in():
    """Of both kinds."""
    assert SPOOLED.keys() == PARKED.keys() == {"records", "alerts"}
