"""Bytes that were gone before they were read: counted, and told of once."""

import pytest

from shipper.alerts import NOTIFY, RECORD, load_alert
from shipper.source.loss import RULE_ID
from tests.source.follower import Follower

GONE = b"one\ntw"
"""Of which two bytes are no line yet."""


@pytest.fixture
def lose(data, log):
    """Reads a file, which is then replaced before its last bytes were handed on; gives the follower after that."""

    def lost(clock=None, *, commit=True):
        log.write_bytes(GONE)
        before = Follower(data, log, clock=clock)
        before.look()
        before.close()
        log.unlink()
        log.write_bytes(b"another\n")
        after = Follower(data, log, clock=before.clock)
        after.look(commit=commit)
        return after

    return lost


def told(follower):
    """The alerts of the state, and what waits in the outbox."""
    rows = follower.state.rows("SELECT alert FROM alerts WHERE rule_id = ? ORDER BY first", (RULE_ID,))
    kinds = [row["kind"] for row in follower.state.rows("SELECT kind FROM outbox ORDER BY seq")]
    return [load_alert(row["alert"]) for row in rows], kinds


def test_people_are_told_which_file_and_how_many_bytes(lose, log):
    """As a record and as a notification."""
    (alert,), kinds = told(follower := lose())
    assert (alert.group, alert.level, alert.count, kinds) == ({"file.path": str(log)}, "high", 1, [RECORD, NOTIFY])
    assert alert.description.startswith(f"2 bytes in all. The last: 2 bytes of {log}")
    assert (follower.batches[0].alerts, follower.context.metrics.lost_bytes) == ([alert], 2)


def test_a_crash_before_the_commit_tells_of_it_once(lose, data, log):
    """The loss and its alert are committed together, or neither."""
    lose(commit=False).close()
    again = Follower(data, log)
    again.look()
    alerts, kinds = told(again)

    assert (len(alerts), kinds) == (1, [RECORD, NOTIFY])
    assert sum(progress.lost for progress in again.state.files().values()) == 2


def test_more_within_the_hour_adds_to_the_alert(lose):
    """Over restarts; people are not told again."""
    first = lose()
    first.close()
    second = lose(first.clock)
    (alert,), kinds = told(second)

    assert (alert.count, alert.description[:15], kinds) == (2, "4 bytes in all.", [RECORD, NOTIFY, RECORD])


def test_more_after_the_hour_is_another_alert(lose):
    """Which people are told of."""
    first = lose()
    first.close()
    first.clock.advance(3601.0)
    alerts, kinds = told(lose(first.clock))

    assert ([alert.count for alert in alerts], kinds) == ([1, 1], [RECORD, NOTIFY] * 2)
    assert len({alert.first for alert in alerts}) == 2
