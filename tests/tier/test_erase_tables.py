"""What people have typed of a subject goes from `state.db` too."""

from contextlib import closing

import orjson
import pytest

from shipper.alerts import load_alert
from shipper.archive.ledger import holds
from shipper.model import StateChange
from shipper.query.parse import parse
from shipper.state import State, save_alert
from shipper.tier.erase_tables import Records, Tables
from shipper.tier.subject import STRUCK, Subject
from tests.test_alerts import an_alert

ALICE = "user_id:alice"


@pytest.fixture
def state(tmp_path):
    with closing(State(tmp_path / "state.db")) as opened:
        yield opened


NONE = Records()


def erase(state, records=NONE, kept=lambda _: False):
    tables = Tables(state, Subject(ALICE, parse(ALICE)), records, lambda raw, _: raw, kept)
    state.run(*tables.changes)
    return tables


def alerts(state):
    """Their evidence."""
    return [load_alert(row["alert"]).evidence for row in state.rows("SELECT alert FROM alerts")]


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


ABOUT_ALICE = {"group": {"user.id": "alice"}, "evidence": ["a", "b"]}


@pytest.mark.parametrize(
    ("staying", "left", "refused"), [((), [], 0), (("b",), [["b"]], 1), (("c",), [], 0)], ids=["none", "b", "other"]
)
def test_an_alert_stays_as_long_as_some_of_its_evidence(state, staying, left, refused):
    """Somebody has put that on hold; what it loses is the evidence that is erased."""
    state.run(save_alert(an_alert(**ABOUT_ALICE)))
    tables = erase(state, Records({"a"}, frozenset(staying)))
    assert (alerts(state), tables.refused["alerts"]) == (left, refused)


def test_an_alert_that_a_hold_asks_for_stays(state):
    """By the fields of its group, though its evidence is gone for long."""
    state.run(save_alert(an_alert(**ABOUT_ALICE)))
    erase(state, kept=lambda doc: orjson.loads(doc)["user_id"] == "alice")
    assert alerts(state) == [["a", "b"]]
