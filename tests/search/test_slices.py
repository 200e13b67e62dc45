"""Slices of time along the row groups."""

from hypothesis import given
from hypothesis import strategies as st

from shipper.search.slices import Group, Slice, narrowed, slices

TIMES = st.integers(0, 50)
LOWS = st.lists(TIMES, min_size=1, max_size=12).map(lambda lows: sorted(lows, reverse=True))


def holds(piece, time):
    return (piece.low is None or time >= piece.low) and (piece.high is None or time < piece.high)


@given(lows=LOWS, rows=st.integers(1, 60_000), time=TIMES)
def test_every_time_lies_in_one_slice(lows, rows, time):
    """And they come newest first."""
    found = list(slices([Group(low, rows, False) for low in lows]))
    assert sum(holds(piece, time) for piece in found) == 1
    assert [piece.low for piece in found[:-1]] == sorted((piece.low for piece in found[:-1]), reverse=True)


@given(lows=LOWS, wanted=st.sets(TIMES, max_size=5))
def test_narrowed_slices_hold_what_is_wanted_once(lows, wanted):
    """Newest first, and no row group without any."""
    groups = [Group(low, 10, False) for low in lows]
    found = list(narrowed(Slice(None, None), groups, sorted(wanted)))
    assert all(sum(holds(piece, time) for piece in found) == 1 for time in wanted)
    assert all(any(holds(piece, time) for time in wanted) for piece in found)
    highs = [float("inf") if piece.high is None else piece.high for piece in found]
    assert highs == sorted(highs, reverse=True)


def test_groups_beside_each_other_are_read_together():
    """One question for both; what lies between others is left out."""
    groups = [Group(low, 10, False) for low in (40, 30, 20, 10)]
    assert list(narrowed(Slice(10, None), groups, [45, 35, 15])) == [Slice(30, None), Slice(10, 20)]
    assert list(narrowed(Slice(10, 40), groups, [])) == []


def test_a_time_that_cannot_be_told_leaves_a_slice_as_it_is():
    """Infinity is a time to DuckDB."""
    assert list(narrowed(Slice(1, 9), [Group(5, 1, False)], [None, 3])) == [Slice(1, 9)]


def test_records_without_a_time_come_last():
    """In a slice of their own, where there may be any."""
    assert list(slices([Group(5, 1, True), Group(None, 1, True)])) == [Slice(None, None), Slice(timeless=True)]
    assert list(slices([Group(5, 1, False)])) == [Slice(None, None)]
