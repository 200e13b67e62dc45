"""Tells what happens while a pipeline runs, for somebody who watches: counts, redactions, alerts."""

import textwrap
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from shipper.alerts import printable, summary
from shipper.model import Alert, Batch

PLACEHOLDER = "[REDACTED:"
COUNT_EVERY_SECONDS = 5.0
WIDTH = 80
INDENT = 20
BEFORE_PLACEHOLDER = 75
AFTER_PLACEHOLDER = 80
"""Characters of a redacted text that are shown around the placeholder."""

Tell = Callable[[str, str], None]
"""Shows a line, of a kind: `count`, `redacted`, or an alert's level."""


class Narrator:
    """Turns committed batches into lines of text of at most 80 columns."""

    def __init__(self, tell: Tell, time_of_day: Callable[[], str]) -> None:
        """`time_of_day` gives what stands before each line: `12:00:03`."""
        self._tell, self._time_of_day = tell, time_of_day
        self._counted_at = 0.0
        self._counted = 0
        self.records = 0
        self.redactions = 0
        self.alerts: dict[str, Alert] = {}
        """Every alert seen so far, as it was at its last change, by id."""

    def committed(self, batch: Batch) -> None:
        """A batch was stored."""
        if batch.stream == "records":
            self.records += len(batch)
            for line in batch.out:
                if PLACEHOLDER.encode() in line:
                    self._redacted(line)
        for alert in batch.alerts:
            self._alert(alert)

    def tick(self, now: float) -> None:
        """Says how many records there are, every few seconds (`now`, of any clock) and only when there are more."""
        if self.records > self._counted and now >= self._counted_at + COUNT_EVERY_SECONDS:
            self._counted, self._counted_at = self.records, now
            self._say("count", "records", self.counts())

    def counts(self) -> str:
        """`312 records, 1 redaction, 6 alerts (2 high, 4 medium)`."""
        levels = Counter(alert.level for alert in self.alerts.values())
        by_level = ", ".join(f"{count} {level}" for level, count in levels.most_common())
        parts = (
            _number(self.records, "record"),
            _number(self.redactions, "redaction"),
            _number(len(self.alerts), "alert") + (f" ({by_level})" if by_level else ""),
        )
        return ", ".join(parts)

    def _redacted(self, line: bytes) -> None:
        self.redactions += line.count(PLACEHOLDER.encode())
        text = next((text for text in _strings(orjson.loads(line)) if PLACEHOLDER in text), "")
        self._say("redacted", "redacted", around_placeholder(text))

    def _alert(self, alert: Alert) -> None:
        if alert.id not in self.alerts:
            self._say(alert.level, "ALERT", f"[{alert.level}] {summary(alert)}")
        self.alerts[alert.id] = alert

    def _say(self, kind: str, label: str, text: str) -> None:
        for line in wrapped(f"{self._time_of_day():<9} {label:<9} ", text):
            self._tell(kind, line)


def wrapped(prefix: str, text: str) -> list[str]:
    """The text behind its prefix, in at most three lines of 80 columns, without control characters."""
    return textwrap.wrap(
        printable(text),
        WIDTH,
        initial_indent=prefix,
        subsequent_indent=" " * INDENT,
        max_lines=3,
        placeholder=" …",
        break_on_hyphens=False,
    )


def around_placeholder(text: str) -> str:
    """The part of a text that shows what was struck out, from the beginning of a word on."""
    start = text.index(PLACEHOLDER) if PLACEHOLDER in text else 0
    first, last = max(0, start - BEFORE_PLACEHOLDER), start + AFTER_PLACEHOLDER
    if first:
        first = text.find(" ", first, start) + 1 or first
    return ("… " if first else "") + text[first:last] + ("…" if last < len(text) else "")


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _strings(inner)
            yield key
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
