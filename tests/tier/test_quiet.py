"""Working on a data folder while no run writes to it."""

import threading
from contextlib import closing

import pytest

from shipper.clock import ManualClock, SystemClock
from shipper.errors import ShipperError
from shipper.lock import held_by, hold
from shipper.state import State
from shipper.tier.quiet import Rest, quiet


@pytest.fixture
def state(tmp_path):
    return State(tmp_path / "state.db")


def test_without_a_run_its_lock_is_taken(tmp_path, state):
    """So that none can start."""
    with quiet(tmp_path, state, ManualClock()):
        assert held_by(tmp_path, "tail")
    assert held_by(tmp_path, "tail") == ""


def test_a_run_rests_until_the_work_is_done(tmp_path, state):
    """It keeps its lock, and goes on by itself."""
    rest = Rest(tmp_path, State(tmp_path / "state.db"), SystemClock())
    order = []

    def run():
        while not (token := rest.asked()):
            pass
        order.append("rests")
        rest.keep(token, lambda: False)
        order.append("goes on")

    with closing(hold(tmp_path, "tail")), closing(hold(tmp_path, "move")):
        running = threading.Thread(target=run)
        running.start()
        with quiet(tmp_path, state, SystemClock()):
            order.append("work")
        running.join(10)
    assert order == ["rests", "work", "goes on"]


def test_a_run_that_does_not_come_to_rest_is_named(tmp_path, state):
    """And asked no longer."""
    with (
        closing(hold(tmp_path, "tail")),
        pytest.raises(ShipperError, match=r"does not come to rest within 60 s"),
        quiet(tmp_path, state, ManualClock()),
    ):
        pass
    assert state.meta("rest_asked") == ""


def test_whoever_asked_and_was_killed_keeps_no_run_at_rest(tmp_path, state):
    """Its lock is free."""
    state.set_meta("rest_asked", "token")
    rest = Rest(tmp_path, state, ManualClock())
    assert rest.asked() == ""
    rest.keep("token", lambda: False)


def test_a_run_that_is_stopped_rests_no_longer(tmp_path, state):
    """A stop comes first."""
    state.set_meta("rest_asked", "token")
    with closing(hold(tmp_path, "move")):
        Rest(tmp_path, state, ManualClock()).keep("token", lambda: True)
    assert state.meta("at_rest") == "token"
