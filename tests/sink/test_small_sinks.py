"""The sinks without a store: null, memory, console."""

import io

import pytest

from shipper.context import Context
from shipper.errors import Retry
from shipper.sink import console, memory, null
from shipper.state import State
from tests.batches import FILE_ID, finished


@pytest.mark.parametrize("kind", [null, memory, console])
def test_each_is_built_from_an_empty_configuration(kind, tmp_path):
    """They need nothing."""
    context = Context(tmp_path, State(tmp_path / "state.db"))

    assert kind.build(kind.Config(), context).name == kind.__name__.rpartition(".")[2]


def test_null_counts():
    """For the benchmark."""
    sink = null.NullSink()
    sink.write(finished(b"{}", b"{}"))

    assert sink.rows == 2


def test_memory_keeps_event_ids():
    """By which tests find rows twice or not at all."""
    sink = memory.MemorySink()
    sink.write(finished(b"{}", b"[]"))

    assert sink.rows == [(f"{FILE_ID}-0", b"{}"), (f"{FILE_ID}-10", b"[]")]


def test_memory_fails_on_demand():
    """Once for each failure that it was given."""
    sink = memory.MemorySink()
    sink.failures = [Retry("busy")]
    with pytest.raises(Retry, match="busy"):
        sink.write(finished(b"{}"))
    sink.write(finished(b"{}"))

    assert len(sink.rows) == 1


def test_console_can_leave_alerts_out():
    """When only records are wanted on the other side of the pipe."""
    output = io.BytesIO()
    batch = finished(b"{}")
    batch.stream = "alerts"
    console.ConsoleSink(output, alerts=False).write(batch)

    assert output.getvalue() == b""


def test_console_holds_when_nobody_reads():
    """Nothing is dropped because a pipe is closed."""

    class Closed(io.BytesIO):
        def write(self, _):
            raise BrokenPipeError(32, "Broken pipe")

    with pytest.raises(Retry, match="standard output: Broken pipe"):
        console.ConsoleSink(Closed()).write(finished(b"{}"))
