"""The quarantine: refused rows enter with the commit, and leave when a sink takes them."""

import pytest

from shipper.clock import ManualClock
from shipper.errors import Blocked, Retry, ShipperError, UsageError
from shipper.model import Refused
from shipper.quarantine import Replayed, as_batch, check_budget, entries, quarantine_changes, replay
from shipper.sink.memory import MemorySink
from shipper.state import State
from tests.batches import FILE_ID, finished

DOCS = [b'{"@timestamp":"2026-11-20T10:00:00Z","seq":%d}' % number for number in range(3)]
NOW = 1_763_899_200.0


@pytest.fixture
def state(tmp_path):
    opened = State(tmp_path / "state.db")
    yield opened
    opened.close()


def refuse(state, *rows, sink="memory", stream="records"):
    """Commits a batch of which these rows were refused."""
    batch = finished(*DOCS)
    batch.stream = stream
    batch.forget_inputs()
    batch.changes = quarantine_changes(batch, [Refused(row, sink, "too odd") for row in rows], NOW)
    state.commit(batch)


def test_a_refused_row_is_kept_with_all_that_a_replay_needs(state):
    """Id, sink, stream, reason, time, and the bytes as they left."""
    refuse(state, 1)

    assert entries(state) == [(1, f"{FILE_ID}-10", "memory", "records", "too odd", NOW, DOCS[1], None)]


def test_the_same_refusal_committed_again_is_one_entry(state):
    """The latest reason counts."""
    refuse(state, 1)
    refuse(state, 1)

    assert len(entries(state)) == 1


def test_two_sinks_that_refuse_a_row_are_two_entries(state):
    """Each is replayed to its own."""
    refuse(state, 1, sink="memory")
    refuse(state, 1, sink="other")

    assert [entry.sink for entry in entries(state, [f"{FILE_ID}-10"])] == ["memory", "other"]


def test_a_replay_gives_the_same_id_and_bytes_to_the_sink_that_refused(state):
    """Marked as replayed with the same transaction."""
    refuse(state, 0, 2)
    sink, other = MemorySink(), MemorySink()

    assert replay(state, ManualClock(NOW + 5), {"memory": sink, "other": other}) == Replayed(2, 0)
    assert sink.rows == [(f"{FILE_ID}-0", DOCS[0]), (f"{FILE_ID}-20", DOCS[2])]
    assert other.rows == [] and [entry.replayed for entry in entries(state)] == [NOW + 5, NOW + 5]


def test_what_was_replayed_is_not_replayed_again(state):
    """Twice the command, once the row."""
    refuse(state, 0)
    sink = MemorySink()
    replay(state, ManualClock(), {"memory": sink})

    assert replay(state, ManualClock(), {"memory": sink}, ["1"]) == Replayed(0, 0)
    assert len(sink.rows) == 1 and entries(state, waiting=True) == []


def test_a_row_refused_again_stays_with_the_new_reason(state):
    """The others of the replay are taken."""
    refuse(state, 0, 1)
    sink = MemorySink()
    sink.refuse = {f"{FILE_ID}-10": "still too odd"}

    assert replay(state, ManualClock(), {"memory": sink}) == Replayed(1, 1)
    assert [entry.reason for entry in entries(state, waiting=True)] == ["still too odd"]


def test_a_replay_into_a_sink_that_holds_changes_nothing(state):
    """It may be tried again."""
    refuse(state, 0)
    sink = MemorySink()
    sink.failures = [Retry("busy")]
    with pytest.raises(ShipperError, match="takes nothing now, what is in quarantine stays there: busy"):
        replay(state, ManualClock(), {"memory": sink})

    assert len(entries(state, waiting=True)) == 1


def test_rows_of_a_blocked_index_stay_and_are_counted_apart(state):
    """The others are taken or refused; a second replay gives those that stayed alone."""
    refuse(state, 0, 1, 2)
    sink = MemorySink()
    sink.failures = [Blocked("app-2026.11.20: write is blocked", [1], [Refused(2, "memory", "still too odd")])]

    assert replay(state, ManualClock(NOW), {"memory": sink}) == Replayed(1, 1, 1, "app-2026.11.20: write is blocked")
    assert [(entry.id, entry.reason) for entry in entries(state, waiting=True)] == [
        (2, "too odd"),
        (3, "still too odd"),
    ]
    assert replay(state, ManualClock(), {"memory": sink}) == Replayed(2, 0)


def test_a_replay_goes_on_while_the_sink_gets_on(state):
    """A `Retry` without a pause says that it does."""
    refuse(state, 0)
    sink = MemorySink()
    sink.failures = [Retry("draining", after=0.0), Retry("draining", after=0.0)]

    assert replay(state, ManualClock(), {"memory": sink}) == Replayed(1, 0)


def test_only_the_named_ones_are_replayed(state):
    """By number or by `event.id`."""
    refuse(state, 0, 1, 2)
    sink = MemorySink()
    replay(state, ManualClock(), {"memory": sink}, ["1", f"{FILE_ID}-20", "1"])

    assert [id_ for id_, _ in sink.rows] == [f"{FILE_ID}-0", f"{FILE_ID}-20"]


def test_alerts_are_replayed_as_alerts(state):
    """Never into the records."""
    refuse(state, 0)
    refuse(state, 0, stream="alerts")
    sink = MemorySink()
    replay(state, ManualClock(), {"memory": sink})

    assert {stream: len(rows) for stream, rows in sink.streams.items()} == {"records": 1, "alerts": 1}


def test_an_unknown_id_and_an_unknown_sink_are_told(state):
    """Before anything is replayed."""
    refuse(state, 0, sink="gone")

    with pytest.raises(UsageError, match="there is no entry 'x'; see: shipper quarantine list"):
        replay(state, ManualClock(), {}, ["x"])
    with pytest.raises(UsageError, match="the pipeline has no sink 'gone'; it has: memory"):
        replay(state, ManualClock(), {"memory": MemorySink()})


def test_at_the_budget_it_holds(state):
    """Counted over what still waits, with what is to come."""
    batch, refused = finished(*DOCS), [Refused(0, "memory", "odd")]
    check_budget(state, batch, refused, max_bytes=len(DOCS[0]))
    refuse(state, 0)

    check_budget(state, batch, [], max_bytes=0)
    with pytest.raises(Retry, match="budget of 60 bytes is full; reading waits"):
        check_budget(state, batch, refused, max_bytes=60)
    replay(state, ManualClock(), {"memory": MemorySink()})
    check_budget(state, batch, refused, max_bytes=60)


def test_a_document_that_is_none_goes_by_the_time_it_was_refused(state):
    """It has no time of its own."""
    batch = finished(b"\xff")
    batch.changes = quarantine_changes(batch, [Refused(0, "memory", "not UTF-8")], NOW)
    state.commit(batch)

    assert as_batch(entries(state), NOW).times == ["2025-11-23T12:00:00.000Z"]
