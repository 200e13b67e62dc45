"""What people have typed of a subject goes from `state.db` too."""

from contextlib import closing

import pytest

from shipper.archive.ledger import holds
from shipper.model import StateChange
from shipper.query.parse import parse
from shipper.state import State
from shipper.tier.erase_tables import Tables
from shipper.tier.subject import STRUCK, Subject

ALICE = "user_id:alice"


@pytest.fixture
def state(tmp_path):
    with closing(State(tmp_path / "state.db")) as opened:
        yield opened


def erase(state):
    tables = Tables(state, Subject(ALICE, parse(ALICE)), (), lambda raw, _: raw, lambda _: False)
    state.run(*tables.changes)


def add_hold(state, released):
    values = (ALICE, "", "", "alice sues", "me", 1.0, released, "alice lost" if released else "")
    sql = "INSERT INTO holds(query, since, until, reason, who, added, released, why) VALUES (?,?,?,?,?,?,?,?)"
    state.run(StateChange(sql, values))


def test_a_released_hold_says_no_more_whom_it_was_about(state):
    """Nor why, in the words of who made and released it."""
    add_hold(state, 2.0)
    erase(state)
    (hold,) = holds(state, released=True)
    assert (hold.query, hold.reason, hold.why) == (f"user_id:{STRUCK}", f"{STRUCK} sues", f"{STRUCK} lost")


def test_a_hold_in_force_stays_as_it_is(state):
    add_hold(state, None)
    erase(state)
    assert [hold.query for hold in holds(state)] == [ALICE]


def test_the_reason_of_a_silence_says_no_more_whom_it_was_about(state):
    state.run(StateChange("INSERT INTO silences(rule_id, until, reason) VALUES ('r', 9.0, 'alice tries out')", ()))
    erase(state)
    assert [row["reason"] for row in state.rows("SELECT reason FROM silences")] == [f"{STRUCK} tries out"]
