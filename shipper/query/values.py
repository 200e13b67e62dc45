"""Values as they stand in a query → numbers, intervals of time, ranges of addresses. Each returns None for what it
can't read."""

import ipaddress
import re
from calendar import monthrange
from datetime import UTC, datetime, timedelta

NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?")
TIME = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[T ](\d\d)(?::?(\d\d)(?::?(\d\d)([.,]\d{1,9})?)?)?"
    r"\s*(Z|[+-]\d\d(?::?\d\d)?)?)?)?)?",
    re.ASCII | re.IGNORECASE,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def number(text: str) -> int | float | None:
    """`5`, `-1.5`, `2e3`; whole numbers stay exact."""
    if not NUMBER.fullmatch(text):
        return None
    if re.fullmatch(r"[-+]?[0-9]{1,37}", text):
        return int(text)
    found = float(text)
    return None if found in (float("inf"), float("-inf")) else found


def period(text: str) -> tuple[int, int] | None:
    """First µs since the epoch of a time and the first one behind it: `2026-01-01` is that whole day in UTC,
    `2026-01-01T10:00` that minute, a time with a fraction one µs. A time without a zone is in UTC."""
    match = TIME.fullmatch(text.strip())
    if not match:
        return None
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        start = datetime(
            int(year),
            int(month or 1),
            int(day or 1),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            int((fraction or ".0")[1:7].ljust(6, "0")),
            tzinfo=UTC,
        )
        start -= _offset(zone)
    except (ValueError, OverflowError):
        return None
    lengths = (
        (fraction, timedelta(microseconds=1)),
        (second, timedelta(seconds=1)),
        (minute, timedelta(minutes=1)),
        (hour, timedelta(hours=1)),
        (day, timedelta(days=1)),
        (month, timedelta(days=monthrange(int(year), int(month or 1))[1])),
        (year, timedelta(days=365 + (monthrange(int(year), 2)[1] == 29))),
    )
    length = next(length for given, length in lengths if given)
    first = (start - _EPOCH) // timedelta(microseconds=1)
    return first, first + length // timedelta(microseconds=1)


def _offset(zone: str | None) -> timedelta:
    if zone is None or zone in "Zz":
        return timedelta()
    digits = zone[1:].replace(":", "").ljust(4, "0")
    size = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return -size if zone[0] == "-" else size


def network(text: str) -> tuple[int, int] | None:
    """First and last IPv4 address, as integers, of `10.0.0.0/8`."""
    try:
        found = ipaddress.IPv4Network(text, strict=False)
    except ValueError:
        return None
    return int(found.network_address), int(found.broadcast_address)


def address4(text: str) -> int | None:
    """An IPv4 address as an integer."""
    try:
        return int(ipaddress.IPv4Address(text))
    except ValueError:
        return None


def address(text: str) -> str | None:
    """An IPv4 or IPv6 address in its shortest form."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None
