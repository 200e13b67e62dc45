"""Any time that a record may carry → RFC 3339 in UTC with `Z`, as precise as it was written (to the microsecond)."""

import re
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from shipper.clock import iso
from shipper.fields import FIELDS, value
from shipper.model import Doc

ALIASES = FIELDS["@timestamp"].aliases

_ISO = (
    r"(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,12}))?)?"
    r" ?(Z|z|UTC|GMT|[+-]\d\d(?::?\d\d)?)?"
)
_WHOLE = re.compile(_ISO, re.ASCII)
_LEADING = re.compile(r"\[?" + _ISO + r"(?=[\]\s,|-]|:(?!\d)|$)", re.ASCII)
_ACCESS = re.compile(r"\[(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-]\d{4})\]", re.ASCII)
_NUMBER = re.compile(r"\d{9,20}(?:\.\d{1,9})?", re.ASCII)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def own_time(doc: Doc, zone: str, text: bool) -> str | None:
    """The time that a record itself carries: the first alias that can be read, else (only with `text`) the time that
    its message starts with. Times without a zone are in `zone`, an IANA name."""
    for alias in ALIASES:
        raw = value(doc, alias)
        if raw:
            found = canonical(raw, zone)
            if found:
                return found
    return leading_time(str(doc.get("message", "")), zone) if text else None


def canonical(raw: Any, zone: str) -> str | None:
    """A time in one of the known notations; None when it can't be read."""
    if type(raw) is str:
        if _NUMBER.fullmatch(raw):
            return _from_epoch(float(raw) if "." in raw else int(raw))
        found = _WHOLE.fullmatch(raw.strip())
        return _from_parts(found, zone) if found else None
    if type(raw) is int or type(raw) is float:
        return _from_epoch(raw)
    return None


def leading_time(text: str, zone: str) -> str | None:
    """The time at the beginning of a text line, or the one in brackets of an access line."""
    head = text[:300]
    found = _LEADING.match(head)
    if found:
        return _from_parts(found, zone)
    found = _ACCESS.search(head) if "[" in head else None
    if found is None or found[2] not in _MONTHS:
        return None
    month = _MONTHS.index(found[2]) + 1
    return _in_utc((found[3], month, found[1], found[4], found[5], found[6]), "", _zone(found[7], zone))


def bounds(clock: float, past: float, ahead: float) -> tuple[str, str]:
    """`low <= time <= high` as strings, for canonical times; all in seconds. Both ends count as inside."""
    return iso(max(clock - past, 0.0))[:19], iso(clock + ahead)[:19] + "~"


def _from_parts(found: re.Match[str], zone: str) -> str | None:
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    return _in_utc((year, month, day, hour, minute, second or 0), fraction or "", _zone(offset, zone))


def _in_utc(parts: tuple[str | int, ...], fraction: str, zone: tzinfo) -> str | None:
    year, month, day, hour, minute, second = map(int, parts)
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment.isoformat()[:19] + (f".{fraction[:6]}Z" if fraction else "Z")


def _zone(offset: str | None, default: str) -> tzinfo:
    if not offset:
        return UTC if default == "UTC" else ZoneInfo(default)
    if offset[0] not in "+-":
        return UTC
    minutes = int(offset[1:3]) * 60 + int(offset[3:].lstrip(":") or 0)
    return timezone(timedelta(minutes=-minutes if offset[0] == "-" else minutes)) if minutes < 1440 else UTC


def _from_epoch(number: float) -> str | None:
    """Seconds, milliseconds, microseconds or nanoseconds, told apart by magnitude; from 1973 on."""
    if not 1e8 <= number < 1e20:
        return None
    times, by = next(unit for limit, *unit in _UNITS if number < limit)
    # A float can't hold 19 digits, so whole numbers stay whole.
    micros = number * times // by if type(number) is int else round(number * times / by)
    moment = _EPOCH + timedelta(microseconds=micros)
    if micros % 1_000_000 == 0:
        return moment.isoformat()[:19] + "Z"
    return moment.isoformat(timespec="milliseconds" if micros % 1_000 == 0 else "microseconds")[:-6] + "Z"


_UNITS = ((1e11, 1_000_000, 1), (1e14, 1_000, 1), (1e17, 1, 1), (1e20, 1, 1_000))
"""Numbers below the limit become microseconds by a factor and a divisor."""


def is_canonical(raw: Any, low: str, high: str) -> bool:
    """True when `raw` is in canonical form (to the second or the millisecond), exists, and lies within bounds."""
    return (
        type(raw) is str
        and raw[4:17:3] == "--T::"
        and raw[19::4] in (".Z", "Z")
        and low <= raw <= high
        and _exist((raw,))
    )


def all_canonical(times: Sequence[Any], low: str, high: str) -> bool:
    """True when each is the canonical form of a time within bounds; False also when that can't be told quickly.

    The times stand below one another in one text: a column of it tells one sign of all of them.
    """
    try:
        width = len(times[0]) if times else 0
        text = "".join(times)
        if not 20 <= width <= 27 or width == 21 or set(map(len, times)) != {width}:
            return not times
        count = len(times)
        for place, sign in _SIGNS if width > 20 else _SIGNS[:-1]:
            if text[place::width] != sign * count:
                return False
        if text[width - 1 :: width] != "Z" * count or not low <= min(times) <= max(times) <= high:
            return False
    except TypeError:
        return False
    return _exist(times)


def _exist(times: Sequence[str]) -> bool:
    """True when texts, whose signs are in their places, are dates that exist."""
    try:
        deque(map(datetime.fromisoformat, times), maxlen=0)
    except ValueError:
        return False
    return True


_SIGNS = ((4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":"), (19, "."))
