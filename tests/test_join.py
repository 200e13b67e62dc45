"""Joined batches: the same rows in the same order, and the same commit as the parts in turn."""

from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipper.join import join, joinable, limits_of, weight
from shipper.model import Alert, Batch, Gather, Origin, Progress, Span, StateChange
from shipper.sink.memory import MemorySink
from shipper.state import State, save_alert, save_window
from tests.batches import finished

TABLES = ("files", "windows", "alerts")


@st.composite
def parts(draw):
    """Batches that follow one another: rows of a few files, one after the other, each file read on and on."""
    read_at = {name * 32: 0 for name in "abc"}
    return [draw(part(read_at, number)) for number in range(draw(st.integers(1, 5)))]


@st.composite
def part(draw, read_at, number):
    batch = Batch([], [], [], float(number))
    for _ in range(draw(st.integers(0, 3))):
        file_id = draw(st.sampled_from(sorted(read_at)))
        _read(batch, file_id, read_at, draw(st.lists(st.binary(max_size=5), min_size=1, max_size=4)))
    if len(batch) and draw(st.booleans()):
        row = draw(st.integers(0, len(batch) - 1))
        batch.stitched[row] = ((batch.origin(row).file_id, 3, 4), ("d" * 32, 0, 9))
        batch.odd[row], batch.untimed = "cut: no end", {row}
    for group in draw(st.lists(st.sampled_from("xy"), max_size=2)):
        batch.changes.append(save_window("rule", group, bytes([number])))
        batch.alerts.append(Alert(group, "rule", "A rule", "high", {}, number, "", ""))
        batch.changes.append(save_alert(batch.alerts[-1]))
    return batch


def _read(batch, file_id, read_at, lines):
    first = len(batch)
    for line in lines:
        batch.lines.append(line)
        batch.offsets.append(read_at[file_id])
        batch.times.append(f"2026-11-20T10:00:{len(batch):02d}Z")
        batch.out.append(b"{" + line + b"}")
        read_at[file_id] += len(line) + 1
    batch.spans.append(Span(first, len(batch), Origin(file_id, "/x.log", "backend", "UTC")))
    batch.progress[file_id] = Progress(file_id, read_at[file_id], read_at[file_id], "", time=batch.times[-1])


def rows(batch):
    return [
        (batch.event_id(row), batch.position(row), batch.times[row], batch.out[row], batch.odd.get(row, ""))
        for row in range(len(batch))
    ]


@given(parts())
def test_every_row_is_what_it_was(batches):
    """Id, bytes that it covers, time, what is sent."""
    assert rows(join(batches)) == [row for batch in batches for row in rows(batch)]


@given(parts())
@settings(max_examples=25, deadline=None)
def test_its_commit_is_that_of_the_parts_in_turn(tmp_path_factory, batches):
    """Positions, windows and alert states."""
    assert stored(tmp_path_factory.mktemp("one"), [join(batches)]) == stored(tmp_path_factory.mktemp("each"), batches)


def stored(folder, batches):
    with closing(State(folder / "state.db")) as state:
        for batch in batches:
            state.commit(batch)
        found = {table: [dict(row) for row in state.rows(f"SELECT * FROM {table}")] for table in TABLES}
    return {table: [{**row, "updated": None} for row in rows] for table, rows in found.items()}


def test_alerts_and_changes_stay_in_order():
    """The later state of a window wins."""
    one, two = finished(b"{}"), finished(b"{}", start=10)
    one.changes, two.changes = [StateChange("1", ())], [StateChange("2", ())]
    assert [change.sql for change in join([one, two]).changes] == ["1", "2"]


def test_one_batch_alone_is_itself():
    """Nothing is copied."""
    batch = finished(b"{}")
    assert join([batch]) is batch


@pytest.mark.parametrize(("stream", "clocked", "expected"), [("records", False, True), ("records", True, False), ("alerts", False, False)])  # fmt: skip
def test_only_what_belongs_together_is_joined(stream, clocked, expected):
    """A batch with an intent stays alone, from either side."""
    one, two = finished(b"{}"), finished(b"{}", start=10)
    two.stream, two.clocked = stream, clocked
    assert (joinable(one, two), joinable(two, one)) == (expected, expected)


def test_the_smallest_limit_of_all_sinks_counts():
    """Sinks that do not gather have no say."""
    sinks = [MemorySink(), MemorySink(), MemorySink()]
    sinks[1].gather, sinks[2].gather = Gather(10, 500, 1.0), Gather(20, 400, 0.5)
    assert (limits_of(sinks), limits_of(sinks[:1])) == (Gather(10, 400, 0.5), None)


def test_a_batch_weighs_its_rows_and_their_bytes():
    """As they leave."""
    assert weight(finished(b"{}", b'{"a":1}')) == (2, 9)
