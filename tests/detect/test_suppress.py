"""Which alert a piece of evidence belongs to."""

from dataclasses import replace

import pytest

from shipper.clock import iso
from shipper.detect.correlate import Event, event
from shipper.detect.suppress import OpenAlerts, Subject

START = 1_700_000_000.0
HOURLY = Subject("rule", "Rule", "high", (), "", 3600.0)


def at(seconds: float) -> Event:
    return event(f"f-{round(seconds)}", iso(START + seconds))


def add(alerts: OpenAlerts, *seconds: float, key: str = "k", subject: Subject = HOURLY) -> list[bool]:
    return [alerts.add(subject, {}, key, [at(second)], [at(second)]) for second in seconds]


@pytest.mark.parametrize(
    ("seconds", "opened"),
    [
        ([0, 3599], [True, False]),
        ([0, 3600], [True, True]),
        ([3599, 0], [True, False]),
        ([3600, 0], [True, True]),
        ([1000, 0, 3599, 3600], [True, False, False, True]),
        ([0, 3600, 100, 3700], [True, True, False, False]),
    ],
)
def test_an_alert_covers_evidence_within_realert_of_its_first(seconds: list[float], opened: list[bool]) -> None:
    assert add(OpenAlerts(), *seconds) == opened


def test_earlier_evidence_moves_the_first_back_and_keeps_the_id() -> None:
    alerts = OpenAlerts()
    add(alerts, 100)
    ((before, _),) = alerts.changes()
    add(alerts, 50)
    ((after, news),) = alerts.changes()
    assert (after.id, after.first, after.last, after.count, news) == (before.id, iso(START + 50), before.last, 2, False)


def test_changes_are_joined_until_they_are_taken() -> None:
    alerts = OpenAlerts()
    add(alerts, 0, 1, 2)
    assert [(alert.count, news) for alert, news in alerts.changes()] == [(3, True)]
    assert alerts.changes() == []


def test_what_the_watermark_has_left_behind_is_forgotten() -> None:
    alerts = OpenAlerts()
    add(alerts, 0, key="old")
    add(alerts, 100, key="new")
    alerts.forget(at(3600).at)
    assert add(alerts, 3599, key="old") == [True]
    assert add(alerts, 3599, key="new") == [False]


def test_beyond_the_limit_the_oldest_is_forgotten() -> None:
    alerts = OpenAlerts(limit=2)
    for key in ("a", "b", "c"):
        add(alerts, 0, key=key)
    assert [add(alerts, 1, key=key) for key in ("b", "c", "a")] == [[False], [False], [True]]


def test_an_alert_that_was_taken_is_not_altered_any_more() -> None:
    """What is on its way to the sinks stays as it was, however much evidence follows."""
    alerts = OpenAlerts()
    add(alerts, 0)
    ((taken, _),) = alerts.changes()
    was = replace(taken, evidence=list(taken.evidence))
    add(alerts, 1, 2)
    assert taken == was
