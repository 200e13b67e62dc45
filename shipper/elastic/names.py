"""The names of indices. Records of a pipeline `xionimus` go to one index a UTC day, alerts to one a month.

`xionimus-*` is records only, hence `alerts-xionimus-2026.11` and `restored-xionimus-2026.11.23`.
"""

ALERTS = "alerts"
RESTORED = "restored"
"""The stream of records that came back from the archive: a day of them is no day of the hot store."""


def index_of(name: str, stream: str, time: str) -> str:
    """The index of a row with an RFC 3339 time in UTC: `xionimus-2026.11.23`, `alerts-xionimus-2026.11`."""
    if stream == ALERTS:
        return f"alerts-{name}-{time[:7].replace('-', '.')}"
    return f"{_prefix(name, stream)}-{time[:10].replace('-', '.')}"


def pattern_of(name: str, stream: str) -> str:
    """Every index of a stream and of no other pipeline: a year begins with 20, and no part of a name does."""
    return f"{_prefix(name, stream)}-20*"


def _prefix(name: str, stream: str) -> str:
    return f"{stream}-{name}" if stream in (ALERTS, RESTORED) else name


def day_of(name: str, index: str) -> str:
    """`2026.11.23` of `xionimus-2026.11.23`; empty for an index that holds no records of this pipeline's days."""
    day = index.removeprefix(f"{name}-")
    parts = day.split(".")
    return day if day != index and [len(part) for part in parts] == [4, 2, 2] and "".join(parts).isdigit() else ""
