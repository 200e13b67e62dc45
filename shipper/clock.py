"""Time as an argument: production code takes a `Clock`, tests hand in one that they move by hand."""

import re
import time
from datetime import UTC, datetime
from typing import Protocol

from shipper.errors import UsageError

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION = re.compile(r"(?:[0-9]{1,9}[smhdw])+", re.ASCII)
_PART = re.compile(r"([0-9]+)([smhdw])", re.ASCII)


class Clock(Protocol):
    """Where the time comes from. `now` is seconds since the epoch, `monotonic` seconds since anything."""

    def now(self) -> float: ...

    def monotonic(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class ManualClock:
    """A clock that stands still until it is told otherwise; sleeping moves it."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self._now = now

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += seconds

    def advance(self, seconds: float) -> None:
        self._now += seconds


def iso(seconds: float) -> str:
    """Seconds since the epoch as RFC 3339 in UTC with milliseconds: `2025-10-01T05:08:03.580Z`."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_duration(text: str) -> float:
    """Seconds in `90s`, `15m`, `2h`, `7d`, `1w` or several of them (`1h30m`).

    Raises `UsageError` that names what is accepted.
    """
    text = text.strip()
    if not _DURATION.fullmatch(text):
        raise UsageError(f"{text!r} is not a duration; write for example 90s, 15m, 2h, 7d or 1h30m")
    return float(sum(int(number) * _SECONDS[unit] for number, unit in _PART.findall(text)))


def parse_when(text: str, now: float) -> float:
    """Seconds since the epoch of an RFC 3339 time, a date (UTC midnight), `now`, or a time ago (`15m`, `7d`).

    A time without a zone is in UTC. Raises `UsageError` that names what is accepted.
    """
    text = text.strip()
    if text == "now":
        return now
    if _DURATION.fullmatch(text):
        return max(0.0, now - parse_duration(text))
    try:
        when = datetime.fromisoformat(text)
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise UsageError(
            f"{text!r} is not a time; write for example 2026-11-23T10:00:00Z, 2026-11-23, 15m, 2h or 7d"
        ) from None
