"""The embedded sink: rows by day, what it refuses, what it does at the end."""

import pytest
from pydantic import ValidationError

from shipper.clock import ManualClock
from shipper.context import Context
from shipper.errors import Retry, StateMismatch
from shipper.model import Refused
from shipper.sink.embedded import Config, EmbeddedSink, build, by_day, unfit
from shipper.state import State
from shipper.store.layout import listed
from shipper.store.segments import Limits
from tests.batches import finished
from tests.store.store import NOON, row, stored


def batch_of(*times):
    batch = finished(*(row(number) for number in range(len(times))))
    batch.times = list(times)
    return batch


def test_rows_of_one_day_go_out_as_they_are():
    """No copy of the list."""
    batch = batch_of("2026-11-20T10:00:01Z", "2026-11-20T09:00:00.5Z")

    ((day, rows, first, last),) = by_day(batch, set())
    assert (day, first, last) == ("2026.11.20", "2026-11-20T09:00:00.5Z", "2026-11-20T10:00:01Z")
    assert rows is batch.out


def test_rows_of_several_days_are_put_together_by_day():
    """In order within each; refused ones left out."""
    times = ["2026-11-20T23:59:59.999Z", "2026-11-21T00:00:00Z", "2026-11-20T10:00:00Z", "2026-11-21T01:00:00Z"]

    assert by_day(batch_of(*times), {3}) == [
        ("2026.11.20", [row(0), row(2)], times[2], times[0]),
        ("2026.11.21", [row(1)], times[1], times[1]),
    ]


def test_alerts_go_by_the_month():
    """Few of them: a file a day would be small."""
    batch = batch_of("2026-11-20T10:00:00Z", "2026-11-21T10:00:00Z", "2026-12-01T00:00:00Z")
    batch.stream = "alerts"

    assert [(day, len(rows)) for day, rows, _, _ in by_day(batch, set())] == [("2026.11", 2), ("2026.12", 1)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "not a JSON object"),
        (b"[1]", "not a JSON object"),
        (b' {"a":1}', "not a JSON object"),
        (b'{"a":1} ', "not a JSON object"),
        (b'{"a":\n1}', "a line break or control character that JSON has to escape"),
        (b'{"a":1}\n{"b":1}', "a line break or control character that JSON has to escape"),
        (b'{"a":"\r"}', "a line break or control character that JSON has to escape"),
        (b'{"a":"\x01"}', "a line break or control character that JSON has to escape"),
        (b'{"a":"\xff"}', "not UTF-8"),
        (b'{"a":"\xed\xa0\x80"}', "not UTF-8"),
    ],
)
def test_a_row_that_cannot_be_one_line_is_unfit(line, reason):
    """Alone as between others."""
    assert unfit([line]) == [(0, reason)]
    assert unfit([row(1), line, row(2)]) == [(1, reason)]


def test_ordinary_rows_are_fit():
    """Any object in UTF-8, and no row at all."""
    assert unfit([row(1), '{"a":"ü\\n{}\\u0000"}'.encode(), b"{}"]) == []
    assert unfit([]) == []


def test_refused_rows_do_not_hold_the_others_up(tmp_path):
    """They are reported with the reason for the quarantine."""
    state, sink = State(tmp_path / "state.db"), EmbeddedSink(tmp_path, Limits(), ManualClock())
    batch = finished(row(1), b"nonsense", row(2))
    refused = sink.write(batch)
    state.commit(batch)
    sink.close()

    assert refused == [Refused(1, "embedded", "not a JSON object")]
    assert stored(tmp_path) == [row(1), row(2)]


def test_a_batch_that_holds_leaves_no_change_behind(tmp_path, monkeypatch):
    """The first day was written, the second was not: neither may be committed."""
    sink = EmbeddedSink(tmp_path, Limits(max_bytes=15), ManualClock())
    batch = batch_of("2026-11-20T10:00:00Z", "2026-11-21T10:00:00Z")
    appended = []

    def append(*arguments):
        if appended:
            raise Retry("full")
        appended.append(arguments)

    monkeypatch.setattr(sink._segments, "append", append)
    with pytest.raises(Retry, match="full"):
        sink.write(batch)
    sink.close()

    assert len(appended) == 1 and batch.changes == []


def test_a_start_over_data_without_its_state_is_refused(tmp_path):
    """Exit code 1, and the way out."""
    (tmp_path / "hot/2026.11.20").mkdir(parents=True)
    (tmp_path / "hot/2026.11.20/000001.ndjson").write_bytes(b"{}\n")

    with pytest.raises(StateMismatch, match="--fresh-state") as caught:
        build(Config(), Context(tmp_path, State(tmp_path / "state.db")))
    assert caught.value.exit_code == 1


@pytest.mark.parametrize(("once", "form"), [(True, "parquet"), (False, "ndjson")])
def test_at_the_end_of_a_single_pass_what_is_full_is_sealed(tmp_path, monkeypatch, once, form):
    """Nobody else would do it before the next run."""
    monkeypatch.setattr("shipper.store.sealer.Sealer.start", lambda self: None)
    state = State(tmp_path / "state.db")
    sink = build(Config(seal_rows=1), Context(tmp_path, state, ManualClock(NOON), once=once))
    batch = finished(row(1))
    sink.write(batch)
    state.commit(batch)
    sink.close()

    assert [segment.form for segment in listed(state)] == [form]


def test_sizes_are_written_as_people_do():
    """Bytes, or with a unit."""
    assert Config(max_bytes="10GiB").max_bytes == 10 << 30
    with pytest.raises(ValidationError):
        Config(max_bytes=0)
    with pytest.raises(ValidationError):
        Config(max_byte=1)
