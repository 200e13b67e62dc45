"""Acts on stored records become records of their own dataset, exactly once."""

import orjson
import pytest

from shipper.clock import ManualClock
from shipper.context import Context
from shipper.errors import Retry
from shipper.notify.outbox import Outbox
from shipper.state import State
from shipper.tier.audit import act_batch, audit, pending_acts
from shipper.writer import Writer


class Sink:
    """Takes what it is told to: an exception in `plan` is raised, then all is taken."""

    name = "fake"
    gather = None

    def __init__(self, *plan):
        self.plan, self.taken = list(plan), []

    def write(self, batch):
        if self.plan:
            raise self.plan.pop(0)
        self.taken += [(batch.stream, batch.event_id(row), orjson.loads(out)) for row, out in enumerate(batch.out)]
        return []

    def close(self):
        pass


@pytest.fixture
def context(tmp_path):
    return Context(tmp_path, State(tmp_path / "state.db"), ManualClock())


def run(context, sink):
    writer = Writer([sink], context)
    writer.start()
    writer.finish()


def added(context, **fields):
    context.state.run(audit("hold-added", "hold 1 was added", 1_700_000_000.5, **fields))


def test_an_act_is_a_record_of_the_audit_dataset(context):
    """With its own id, the user and the host."""
    sink = Sink()
    added(context, **{"hold.id": 1})
    run(context, sink)
    stream, event_id, record = sink.taken[0]
    expected = {"event.kind": "event", "event.dataset": "audit", "event.action": "hold-added", "hold.id": 1}
    expected |= {"@timestamp": "2023-11-14T22:13:20.500Z", "message": "hold 1 was added", "event.id": event_id}
    assert (stream, {name: record[name] for name in expected}) == ("records", expected)
    assert all(record[name] for name in ("user.name", "host.name", "event.ingested"))


def test_an_act_waits_while_no_shipper_runs_and_is_told_once(context):
    """A sink that holds gets the same record again."""
    added(context)
    assert len(pending_acts(context.state, 10)) == 1
    sink = Sink(Retry("down", 0.001))
    run(context, sink)
    run(context, sink)
    assert (len(sink.taken), pending_acts(context.state, 10)) == (1, [])


def test_acts_left_by_another_process_are_found_while_it_runs(context, monkeypatch):
    """Nobody tells the writer of them."""
    monkeypatch.setattr("shipper.writer.ACTS_EVERY_S", 0.0)
    monkeypatch.setattr("shipper.writer.STATUS_EVERY_S", 0.01)
    sink = Sink()
    writer = Writer([sink], context)
    writer.start()
    added(context)
    while pending_acts(context.state, 1):
        writer.check()
    writer.finish()
    assert len(sink.taken) == 1


def test_no_two_acts_share_an_id(context):
    """Not even those of one moment."""
    added(context)
    added(context)
    batch = act_batch(pending_acts(context.state, 10), 0.0, str)
    assert len({batch.event_id(row) for row in range(2)}) == 2


def test_what_a_person_typed_is_redacted(context):
    """But not the id."""
    added(context, **{"hold.reason": "because of s3cret", "hold.days": ["s3cret", 1]})
    batch = act_batch(pending_acts(context.state, 10), 0.0, lambda text: text.replace("s3cret", "[struck]"))
    record = orjson.loads(batch.out[0])
    assert (record["hold.reason"], record["hold.days"]) == ("because of [struck]", ["[struck]", 1])
    assert record["event.id"] == batch.event_id(0)


def test_notifiers_leave_acts_alone(context):
    """They are no news for people, and stay until the sinks have them."""
    added(context)
    outbox = Outbox(context.state.path, [])
    outbox.keep(force_digest=True)
    assert (outbox.waiting(), len(pending_acts(context.state, 10))) == (set(), 1)
