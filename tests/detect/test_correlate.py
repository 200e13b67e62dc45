"""Windows: which events make a count true, whatever the order, with and without a restart in between."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.clock import iso
from shipper.detect.correlate import KEEP_EVENTS, Correlator, Event, Hit, Window, event, micros, without
from shipper.detect.rule import Correlation
from tests.detect.rule_values import a_correlation

START = 1_700_000_000.0


def at(seconds: float, name: str | None = None) -> Event:
    return event(name or f"file-{round(seconds * 1000)}", iso(START + seconds))


def feed(window: Window, seconds: Iterable[float]) -> list[Hit | None]:
    return [window.add(at(second)) for second in seconds]


def fired(rule: Correlation, seconds: Iterable[float]) -> list[bool]:
    return [hit is not None for hit in feed(Window(rule), seconds)]


def test_more_than_five_fires_at_the_sixth() -> None:
    assert fired(a_correlation(), range(6)) == [False] * 5 + [True]


def test_six_spread_over_an_hour_do_not_fire() -> None:
    assert not any(fired(a_correlation(), range(0, 3600, 600)))


@pytest.mark.parametrize(("last", "expected"), [(599.999, True), (600, False)])
def test_the_timespan_is_half_open(last: float, expected: bool) -> None:
    assert fired(a_correlation(), [0, 1, 2, 3, 4, last])[-1] is expected


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        ("gt", [False, False, True]),
        ("gte", [False, True, True]),
        ("eq", [False, True, False]),
        ("lt", [True, False, False]),
        ("lte", [True, True, False]),
    ],
)
def test_each_operator_compares_the_count_with_the_threshold(operator: str, expected: list[bool]) -> None:
    assert fired(a_correlation(operator=operator, threshold=2), [0, 1, 2]) == expected


def test_an_event_that_comes_out_of_order_completes_the_window_it_belongs_to() -> None:
    window = Window(a_correlation())
    feed(window, [0, 1, 2, 4, 5, 5000])
    hit = window.add(at(3))
    assert hit is not None
    assert [found.at for found in hit.events] == [at(second).at for second in range(6)]


def test_a_hit_tells_each_event_as_new_once() -> None:
    hits = [hit for hit in feed(Window(a_correlation()), range(8)) if hit is not None]
    assert [len(hit.new) for hit in hits] == [6, 1, 1]
    assert [len(hit.events) for hit in hits] == [6, 7, 8]


def test_the_same_event_counts_once() -> None:
    window = Window(a_correlation(threshold=1))
    assert window.add(at(0)) is None
    assert window.add(at(0)) is None
    assert len(window.events) == 1


def test_events_at_the_same_moment_are_several() -> None:
    window = Window(a_correlation(threshold=2))
    hits = [window.add(at(0, name)) for name in ("c-1", "a-1", "b-1")]
    assert [hit is not None for hit in hits] == [False, False, True]


def test_a_flood_in_one_group_stays_small_and_keeps_firing() -> None:
    window = Window(a_correlation())
    hits = feed(window, (n / 1000 for n in range(5000)))
    assert len(window.events) <= KEEP_EVENTS * 1.25
    assert len(window.dump()) < 20_000
    assert sum(len(hit.new) for hit in hits if hit) == 5000


def test_the_least_used_group_goes_when_there_are_too_many(capsys: pytest.CaptureFixture[str]) -> None:
    correlator = Correlator(a_correlation(threshold=1), max_groups=2)
    for group in ("a", "b", "a", "c", "d"):
        correlator.feed(group, at(len(group)))
    assert list(correlator._windows) == ["c", "d"]
    assert capsys.readouterr().err.count("too many groups") == 1
    dropped = [change.values for change in correlator.changes() if change.sql.startswith("DELETE")]
    assert sorted(dropped) == [("guessing", "a"), ("guessing", "b")]


def test_eviction_drops_what_no_event_behind_the_watermark_can_meet() -> None:
    correlator = Correlator(a_correlation())
    correlator.feed("old", at(0))
    correlator.feed("both", at(0))
    correlator.feed("both", at(700))
    correlator.changes()
    correlator.evict(at(601).at)
    assert [len(window.events) for window in correlator._windows.values()] == [1]
    assert [change.values for change in correlator.changes()] == [("guessing", "old")]


def test_micros_reads_times_of_any_precision() -> None:
    assert micros("1970-01-01T00:00:01Z") == 1_000_000
    assert micros("1970-01-01T00:00:01.5Z") == 1_500_000
    assert micros("1970-01-01T00:00:01.000001Z") == 1_000_001


# ── properties ──────────────────────────────────────────────────────────────────────────────────────────────────────

RULE = a_correlation(timespan=10.0, operator="gte", threshold=3)
seconds = st.lists(st.integers(0, 60), max_size=25, unique=True)


def hot(times: Iterable[int]) -> set[int]:
    """Brute force: every event in any run of three or more less than ten seconds long."""
    times = sorted(times)
    runs = [[other for other in times if first <= other < first + 10] for first in times]
    return {found for run in runs if len(run) >= 3 for found in run}


@given(seconds)
def test_what_is_told_is_what_brute_force_finds_in_any_order(times: list[int]) -> None:
    told = [found.time for hit in feed(Window(RULE), times) if hit for found in hit.new]
    assert sorted(told) == [at(second).time for second in sorted(hot(times))]


@given(seconds)
def test_each_hit_holds_exactly_the_runs_around_its_event(times: list[int]) -> None:
    window = Window(RULE)
    for place, second in enumerate(times):
        hit = window.add(at(second))
        seen = times[: place + 1]
        runs = [[n for n in seen if first <= n < first + 10] for first in seen if first <= second < first + 10]
        expected = sorted({n for run in runs if len(run) >= 3 for n in run})
        assert ([found.time for found in hit.events] if hit else []) == [at(n).time for n in expected]


@given(seconds, st.sets(st.integers(0, 25)))
def test_a_restart_anywhere_changes_nothing(times: list[int], restarts: set[int]) -> None:
    steady, restarted = Correlator(RULE), Correlator(RULE)
    stored: dict[str, bytes] = {}
    for place, second in enumerate(times):
        group = str(second % 2)
        assert restarted.feed(group, at(second)) == steady.feed(group, at(second))
        for change in restarted.changes():
            stored[change.values[1]] = change.values[2]
        if place in restarts:
            restarted = Correlator(RULE)
            restarted.load(stored)


def test_a_stored_window_loses_erased_events_and_nothing_else() -> None:
    """One that has no other is none."""
    window = Window(a_correlation())
    feed(window, range(3))
    left = Window(a_correlation())
    left.load(without(window.dump(), {"file-1000"}) or b"")
    assert [event.id for event in left.events] == ["file-0", "file-2000"]
    assert without(window.dump(), {"file-0", "file-1000", "file-2000"}) is None
    assert without(window.dump(), {"other-0"}) == window.dump()
