"""People are told of a hold once, when it matters, and that it is over, when it is."""

import sqlite3

import orjson
import pytest

from shipper.alerts import NOTIFY, RECORD, load_alert
from shipper.clock import ManualClock
from shipper.errors import Retry
from shipper.holding import RULE_ID, Holding, Remarks
from shipper.state import State


class Place:
    """A state, a clock, and what waits in the outbox."""

    def __init__(self, folder):
        self.state = State(folder / "state.db")
        self.clock = ManualClock()
        self.woken = []
        self.start()

    def start(self):
        self.holding = Holding(self.state, self.clock, str.upper, lambda: self.woken.append(1))

    def hold(self, seconds, **options):
        """It holds for so long, tried each second."""
        for _ in range(seconds):
            self.holding.holds("sink", "down", **options)
            self.clock.advance(1)

    def go_on(self, seconds):
        """It goes on for so long."""
        for _ in range(seconds):
            self.holding.goes_on("sink")
            self.holding.tick()
            self.clock.advance(1)

    def posted(self, kind=NOTIFY):
        rows = self.state.rows("SELECT payload FROM outbox WHERE kind = ? ORDER BY seq", (kind,))
        return [load_alert(row["payload"]) for row in rows]

    @property
    def states(self):
        return [alert.state for alert in self.posted()]

    @property
    def alerts(self):
        return [load_alert(row["alert"]) for row in self.state.rows("SELECT alert FROM alerts")]


@pytest.fixture
def place(tmp_path):
    opened = Place(tmp_path)
    yield opened
    opened.state.close()


def test_a_short_hold_is_told_to_nobody(place):
    """A server restarts."""
    place.hold(59)
    place.go_on(1)
    place.hold(59)
    assert (place.alerts, place.posted(RECORD)) == ([], [])


def test_one_that_lasts_a_minute_is_told_once(place):
    """As an alert, a record and a notification, with the reason scrubbed."""
    place.hold(300)
    (alert,) = place.posted()
    assert (alert.rule_id, alert.level, alert.group, alert.description) == (RULE_ID, "high", {"sink": "sink"}, "DOWN")
    assert (place.posted(RECORD), place.alerts, place.woken) == ([alert], [alert], [1])


def test_a_grave_one_is_told_at_once(place):
    """Waiting will not mend a wrong password."""
    place.hold(1, grave=True)
    assert place.states == ["open"]


def test_draining_a_spool_is_no_hold(place):
    """But the status shows it."""
    place.hold(300, tell=False)
    assert (place.states, place.holding.text) == ([], "sink: down")


def test_that_it_is_over_is_stored_at_once_and_told_when_it_stays_so(place):
    """Five minutes later, once, with how long it took."""
    place.hold(120)
    place.go_on(1)
    before = (place.alerts[0].state, place.states)
    place.go_on(600)
    assert (before, place.states) == (("resolved", ["open"]), ["open", "resolved"])
    assert "after 2 min" in place.posted()[1].description


def test_a_hold_soon_after_the_last_one_is_the_same(place):
    """People hear of neither end nor beginning in between; each change is a record of its own."""
    for _ in range(5):
        place.hold(70)
        place.go_on(100)
    place.go_on(600)
    assert (place.states, len(place.alerts)) == (["open", "resolved"], 1)
    assert [alert.count for alert in place.posted(RECORD)] == list(range(1, 11))


def test_a_later_hold_is_another(place):
    """With an id of its own."""
    for _ in range(2):
        place.hold(70)
        place.go_on(400)
    assert (place.states, len(place.alerts)) == (["open", "resolved"] * 2, 2)


def test_the_end_of_the_run_waits_for_nothing(place):
    """What is over is told."""
    place.hold(70)
    place.holding.goes_on("sink")
    place.holding.tick(ending=True)
    assert place.states == ["open", "resolved"]


def test_a_hold_over_a_restart_is_one(place):
    """The next run goes on with it, and sees its end."""
    place.hold(70)
    place.start()
    place.hold(70)
    place.go_on(400)
    assert (place.states, len(place.alerts)) == (["open", "resolved"], 1)


def test_an_end_that_nobody_was_told_of_before_a_kill_is_told_after_it(place):
    """It was stored as untold."""
    place.hold(70)
    place.go_on(10)
    place.start()
    place.go_on(400)
    place.start()
    place.go_on(400)
    assert place.states == ["open", "resolved"]


def test_a_sink_that_left_the_pipeline_holds_no_more(place):
    """Told at the start, at once and once; what others hold stays open."""
    place.hold(70)
    place.start()
    place.holding.only({"other"})
    place.start()
    place.holding.only({"other"})
    (_, alert) = place.posted()
    assert (place.states, place.alerts, len(place.posted(RECORD))) == (["open", "resolved"], [alert], 2)
    assert alert.description.startswith("The pipeline has no sink sink any more")
    assert alert.description.endswith("It had said: DOWN")


def test_a_sink_that_stays_goes_on_with_its_hold(place):
    """It is no news that it still holds."""
    place.hold(70)
    place.start()
    place.holding.only({"sink"})
    place.hold(70)
    assert place.states == ["open"]


def test_a_state_that_cannot_be_written_is_told_later(place, monkeypatch):
    """The disk may be what is full."""
    with monkeypatch.context() as patched:
        patched.setattr(State, "run", full)
        place.hold(70)
    assert place.alerts == []
    place.hold(1)
    assert place.states == ["open"]


def full(*_):
    raise sqlite3.OperationalError("database or disk is full")


def test_says_who_holds_and_since_when(place):
    """For the status."""
    place.hold(10)
    began = place.clock.now()
    place.holding.holds("other", "full")
    assert (place.holding.text, place.holding.since) == ("sink: down; other: full", began - 10)
    place.holding.goes_on("sink")
    place.holding.goes_on("other")
    assert (place.holding.text, place.holding.since) == ("", None)


# ── what our own log says ─────────────────────────────────────────────────────────────────────────────────────────────


class Log:
    """A sink that is tried again and again, and what is said of it."""

    def __init__(self, capsys):
        self.capsys, self.clock = capsys, ManualClock()
        self.remarks = Remarks(self.clock.monotonic)

    def hold(self, seconds, wait=0.5, **how):
        for _ in range(round(seconds / wait)):
            self.remarks.holds("sink", Retry("busy", wait, **how), wait)
            self.clock.advance(wait)
        return self

    def go_on(self):
        self.remarks.goes_on("sink")
        return self

    @property
    def said(self):
        """Level and first word of each line since the last look."""
        events = [orjson.loads(line) for line in self.capsys.readouterr().err.splitlines()]
        return [(event["log.level"], event["message"].partition(",")[0]) for event in events]


@pytest.fixture
def own_log(capsys):
    return Log(capsys)


def test_a_busy_server_is_not_worth_a_line(own_log):
    """However often it says so, as long as it takes something every few seconds."""
    for _ in range(20):
        own_log.hold(5).go_on()
    assert own_log.said == []


def test_a_hold_that_lasts_is_said_once_a_minute_and_that_it_is_over(own_log):
    """Each hold counts from its own beginning."""
    own_log.hold(5).go_on().hold(5.5)
    assert own_log.said == [("error", "holding")]
    own_log.hold(125).go_on()
    assert own_log.said == [("error", "holding"), ("error", "holding"), ("info", "goes on")]


@pytest.mark.parametrize(("wait", "grave"), [(0.5, True), (30.0, False)], ids=["grave", "asked to stay away"])
def test_what_is_known_to_last_is_said_at_once(own_log, wait, grave):
    """Somebody has to do something, or the server wants to be left alone for so long."""
    own_log.hold(wait, wait, grave=grave)
    assert own_log.said == [("error", "holding")]
