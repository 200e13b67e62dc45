"""The writer: in order, held while a sink holds, committed only when every sink has it."""

import sqlite3
import threading

import pytest

from shipper.clock import ManualClock
from shipper.context import Context
from shipper.errors import Retry
from shipper.model import Alert, Refused
from shipper.state import State, post
from shipper.writer import Writer
from tests.batches import FILE_ID, finished


class Sink:
    """Takes what it is told to: an exception in `plan` is raised, a list is answered, then all is taken."""

    name = "fake"
    gather = None

    def __init__(self, *plan):
        self.plan = list(plan)
        self.taken = []

    def write(self, batch):
        answer = self.plan.pop(0) if self.plan else []
        if isinstance(answer, Exception):
            raise answer
        self.taken.append(list(batch.out))
        return answer

    def close(self):
        pass


@pytest.fixture
def context(tmp_path):
    return Context(tmp_path, State(tmp_path / "state.db"), ManualClock())


def write(context, sinks, *batches):
    writer = Writer(sinks, context)
    writer.start()
    for batch in batches:
        writer.put(batch)
    writer.finish()


def committed(context):
    return {file_id: progress.offset for file_id, progress in context.state.files().items()}


def test_writes_in_order_and_commits_each_batch(context):
    """To every sink."""
    sinks = [Sink(), Sink()]
    write(context, sinks, finished(b"{}"), finished(b"{}", start=10))
    assert [len(sink.taken) for sink in sinks] == [2, 2]
    assert committed(context) == {FILE_ID: 20}


def test_a_sink_that_holds_is_asked_again_and_the_others_are_not(context):
    """Nothing is dropped and nothing doubles."""
    first, second = Sink(), Sink(Retry("down", 0.001), Retry("down", 0.001))
    write(context, [first, second], finished(b"{}"))
    assert (len(first.taken), len(second.taken)) == (1, 1)
    assert context.metrics.sink_retries == 2


def test_says_that_it_holds_while_it_holds(context):
    """In the status, for whoever looks."""
    seen = []
    sink = Sink(Retry("down", 0.001), Retry("down", 0.001))
    real = sink.write

    def write_and_look(batch):
        status = context.state.status()
        seen.append(status.get("run", {}).get("holding", ""))
        return real(batch)

    sink.write = write_and_look
    write(context, [sink], finished(b"{}"))
    assert seen[0] == ""
    assert seen[1] == "fake: down"
    assert context.state.status()["run"]["holding"] == ""


def test_a_state_that_cannot_be_written_holds_too(context, monkeypatch):
    """A full disk under state.db: the batch is committed when there is room."""
    real, failures = State.commit, [sqlite3.OperationalError("database or disk is full")]
    monkeypatch.setattr("shipper.writer.FIRST_WAIT_S", 0.001)

    def commit(self, batch):
        if failures:
            raise failures.pop()
        real(self, batch)

    monkeypatch.setattr(State, "commit", commit)
    write(context, [Sink()], finished(b"{}"))
    assert committed(context) == {FILE_ID: 10}


def test_stopping_while_a_sink_holds_commits_nothing(context):
    """The next run reads from the last commit."""
    writer = Writer([Sink(*[Retry("down", 60)] * 99)], context)
    writer.start()
    writer.put(finished(b"{}"))
    writer.stop_holding()
    writer.finish()
    assert committed(context) == {}


def test_refused_rows_go_to_the_quarantine_with_their_batch(context):
    """In the same transaction as the positions."""
    write(context, [Sink([Refused(1, "fake", "no good")])], finished(b"{}", b'{"a":1}'))
    rows = context.state.rows("SELECT event_id, sink, reason, doc FROM quarantine")
    assert [tuple(row) for row in rows] == [(f"{FILE_ID}-10", "fake", "no good", b'{"a":1}')]
    assert context.metrics.refused == 1


def test_alerts_follow_the_commit_that_made_them(context):
    """Also those that a crash left in the outbox, and what a sink refuses of them goes to the quarantine."""
    alert = Alert("a1", "r1", "A rule", "high", {}, 1, "2026-11-20T10:00:00Z", "2026-11-20T10:00:00Z")
    context.state.run(post("record", alert))
    sink = Sink([Refused(0, "fake", "no good")])
    write(context, [sink], finished(b"{}"))
    assert [len(taken) for taken in sink.taken] == [1, 1]
    assert b'"alert.id":"a1"' in sink.taken[0][0]
    assert context.state.rows("SELECT count(*) AS n FROM outbox")[0]["n"] == 0
    assert context.state.rows("SELECT stream, reason FROM quarantine")[0]["stream"] == "alerts"


def test_what_ends_the_writer_is_raised_to_the_reader(context):
    """A bug in a sink is no reason to go on."""
    writer = Writer([Sink(ZeroDivisionError())], context)
    writer.start()
    writer.put(finished(b"{}"))
    writer.join(5)
    with pytest.raises(ZeroDivisionError):
        writer.put(finished(b"{}", start=10))
    with pytest.raises(ZeroDivisionError):
        writer.finish()


def test_a_slow_sink_slows_reading(context):
    """No more than a few batches wait."""
    gate = threading.Event()
    sink = Sink()
    sink.write = lambda batch: gate.wait(5) and []
    writer = Writer([sink], context)
    writer.start()
    done = []

    def read():
        for place in range(10):
            writer.put(finished(b"{}", start=10 * place))
            done.append(place)

    reader = threading.Thread(target=read)
    reader.start()
    reader.join(0.3)
    assert len(done) <= 3
    gate.set()
    reader.join(5)
    writer.finish()
    assert committed(context) == {FILE_ID: 100}


def test_tells_what_it_does(context):
    """For `shipper status`."""
    write(context, [Sink()], finished(b"{}", b"{}"))
    status = context.state.status()["run"]
    assert (status["metrics"]["records"], status["ended"], status["holding"]) == (2, True, "")
