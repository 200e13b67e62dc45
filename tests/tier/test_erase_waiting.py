"""Erasing from what waits for a sink: the writer goes on with what is left."""

import orjson
import pytest

from shipper.clock import ManualClock
from shipper.store.layout import listed
from shipper.store.waiting import Waiting
from shipper.tier.erase_waiting import erase_waiting, without_evidence
from tests.batches import finished

ALICE, BOB = (orjson.dumps({"event.id": f"f-{n}", "user_id": user}) for n, user in enumerate(["alice", "bob"]))


def without_alice(doc):
    return None if b"alice" in doc else doc


@pytest.fixture
def waiting(tmp_path):
    found = Waiting(tmp_path, 1 << 20, ManualClock())
    yield found
    found.close()


def spool(waiting, *rows, start=0):
    batch = finished(*rows, start=start)
    batch.changes = waiting.spool(batch, list(range(len(rows))))
    waiting.state.commit(batch)


def test_spooled_rows_of_others_are_given_in_order(tmp_path, waiting):
    """And what comes next is behind them."""
    spool(waiting, ALICE, BOB)
    assert erase_waiting(tmp_path, waiting.state, without_alice) == [ALICE]
    waiting.refresh()
    spool(waiting, BOB, start=100)
    assert [row for segment in waiting.spooled() for row in waiting.load(segment).out] == [BOB, BOB]


def test_a_segment_of_which_nothing_is_left_is_gone(tmp_path, waiting):
    """A number that was given is never given again."""
    spool(waiting, ALICE)
    (old,) = waiting.spooled()
    erase_waiting(tmp_path, waiting.state, without_alice)
    waiting.refresh()
    assert (listed(waiting.state), old.path(tmp_path).exists()) == ([], False)
    spool(waiting, BOB, start=100)
    assert waiting.spooled()[0].number > old.number


def test_looking_changes_no_file(tmp_path, waiting):
    """It tells what would go."""
    spool(waiting, ALICE, BOB)
    before = waiting.spooled()
    assert erase_waiting(tmp_path, waiting.state, without_alice, dry=True) == [ALICE]
    assert waiting.spooled() == before


@pytest.mark.parametrize(
    ("evidence", "expected"), [(["a"], None), (["a", "b"], ["b"]), (["b"], ["b"]), ([], [])], ids=str
)
def test_an_alert_keeps_the_evidence_that_is_left(evidence, expected):
    """Without any it goes; one that never had any stays."""
    left = without_evidence(alert_record(evidence), gone=never, erased={"a"}.__contains__, held=never)
    assert (left and orjson.loads(left)["alert.evidence"]) == expected


def never(record):
    return False


def alert_record(evidence):
    return orjson.dumps({"alert.evidence": evidence})


def test_an_alert_that_is_on_hold_stays_and_loses_only_evidence():
    """Whom ever it is about."""
    gone = held = {"alert.evidence": ["a"]}.__eq__
    left = without_evidence(alert_record(["a"]), gone=gone, erased={"a"}.__contains__, held=held)
    assert left == alert_record([])
