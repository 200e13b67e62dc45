"""A file with fewer records takes the place of a sealed segment, in one transaction."""

import shutil
from contextlib import closing

import pytest

from shipper.archive.ledger import Move, begin_move, days_in_grace, mark_segments, marked_segments, moves
from shipper.clock import ManualClock
from shipper.errors import ShipperError
from shipper.lock import hold
from shipper.state import State
from shipper.store.layout import listed
from shipper.store.recover import recover
from shipper.store.rewrite import replace_segment
from shipper.store.sealer import Sealer, seal_now
from tests.store.store import TODAY, Store, followed, row, seal_here, sealed, stored
from tests.store.test_recover import killed_at


@pytest.fixture
def data(tmp_path):
    """Two sealed segments, of records and of alerts, and one that is open."""
    folder = tmp_path / "data"
    folder.mkdir()
    store = Store(folder, seal_rows=2)
    store.commit(row(1), row(2))
    store.commit(row(3), row(4), stream="alerts")
    store.commit(row(5))
    Sealer(store.segments, run=seal_here).seal_due()
    store.close()
    return folder


@pytest.fixture
def state(data):
    with closing(State(data / "state.db")) as opened:
        yield opened


def fewer(data, *rows):
    """A sealed file with these rows, somewhere in the data folder."""
    (data / "tmp").mkdir(exist_ok=True)
    return sealed(data / "tmp", *rows)


def test_the_new_file_is_read_in_the_place_of_the_old(data, state):
    """The old one is gone from the disk, and the number is a new one."""
    old = listed(state)[0]
    new = replace_segment(data, state, old, fewer(data, row(2)), 1)
    recover(data, state)

    assert (stored(data), new.rows, new.number) == ([row(2), row(5)], 1, 4)
    assert not old.path(data).exists()
    assert new.path(data).stat().st_mode & 0o777 == 0o600


def test_alerts_are_replaced_alike(data, state):
    """They lie by the month."""
    replace_segment(data, state, listed(state, "alerts")[0], fewer(data, row(4)), 1)

    assert stored(data, "alerts") == [row(4)]


def test_without_any_rows_there_is_no_segment(data, state):
    """Nothing is left of it."""
    assert replace_segment(data, state, listed(state)[0], data / "none", 0) is None

    assert stored(data) == [row(5)]


def test_what_was_rewritten_is_no_news_to_a_follower(data, state):
    """It has had these rows."""
    replace_segment(data, state, listed(state)[0], fewer(data, row(2)), 1)

    assert followed(data) == [row(5)]


def test_marks_and_points_name_the_new_one(data, state):
    """Else its rows would be taken for late ones, and archived twice."""
    state.run(*mark_segments([1], 5.0))
    detail = {"point": {"segments": [1, 3]}, "next": {"segments": [1]}}
    begin_move(state, Move("archive", "2025.11.23", "", "hot", "warm", "old", "published", detail), 7.0)
    replace_segment(data, state, listed(state)[0], fewer(data, row(2)), 1)

    assert marked_segments(state) == {4}
    assert days_in_grace(state) == {"2025.11.23": {"segments": [3, 4]}}
    assert [(move.detail["next"], move.changed) for move in moves(state)] == [({"segments": [4]}, 7.0)]
    replace_segment(data, state, listed(state)[-1], data / "none", 0)
    assert days_in_grace(state) == {"2025.11.23": {"segments": [3]}}


def test_only_what_is_sealed_and_there_is_replaced(data, state):
    """Somebody may have deleted it meanwhile."""
    old, _, still_open = listed(state)
    replace_segment(data, state, old, data / "none", 0)

    for segment in (old, still_open):
        with pytest.raises(ShipperError, match="not a sealed segment, or gone meanwhile"):
            replace_segment(data, state, segment, fewer(data, row(2)), 1)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_killed_anywhere_one_of_the_two_is_there(data, tmp_path):
    """And the other is not."""
    new_file = fewer(data, row(2))

    def replace(folder):
        with closing(State(folder / "state.db")) as state:
            replace_segment(folder, state, listed(state)[0], folder / new_file.relative_to(data), 1)

    for step in range(100):
        folder = tmp_path / f"killed-{step}"
        shutil.copytree(data, folder)
        if not killed_at(step, lambda folder=folder: replace(folder)):
            break
        assert stored(folder) in ([row(1), row(2), row(5)], [row(2), row(5)])
        with closing(State(folder / "state.db")) as state:
            recover(folder, state)
        assert len(list(folder.glob("hot/*/*"))) == 2
    assert step > 5


def test_everything_open_is_sealed_where_no_writer_runs(data, state):
    """Of both streams."""
    store = Store(data)
    store.commit(row(6), stream="alerts", start=90)
    store.close()
    assert seal_now(data, state, ManualClock(), 0.0, run=seal_here) == []

    assert {segment.form for segment in listed(state)} == {"parquet"}
    assert (stored(data), stored(data, "alerts")) == ([row(1), row(2), row(5)], [row(3), row(4), row(6)])


def test_what_a_writer_does_not_seal_in_time_is_told(data, state):
    """After as long as was asked for."""
    clock = ManualClock(0.0)
    with closing(hold(data, "tail")):
        left = seal_now(data, state, clock, 3.0, run=seal_here)

    assert ([segment.number for segment in left], clock.now()) == ([3], 3.0)


def test_rows_that_come_meanwhile_are_not_waited_for(data, state):
    """They lie in another segment."""
    with closing(hold(data, "tail")):
        store = Store(data)

        class Running(ManualClock):
            def sleep(self, seconds):
                super().sleep(seconds)
                Sealer(store.segments, run=seal_here).seal_due()
                store.commit(row(7), time=TODAY, start=70)

        assert seal_now(data, state, Running(), 60.0) == []
        store.close()
    assert [(each.number, each.form) for each in listed(state, "records")] == [
        (1, "parquet"),
        (3, "parquet"),
        (4, "ndjson"),
    ]
