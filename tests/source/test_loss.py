"""Bytes that were gone before they were read: counted, and told of once."""

import os
import shutil
from pathlib import Path

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


def test_a_copy_that_was_seen_before_its_file_was_truncated_is_no_loss(data, log):
    """Nothing of the file was read, so there are no bytes by which the copy could be known."""
    log.write_bytes(b"one\ntwo\n")
    follower = Follower(data, log)
    follower.tail.keep_in_sight()
    shutil.copy(log, f"{log}.1")
    follower.clock.advance(2.0)
    follower.tail.keep_in_sight()
    os.truncate(log, 0)
    follower.clock.advance(2.0)
    follower.tail.keep_in_sight()
    follower.look()

    assert (follower.context.metrics.lost_bytes, [line for _, line in follower.rows]) == (0, [b"one", b"two"])


def test_a_rotated_file_that_is_deleted_unread_is_lost_though_its_inode_is_used_again(data, log):
    """A new file that is large enough to be its copy is none: nobody copies and truncates what was rotated."""
    log.write_bytes(b"lost\n" * 10)
    follower = Follower(data, log)
    follower.tail.keep_in_sight()
    log.rename(f"{log}.1")
    log.write_bytes(b"one\n")
    follower.clock.advance(2.0)
    follower.tail.keep_in_sight()
    follower.close()
    inode = os.stat(f"{log}.1").st_ino
    os.truncate(f"{log}.1", 0)
    os.rename(f"{log}.1", f"{log}.2")
    log.rename(f"{log}.3")
    Path(f"{log}.1").write_bytes(b"another one\n" * 10)
    log.write_bytes(b"two\n")
    again = Follower(data, log)
    again.look()

    assert os.stat(f"{log}.2").st_ino == inode
    assert again.context.metrics.lost_bytes == 50
