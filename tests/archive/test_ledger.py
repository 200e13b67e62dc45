"""What `state.db` knows of tiers."""

from shipper.archive.ledger import archived, save_archived
from shipper.archive.manifest import Manifest
from shipper.state import State


def steps_of(state, call):
    """About how much SQLite has to do for a call."""
    steps = []
    state._db.set_progress_handler(lambda: steps.append(1), 10)
    call()
    state._db.set_progress_handler(None, 0)
    return len(steps)


def test_a_day_is_found_without_going_through_all_the_others(tmp_path):
    """Search and mover ask day by day: with ten years of them they would take the square of that."""
    state = State(tmp_path / "state.db")
    days = [f"{year}.{month:02}.{day:02}" for year in (2025, 2026) for month in range(1, 13) for day in range(1, 29)]
    state.run(*(save_archived("archive", Manifest("cold", "backend", day, (), "embedded", ""), 0.0) for day in days))
    assert [one.day for one in archived(state, day="2026.02.03")] == ["2026.02.03"]
    assert steps_of(state, lambda: archived(state, day="2026.02.03")) * 20 < steps_of(state, lambda: archived(state))
