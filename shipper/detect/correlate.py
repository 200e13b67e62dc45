"""Sliding windows on event time: how many events of one group lie within a timespan of each other.

Pure: no clock, no files. Events may come in any order. A window holds its events sorted, so which of them make the
condition true does not depend on the order in which they came, as long as none is later than the watermark allows.
"""

import operator
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import NamedTuple

import orjson

from shipper.detect.rule import Correlation
from shipper.log import say
from shipper.model import StateChange
from shipper.state import save_window

MAX_GROUPS = 100_000
"""Groups a correlation keeps; beyond it the least recently used goes."""
KEEP_EVENTS = 256
"""Events a window keeps in any case, so that a flood in one group stays small (see `Window.limit`)."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_at = itemgetter(0)

HOLDS: dict[str, Callable[[int, int], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
    "eq": operator.eq,
}
"""Operator of a correlation → does `(count, threshold)` meet it."""


class Event(NamedTuple):
    """One evidence record. Sorts by event time."""

    at: int
    """Microseconds since the epoch."""
    id: str
    time: str
    """`@timestamp` as the record has it."""


class Hit(NamedTuple):
    """The condition of a correlation holds."""

    events: list[Event]
    """The events that make it hold together with the one just fed, oldest first."""
    new: list[Event]
    """Those of them that no earlier hit has told of."""


def micros(time: str) -> int:
    """Microseconds since the epoch of an RFC 3339 time."""
    return (datetime.fromisoformat(time) - _EPOCH) // _MICROSECOND


def event(event_id: str, time: str) -> Event:
    """The evidence that a record is."""
    return Event(micros(time), event_id, time)


class Window:
    """The events of one group of one correlation."""

    __slots__ = ("_holds", "_span", "_threshold", "events", "limit", "told")

    def __init__(self, rule: Correlation) -> None:
        self.events: list[Event] = []
        self.told: set[str] = set()
        """Ids of the events that a hit has told of."""
        self._span = round(rule.timespan * 1_000_000) - 1  # events a whole timespan apart are not within it
        self._holds, self._threshold = HOLDS[rule.operator], rule.threshold
        self.limit = max(KEEP_EVENTS, 4 * rule.threshold)
        """More events than this are never needed to see that the condition holds; the oldest go."""

    def add(self, event: Event) -> Hit | None:
        """Takes an event in. An id that is already there changes nothing."""
        place = bisect_left(self.events, event)
        if place < len(self.events) and self.events[place].id == event.id:
            return None
        self.events.insert(place, event)
        hit = self._judge(place)
        if len(self.events) > self.limit + self.limit // 4:
            self._drop(len(self.events) - self.limit)
        return hit

    def _judge(self, place: int) -> Hit | None:
        spans = list(self._spans(place))
        if not self._holds(max(stop - start for start, stop in spans), self._threshold):
            return None
        spans = [span for span in spans if self._holds(span[1] - span[0], self._threshold)]
        events = self.events[min(start for start, _ in spans) : max(stop for _, stop in spans)]
        new = [event for event in events if event.id not in self.told]
        self.told.update(event.id for event in new)
        return Hit(events, new)

    def _spans(self, place: int) -> Iterator[tuple[int, int]]:
        """Every run of events within the timespan that includes `place` and can't be longer to the right."""
        start = bisect_left(self.events, self.events[place].at - self._span, key=_at)
        if place == len(self.events) - 1:
            yield start, place + 1
            return
        for first in range(start, place + 1):
            yield first, bisect_right(self.events, self.events[first].at + self._span, key=_at)

    def evict(self, before: int) -> None:
        """Drops the events before a time, in microseconds."""
        self._drop(bisect_left(self.events, before, key=_at))

    def _drop(self, count: int) -> None:
        self.told.difference_update(event.id for event in self.events[:count])
        del self.events[:count]

    def dump(self) -> bytes:
        """The window as bytes; a file's id stands there once, however many of its records there are."""
        files: dict[str, int] = {}
        events = []
        for event in self.events:
            file_id, dash, offset = event.id.rpartition("-")
            number = files.setdefault(file_id + dash, len(files))
            events.append((event.time, number, offset, int(event.id in self.told)))
        return orjson.dumps([list(files), events])

    def load(self, state: bytes) -> None:
        """Takes over what `dump` gave."""
        files, events = orjson.loads(state)
        for time, number, offset, told in events:
            event_id = files[number] + offset
            self.events.append(Event(micros(time), event_id, time))
            if told:
                self.told.add(event_id)


def without(state: bytes, erased: Collection[str]) -> bytes | None:
    """What `Window.dump` gave, without some events (by id); None when it is of no other."""
    files, events = orjson.loads(state)
    kept = [each for each in events if files[each[1]] + each[2] not in erased]
    if len(kept) == len(events):
        return state
    return orjson.dumps([files, kept]) if kept else None


class Correlator:
    """The windows of one correlation, by group."""

    def __init__(self, rule: Correlation, max_groups: int = MAX_GROUPS) -> None:
        self.rule = rule
        self._max_groups = max_groups
        self._windows: dict[str, Window] = {}
        """Least recently used first."""
        self._changed: dict[str, None] = {}
        self._said_full = False

    def __len__(self) -> int:
        return len(self._windows)

    def feed(self, group: str, event: Event) -> Hit | None:
        """Takes an event of a group in, and says whether the condition holds now."""
        window = self._windows.pop(group, None)
        if window is None:
            self._make_room()
            window = Window(self.rule)
        self._windows[group] = window
        self._changed[group] = None
        return window.add(event)

    def _make_room(self) -> None:
        if len(self._windows) < self._max_groups:
            return
        oldest = next(iter(self._windows))
        del self._windows[oldest]
        self._changed[oldest] = None
        if not self._said_full:
            self._said_full = True
            say("warning", "correlation has too many groups, forgets the least used", rule=self.rule.title)

    def evict(self, low: int) -> None:
        """Drops what no event at or after the watermark `low` (microseconds) can meet."""
        before = low - round(self.rule.timespan * 1_000_000)
        for group, window in list(self._windows.items()):
            if window.events[0].at < before:
                window.evict(before)
                if not window.events:
                    del self._windows[group]
                    self._changed[group] = None

    def changes(self) -> list[StateChange]:
        """What has to be written so that `load` brings back all that was fed since the last call."""
        changes = []
        for group in self._changed:
            window = self._windows.get(group)
            changes.append(save_window(self.rule.id, group, window.dump() if window else None))
        self._changed.clear()
        return changes

    def load(self, stored: dict[str, bytes]) -> None:
        """Takes over stored windows, group → state."""
        for group, state in stored.items():
            window = self._windows[group] = Window(self.rule)
            window.load(state)
        self._windows = dict(sorted(self._windows.items(), key=lambda item: item[1].events[-1:]))

    def renewed(self, rule: Correlation) -> "Correlator":
        """The same windows under a reloaded rule."""
        fresh = Correlator(rule, self._max_groups)
        for group, old in self._windows.items():
            window = fresh._windows[group] = Window(rule)
            window.events, window.told = old.events, old.told
        fresh._changed, fresh._said_full = self._changed, self._said_full
        return fresh
