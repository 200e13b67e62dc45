"""Which alert a piece of evidence belongs to: an open one of the same rule and group, or a new one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from shipper.alerts import rank
from shipper.detect.correlate import Event, micros
from shipper.detect.group import evidence_id
from shipper.model import EVIDENCE_LIMIT, Alert

MAX_OPEN = 100_000
"""Open alerts kept in memory; beyond it the oldest is forgotten, so that its next evidence makes a new one."""

Key = tuple[str, str]
"""Rule id and group."""


class Subject(NamedTuple):
    """The rule that an alert speaks of."""

    rule_id: str
    rule: str
    level: str
    tags: tuple[str, ...]
    description: str
    realert: float
    """Seconds of event time from the first evidence on, within which further evidence adds to the same alert."""


@dataclass(slots=True)
class Open:
    """An alert that may still grow. Others hold the `alert` that `changes` gave away: it is not altered any more."""

    alert: Alert
    first: int
    """Microseconds since the epoch."""
    last: int
    until: int
    """From here on no evidence in order belongs to it, in microseconds since the epoch."""


class OpenAlerts:
    """The open alerts by rule and group.

    There may be one for each stretch of `realert` seconds that the watermark has not left behind: files that are read
    in turns, each at another time of the past, add to each other's alerts instead of making new ones at every turn.
    """

    def __init__(self, limit: int = MAX_OPEN) -> None:
        self._limit = limit
        self._open: dict[Key, list[Open]] = {}
        self._changed: dict[str, tuple[Open, bool]] = {}
        self._count = 0

    def add(
        self, subject: Subject, group: dict[str, str], key: str, events: Sequence[Event], new: Sequence[Event]
    ) -> bool:
        """Adds the evidence `new` to an open alert, or opens one with all `events`; True when it did that.

        Both are in order of time and not empty; the alert is the one that covers the latest of `new`.
        """
        realert = round(subject.realert * 1_000_000)
        siblings = self._open.setdefault((subject.rule_id, key), [])
        found = _fitting(siblings, new[-1].at, realert)
        if found is not None:
            self._grow(found, subject, new)
            return False
        opened = _opened(subject, group, key, events, realert)
        siblings.append(opened)
        self._count += 1
        self._changed[opened.alert.id] = (opened, True)
        self._make_room()
        return True

    def _grow(self, found: Open, subject: Subject, new: Sequence[Event]) -> None:
        alert = found.alert
        new = [event for event in new if event.id != alert.evidence[-1]]
        if not new:
            return
        evidence = list(alert.evidence)
        for event in new:
            evidence[EVIDENCE_LIMIT - 1 :] = [event.id]
        risen = rank(subject.level) > rank(alert.level)
        change = self._changed.get(alert.id)
        if change is None:
            alert = found.alert = replace(alert)
        alert.level = subject.level if risen else alert.level
        alert.count += len(new)
        alert.first = new[0].time if new[0].at < found.first else alert.first
        alert.last = new[-1].time if new[-1].at > found.last else alert.last
        alert.evidence = evidence
        found.first, found.last = min(found.first, new[0].at), max(found.last, new[-1].at)
        self._changed[alert.id] = (found, risen or (change is not None and change[1]))

    def changes(self) -> list[tuple[Alert, bool]]:
        """Every alert that changed since the last call, once, and whether that is news to tell."""
        changed = [(found.alert, news) for found, news in self._changed.values()]
        self._changed.clear()
        return changed

    def restore(self, alert: Alert, key: str, realert: float) -> None:
        """Takes an alert up again that was stored."""
        first = micros(alert.first)
        found = Open(alert, first, micros(alert.last), first + round(realert * 1_000_000))
        self._open.setdefault((alert.rule_id, key), []).append(found)
        self._count += 1

    def forget(self, low: int) -> None:
        """Lets go of the alerts that nothing at or after the watermark `low` (microseconds) belongs to."""
        for key, siblings in list(self._open.items()):
            kept = [found for found in siblings if found.until > low]
            self._count -= len(siblings) - len(kept)
            if kept:
                self._open[key] = kept
            else:
                del self._open[key]

    def _make_room(self) -> None:
        while self._count > self._limit:
            self._count -= len(self._open.pop(next(iter(self._open))))


def _fitting(siblings: Sequence[Open], at: int, realert: int) -> Open | None:
    """The alert that an event at `at` belongs to: one that began before it, or else one that may begin with it."""
    for found in siblings:
        if found.first <= at < found.first + realert:
            return found
    for found in siblings:
        if at < found.first and found.last - at < realert:
            return found
    return None


def _opened(subject: Subject, group: dict[str, str], key: str, events: Sequence[Event], realert: int) -> Open:
    ids = [event.id for event in events]
    if len(ids) > EVIDENCE_LIMIT:
        ids[EVIDENCE_LIMIT - 1 :] = ids[-1:]
    alert = Alert(
        id=evidence_id((subject.rule_id, key, ids[0])),
        rule_id=subject.rule_id,
        rule=subject.rule,
        level=subject.level,
        group=group,
        count=len(events),
        first=events[0].time,
        last=events[-1].time,
        evidence=ids,
        tags=subject.tags,
        description=subject.description,
    )
    return Open(alert, events[0].at, events[-1].at, events[0].at + realert)
