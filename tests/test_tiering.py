"""When days are moved beside a run, and what becomes of a move that fails or is in the way."""

import os
from contextlib import closing
from datetime import UTC, datetime

import pytest
import yaml

from shipper.archive import ledger
from shipper.archive.ledger import ARCHIVE, MARKED
from shipper.build import plan
from shipper.clock import ManualClock
from shipper.config import shipped
from shipper.errors import UsageError
from shipper.lock import hold
from shipper.objects.cache import BlockCache
from shipper.state import State
from shipper.tier.policy import Tiers
from shipper.tiering import BUSY_S, FAILED_S, LAST, LOOK_S, DailyMove, is_due, last_due, tiering
from tests.store.store import Store
from tests.tier.days import at, day, move
from tests.tier.world import POLICY, record

AT_THREE = Tiers.model_validate(POLICY)


def pipeline(folder, **sections):
    path = folder / "pipeline.yml"
    detect = {"rules": [str(shipped() / "rules")], "secrets": [str(shipped() / "secrets")]}
    base = {
        "sources": [{"type": "tail", "paths": [str(folder / "*.log")]}],
        "sinks": [{"type": "embedded"}],
        "detect": detect,
    }
    path.write_text(yaml.safe_dump({**base, **sections}))
    return plan(path, {})


def seconds(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-01-02T02:59:59", "2026-01-01T03:00:00"),
        ("2026-01-02T03:00:00", "2026-01-02T03:00:00"),
        ("2026-01-02T23:59:59", "2026-01-02T03:00:00"),
    ],
)
def test_the_daily_move_is_due_at_its_time(now, due):
    assert last_due(AT_THREE, seconds(now)) == seconds(due)


@pytest.fixture
def state(tmp_path):
    with closing(State(tmp_path / "state.db")) as opened:
        yield opened


def test_a_first_run_has_missed_nothing(state):
    """It is due the next time, and until then once."""
    seen = [is_due(AT_THREE, state, at(1, hour)) for hour in (2, 2, 4, 5)]
    state.set_meta(LAST, str(at(1, 5)))
    assert (seen, is_due(AT_THREE, state, at(1, 6))) == ([False, False, True, True], False)


def test_a_move_whose_grace_is_over_is_due_at_once(state):
    """Not only at the time of the day: it would be a day late. One that failed waits its turn."""
    state.set_meta(LAST, str(at(2)))
    ledger.begin_move(state, move(ARCHIVE, 0, MARKED, detail={"marked": at(1, 5)}), at(1))
    seen = [is_due(AT_THREE, state, at(2, hour)) for hour in (4, 5)]
    failed = ledger.moves(state)[0]
    failed.failure = "away"
    state.run(ledger.save_move(failed, at(2)))
    assert (seen, is_due(AT_THREE, state, at(2, 6))) == ([False, True], False)


class Beside:
    """A data folder with an old day, and the thread that moves, which a test calls itself."""

    def __init__(self, folder, **policy):
        self.data, self.clock = folder / "data", ManualClock(at(8))
        self.data.mkdir()
        store = Store(self.data, clock=self.clock)
        store.commit(record(1, day(0)), time=f"{day(0).replace('.', '-')}T10:00:00Z")
        store.close()
        self.state = State(self.data / "state.db")
        self.state.set_meta(LAST, str(at(7)))
        self.daily = DailyMove(pipeline(folder, tiers={**POLICY, **policy}), self.data, self.clock)

    def look(self):
        return self.daily.look(self.state)

    def tiers(self):
        return [one.tier for one in ledger.archived(self.state)]


@pytest.fixture
def beside(tmp_path):
    made = Beside(tmp_path)
    yield made
    made.state.close()


def test_days_are_moved_when_it_is_time_and_not_again(beside):
    waits = [beside.look(), beside.look()]
    assert (waits, beside.tiers(), beside.state.status()["tiers"]["result"]) == ([LOOK_S] * 2, ["warm"], "1 in grace")


def test_somebody_else_who_moves_is_waited_for(beside):
    with closing(hold(beside.data, "move")):
        waits = beside.look()
    assert (waits, beside.tiers()) == (BUSY_S, [])


def test_what_failed_is_tried_again_before_the_next_day(tmp_path):
    """The archive's disk is not there, and then it is."""
    beside = Beside(tmp_path, warm={"until": "30d", "to": str(tmp_path / "disk" / "archive")})
    first = beside.look()
    (tmp_path / "disk").mkdir()
    second = beside.look()
    assert (first, second, beside.tiers()) == (FAILED_S, LOOK_S, ["warm"])
    assert [row["state"] for row in _alerts(beside.state)] == ["resolved"]
    beside.state.close()


def _alerts(state):
    return state.rows("SELECT json_extract(alert, '$.state') AS state FROM alerts")


def test_a_stop_ends_it_between_two_steps(beside):
    """What was begun is taken up by the next run."""
    beside.daily.stop()
    beside.look()
    left = beside.tiers()
    again = DailyMove(beside.daily._plan, beside.data, beside.clock)
    again.look(beside.state)
    assert (left, beside.tiers()) == ([], ["warm"])


def test_a_pipeline_without_tiers_moves_nothing(tmp_path, state):
    """And says what to write."""
    with pytest.raises(UsageError, match="has no `tiers`"), tiering(pipeline(tmp_path), tmp_path, state):
        pass


def test_what_a_killed_mover_left_is_cleared(tmp_path, state):
    """Where Elasticsearch is the hot store nobody else would do it, and it may be a whole day of records."""
    gone, mine = (tmp_path / "tmp" / f"tier-{number}" for number in (2**22 + 1, os.getpid()))
    for folder in (gone, mine):
        (folder / "written").mkdir(parents=True)
    with tiering(pipeline(tmp_path, tiers=POLICY), tmp_path, state):
        assert (gone.exists(), mine.exists()) == (False, True)


def test_the_mover_forgets_what_searches_have_fetched(tmp_path, state):
    """Days that are gone are gone from the disk as well."""
    cache, sha256 = BlockCache(tmp_path / "cache"), "a" * 64
    cache.put(sha256, 0, b"piece")
    with tiering(pipeline(tmp_path, tiers=POLICY), tmp_path, state) as opened:
        opened.moving.forget([sha256])
    assert cache.held(sha256) == set()
