"""Where a segment lies, and how `state.db` lists it."""

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import orjson

from shipper.state import State

STORED = ("records", "alerts")
"""Streams that are searched and sealed."""
SPOOLED = {"records": "spool-records", "alerts": "spool-alerts"}
PARKED = {"records": "parked-records", "alerts": "parked-alerts"}
"""Stream → the stream of segments in which its rows wait for a sink: for the whole of it, or for one index of it."""
FOLDERS = {
    "records": "hot",
    "alerts": "alerts",
    "spool-records": "spool/records",
    "spool-alerts": "spool/alerts",
    "parked-records": "spool/parked",
    "parked-alerts": "spool/parked-alerts",
}
"""Stream of segments → folder below the data folder."""


class Segment(NamedTuple):
    """One file of the store as the list in `state.db` has it: what is not in the list does not exist."""

    number: int
    stream: str
    day: str
    """`2026.11.23`; for alerts the month, `2026.11`."""
    form: str
    """`ndjson` (open, grows) or `parquet` (sealed)."""
    bytes: int
    """Committed length; the file may be longer while its writer is at work."""
    rows: int
    first: str
    """Lowest `@timestamp`, RFC 3339 in UTC."""
    last: str

    @property
    def file(self) -> str:
        """The path below the data folder."""
        return f"{FOLDERS[self.stream]}/{self.day}/{self.number:06d}.{self.form}"

    def path(self, data: Path) -> Path:
        return data / self.file

    def overlaps(self, since: str, until: str) -> bool:
        """Whether it can hold a time between two RFC 3339 texts in UTC (`""`: no bound), to the second."""
        return (not since or self.last[:19] >= since[:19]) and (not until or self.first[:19] <= until[:19])


def period(stream: str, time: str) -> str:
    """The day (alerts: the month) that an RFC 3339 time in UTC belongs to: `2026.11.23`."""
    return time[: 7 if stream == "alerts" else 10].replace("-", ".")


def listed(state: State, *streams: str) -> list[Segment]:
    """The committed segments, oldest number first; of all streams when none is named."""
    rows: list[sqlite3.Row] = state.rows(
        "SELECT number, stream, day, form, bytes, rows, first, last FROM segments "
        f"{f'WHERE stream IN ({_marks(streams)})' if streams else ''} ORDER BY number",
        streams,
    )
    return [Segment(*row) for row in rows]


def bytes_of(state: State, streams: Sequence[str]) -> int:
    """Committed bytes of all segments of these streams."""
    found = state.rows(f"SELECT coalesce(sum(bytes), 0) FROM segments WHERE stream IN ({_marks(streams)})", streams)
    return int(found[0][0])


def _marks(values: Sequence[str]) -> str:
    return ",".join("?" * len(values))


def last_open(state: State, stream: str, day: str) -> Segment | None:
    """The committed segment of a day that is not sealed; the newest if there are several."""
    rows = state.rows(
        "SELECT number, stream, day, form, bytes, rows, first, last FROM segments "
        "WHERE stream = ? AND day = ? AND form = 'ndjson' ORDER BY number DESC LIMIT 1",
        (stream, day),
    )
    return Segment(*rows[0]) if rows else None


def is_listed(state: State, number: int) -> bool:
    """Whether a segment with that number was ever committed and still exists."""
    return bool(state.rows("SELECT 1 FROM segments WHERE number = ?", (number,)))


NEXT_NUMBER = "next_segment"
"""Key in `meta`: every number below it has been given to some segment, maybe to one that was never committed."""


def next_number(state: State) -> int:
    """The lowest number that was never given away."""
    return int(state.meta(NEXT_NUMBER, "1"))


def reserve_number(state: State) -> int:
    """A number for a new segment, never given twice: it is committed before the file exists."""
    with state.transaction() as db:
        number = next_number(state)
        db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (NEXT_NUMBER, str(number + 1)))
    return number


SEAL_ASKED = "seal_asked"
"""Key in `meta`: numbers of open segments that somebody waits for. They take no more rows, and are sealed next."""


def asked_to_seal(state: State) -> frozenset[int]:
    """See `SEAL_ASKED`."""
    return frozenset(orjson.loads(state.meta(SEAL_ASKED, "[]")))


def ask_to_seal(state: State, numbers: Iterable[int]) -> None:
    """Takes the place of what was asked for before; a number that is sealed already means nothing."""
    state.set_meta(SEAL_ASKED, orjson.dumps(sorted(numbers)).decode())


REWRITTEN = "rewritten"
"""Key in `meta`: numbers of segments that took the place of others, so that their rows are no news."""


def rewritten(state: State) -> frozenset[int]:
    """See `REWRITTEN`."""
    return frozenset(orjson.loads(state.meta(REWRITTEN, "[]")))
