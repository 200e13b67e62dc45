"""The writer: in order, held while a sink holds, committed only when every sink has it."""

import sqlite3
import threading

import pytest

from shipper.alerts import load_alert
from shipper.clock import ManualClock
from shipper.context import Context
from shipper.errors import Retry
from shipper.holding import Holding
from shipper.model import Alert, Gather, Refused
from shipper.spool import Spool
from shipper.state import State, post
from shipper.store.waiting import Waiting
from shipper.writer import Abandoned, Writer, _wait
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


def test_an_alert_on_a_sink_that_is_gone_is_over(context):
    """The next run has another one. What it has itself is over when it takes something."""
    for sink in ("gone", "fake", "state", "quarantine"):
        Holding(context.state, context.clock, str, list).holds(sink, "down", grave=True)
    write(context, [Sink()])
    rows = context.state.rows("SELECT alert FROM alerts")
    found = {alert.group["sink"]: alert.description for alert in (load_alert(row["alert"]) for row in rows)}
    assert {sink for sink, said in found.items() if said.startswith("The pipeline has no sink")} == {"gone"}


def test_stopping_while_a_sink_holds_commits_nothing(context):
    """The next run reads from the last commit."""
    writer = Writer([Sink(*[Retry("down", 60)] * 99)], context)
    writer.start()
    writer.put(finished(b"{}"))
    writer.stop_holding()
    writer.finish()
    assert committed(context) == {}


def test_what_is_not_taken_while_it_stops_is_followed_by_nothing(context):
    """A sink that is slow, and goes on after all: a batch behind the one left out would be committed without it."""
    gate, sink = threading.Event(), Sink()
    real = sink.write
    sink.write = lambda batch: (gate.wait(5), real(batch))[1]
    writer = Writer([sink], context)
    writer.start()
    writer.stop_holding()
    with pytest.raises(Abandoned):
        for place in range(10):
            writer.put(finished(b"%d" % place, start=10 * place))
    gate.set()
    writer.finish()
    taken = [out for each in sink.taken for out in each]
    assert 0 < len(taken) < 10 and taken == [b"%d" % place for place in range(len(taken))]
    assert committed(context) == {FILE_ID: 10 * len(taken)}


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


@pytest.mark.parametrize("gather", [None, Gather(1000, 10_000, 0.01)])
def test_rests_behind_all_that_was_put(context, gather):
    """And takes nothing until it is told to go on."""
    sink = Sink()
    sink.gather = gather
    writer = Writer([sink], context)
    writer.start()
    writer.put(finished(b"{}"))
    go_on = writer.rest()
    assert (len(sink.taken), committed(context)) == (1, {FILE_ID: 10})
    writer.put(finished(b"{}", start=10))
    assert len(sink.taken) == 1
    go_on()
    writer.finish()
    assert len(sink.taken) == 2


def test_writes_nothing_more_when_it_is_to_stop_while_it_rests(context):
    """Whoever asked for the rest is still at work on what it would write to."""
    sink = Sink()
    writer = Writer([sink], context)
    writer.start()
    writer.rest()
    writer.put(finished(b"{}"))
    writer.stop_holding()
    writer.finish()
    assert (sink.taken, committed(context)) == ([], {})


def test_does_not_come_to_rest_once_it_is_to_stop(context):
    """What a sink does not take is not waited for."""
    writer = Writer([Sink(*[Retry("down", 0.001)] * 100_000)], context)
    writer.start()
    writer.put(finished(b"{}"))
    writer.stop_holding()
    with pytest.raises(Abandoned):
        writer.rest()
    writer.finish()


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


# ── joining ───────────────────────────────────────────────────────────────────────────────────────────────────────

FOREVER_S = 3600.0


def gathering(rows=1000, size=10_000, age_s=FOREVER_S):
    sink = Sink()
    sink.gather = Gather(rows, size, age_s)
    return sink


def sizes(sink):
    return [len(taken) for taken in sink.taken]


def test_batches_are_joined_for_a_sink_that_gathers(context):
    """In order, committed as one; the end waits for nothing."""
    sinks = [gathering(), Sink()]
    write(context, sinks, *(finished(b"%d" % place, start=10 * place) for place in range(5)))
    assert [sink.taken for sink in sinks] == [[[b"0", b"1", b"2", b"3", b"4"]]] * 2
    assert (committed(context), context.metrics.records) == ({FILE_ID: 50}, 5)


def test_a_limit_ends_a_joined_batch(context):
    """What does not fit begins the next one: rows, or bytes."""
    by_rows, by_bytes = gathering(rows=4), gathering(size=9)
    batches = [finished(b"{}", b"{}", b"{}"), finished(b"{}"), finished(b"{}", b"{}")]
    write(context, [by_rows], *batches)
    write(context, [by_bytes], *batches)
    assert (sizes(by_rows), sizes(by_bytes)) == ([4, 2], [4, 2])


def test_a_batch_over_the_limit_goes_alone(context):
    """It is what the source made of it."""
    sink = gathering(rows=2)
    write(context, [sink], finished(b"{}"), finished(*[b"{}"] * 5, start=10), finished(b"{}", start=60))
    assert sizes(sink) == [1, 5, 1]


def test_a_batch_with_an_intent_is_never_joined(context):
    """Its rows are cut again after a crash as they were then."""
    sink, clocked = gathering(), finished(b"{}", start=20)
    clocked.clocked = True
    write(context, [sink], finished(b"{}"), finished(b"{}", start=10), clocked, finished(b"{}", start=30))
    assert sizes(sink) == [2, 1, 1]


def test_a_batch_waits_no_longer_than_it_may(context):
    """Nothing follows, and it is not the end either."""
    sink = gathering(age_s=0.01)
    taken = threading.Event()
    writer = Writer([sink], context, committed=lambda batch: taken.set())
    writer.start()
    writer.put(finished(b"{}"))
    assert taken.wait(5)
    writer.finish()


# ── holds ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_people_are_told_of_a_grave_hold_while_it_lasts(context):
    """The notifiers are woken, though no batch is committed; the record follows when the sink goes on."""
    told = []
    sink = Sink(Retry("401", 0.001, grave=True), Retry("401", 0.001, grave=True))
    writer = Writer([sink], context, told=lambda: told.append(len(sink.plan)))
    writer.start()
    writer.put(finished(b"{}"))
    writer.finish()
    kinds = [row["kind"] for row in context.state.rows("SELECT kind FROM outbox ORDER BY seq")]
    assert (told[0], kinds) == (1, ["notify", "notify"])
    assert [b'"alert.state":"resolved"' in out for taken in sink.taken[1:] for out in taken] == [False, True]


def test_the_record_of_a_hold_does_not_wait_for_the_next_batch(context, monkeypatch):
    """A quiet log brings none for hours."""
    monkeypatch.setattr("shipper.writer.STATUS_EVERY_S", 0.001)
    sink, stored = Sink(Retry("401", 0.001, grave=True)), threading.Event()
    real = sink.write
    sink.write = lambda batch: (real(batch), stored.set() if b"resolved" in batch.out[-1] else None)[0]
    writer = Writer([sink], context)
    writer.start()
    writer.put(finished(b"{}"))
    found = stored.wait(5)
    writer.finish()
    assert found


@pytest.mark.parametrize(
    ("after", "expected"),
    [(0.0, 0.0), (0.5, 0.5), (1.0, 16.0), (20.0, 20.0)],
    ids=["at once", "said", "longer", "long"],
)
def test_waits_longer_each_time_but_not_where_a_sink_has_a_pace_of_its_own(after, expected):
    """Which is below a second."""
    assert _wait(after, 8.0) == expected


class Spooled:
    """A writer over a spool whose sink is away until it is told otherwise."""

    def __init__(self, context):
        self.inner = Sink(*[Retry("down", 1.0)] * 2)
        self.inner.name = "away"
        waiting = Waiting(context.data, 1 << 20, context.clock)
        self.spool = Spool(self.inner, waiting, after_s=0.0, at_risk=lambda: True, clock=context.clock)


@pytest.fixture
def spooled(context):
    made = Spooled(context)
    yield made
    made.spool.close()


def test_a_sink_whose_rows_are_spooled_counts_as_held(context, spooled):
    """Reading goes on, and people are told all the same."""
    write(context, [spooled.spool], finished(b"{}"))
    assert context.state.status()["run"]["holding"] == "away: down; its records are spooled"
    assert (committed(context), spooled.inner.taken) == ({FILE_ID: 10}, [])


def test_what_is_spooled_is_given_when_nothing_comes(context, spooled, monkeypatch):
    """And then nothing holds any more."""
    monkeypatch.setattr("shipper.writer.STATUS_EVERY_S", 0.001)
    drained = threading.Event()
    spooled.inner.plan = spooled.inner.plan[:1]
    writer = Writer([spooled.spool], context, committed=lambda batch: context.clock.advance(60))
    real = spooled.inner.write
    spooled.inner.write = lambda batch: (real(batch), drained.set())[0]
    writer.start()
    writer.put(finished(b"{}"))
    assert drained.wait(5)
    writer.finish()
    assert (spooled.inner.taken, context.state.status()["run"]["holding"]) == ([[b"{}"]], "")


def test_once_gives_what_an_earlier_run_spooled(context, spooled):
    """Without a line to read."""
    write(context, [spooled.spool], finished(b"{}"))
    context.clock.advance(60)
    spooled.inner.plan, context.once = [], True
    write(context, [spooled.spool])
    assert spooled.inner.taken == [[b"{}"]]
