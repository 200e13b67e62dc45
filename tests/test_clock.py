"""Times and durations as people write them."""

import pytest

from shipper.clock import iso, parse_duration, parse_when
from shipper.errors import UsageError

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("15m", 900), ("2h", 7200), ("7d", 604800), ("1w", 604800), ("1h30m", 5400), (" 5m ", 300)],
)
def test_a_duration_is_in_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "15", "m", "-5m", "1.5h", "15 m", "5y", "9999999999d", "٣m"])
def test_what_is_not_a_duration_is_refused_with_the_accepted_forms(text: str) -> None:
    with pytest.raises(UsageError, match="90s, 15m, 2h, 7d"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", "2023-11-14T22:13:20.000Z"),
        ("15m", "2023-11-14T21:58:20.000Z"),
        ("7d", "2023-11-07T22:13:20.000Z"),
        ("2026-11-23T10:00:00Z", "2026-11-23T10:00:00.000Z"),
        ("2026-11-23T10:00:00+02:00", "2026-11-23T08:00:00.000Z"),
        ("2026-11-23 10:00", "2026-11-23T10:00:00.000Z"),
        ("2026-11-23", "2026-11-23T00:00:00.000Z"),
        ("999999w", "1970-01-01T00:00:00.000Z"),
    ],
)
def test_a_time_is_absolute_or_counted_back_from_now(text: str, expected: str) -> None:
    assert iso(parse_when(text, NOW)) == expected


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "10:00", "15", "2026-11-23T25:00:00Z"])
def test_what_is_not_a_time_is_refused_with_the_accepted_forms(text: str) -> None:
    with pytest.raises(UsageError, match="2026-11-23T10:00:00Z"):
        parse_when(text, NOW)
