"""The data folder's own store, as the mover sees it: whole sealed segments are taken, and deleted.

A point is `{"segments": [3, 7]}`. A segment never changes once it is sealed, so what comes later lies in others.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import groupby
from pathlib import Path

from shipper.archive.ledger import marked_segments
from shipper.clock import Clock, SystemClock
from shipper.errors import ShipperError
from shipper.model import StateChange
from shipper.state import State
from shipper.store.columns import text
from shipper.store.disk import leave_folder
from shipper.store.layout import FOLDERS, Segment, listed
from shipper.store.read import open_duckdb
from shipper.store.sealer import seal_now
from shipper.tier.hot import HotDay, Point, Taken

RECORDS = "records"
WAIT_S = 30.0
"""Seconds that a running writer has to seal what is open of a day."""


class EmbeddedHot:
    """The records of a data folder."""

    kind = "embedded"

    def __init__(self, data: Path, state: State, clock: Clock | None = None, *, wait_s: float = WAIT_S) -> None:
        """`clock` only measures the wait for a running writer."""
        self.where = str(data)
        self._data, self._state = data, state
        self._clock, self._wait_s = clock or SystemClock(), wait_s

    def days(self) -> Iterator[HotDay]:
        segments = sorted(self._segments(), key=lambda each: each.day)
        for day, some in groupby(segments, lambda each: each.day):
            found = list(some)
            yield HotDay(day, sum(each.rows for each in found), sum(each.bytes for each in found))

    def take(self, day: str, behind: Point | None, folder: Path) -> Taken:
        """The files are where they lie. What a running writer does not seal in time is late."""
        seal_now(self._data, self._state, self._clock, self._wait_s, streams=(RECORDS,), day=day)
        before = _numbers(behind)
        there = [each for each in self._segments(day) if each.number not in before]
        sealed = [each for each in there if each.form == "parquet"]
        if there and not sealed:
            raise ShipperError(
                f"{there[0].path(self._data)}: its writer has not sealed it within {self._wait_s:g} s, so {day} stays "
                "where it is; it is tried again, look with: shipper status"
            )
        files = [each.path(self._data) for each in sealed]
        point = {"segments": sorted({*before, *(each.number for each in sealed)})}
        first, last = self._measured(files, sum(each.rows for each in sealed))
        return Taken(point, files, sum(each.rows for each in sealed), first, last)

    def late(self, day: str, point: Point) -> int:
        taken = _numbers(point)
        return sum(each.rows for each in self._segments(day) if each.number not in taken)

    def block(self, day: str) -> None:
        """Nothing is to be done: what comes goes to other segments."""

    def release(self, day: str) -> None:
        """Nothing was done."""

    def delete(self, day: str, point: Point) -> None:
        """What comes later stays. Killed behind the list's change, another call or a start removes the files, and the
        folder when it is empty."""
        numbers = sorted(_numbers(point))
        self._state.run(*_forget(numbers))
        folder = self._data / FOLDERS[RECORDS] / day
        for number in numbers:
            for form in ("parquet", "ndjson"):
                with suppress(FileNotFoundError):
                    Segment(number, RECORDS, day, form, 0, 0, "", "").path(self._data).unlink()
        leave_folder(folder)

    def close(self) -> None:
        """The state is its owner's."""

    def _segments(self, day: str = "") -> list[Segment]:
        """Those that do not belong to the archive."""
        marked = marked_segments(self._state)
        return [each for each in listed(self._state, RECORDS) if each.number not in marked and day in ("", each.day)]

    def _measured(self, files: list[Path], rows: int) -> tuple[str, str]:
        """Lowest and highest time in sealed files. Raises `ShipperError` when they do not hold so many rows."""
        if not files:
            return "", ""
        with open_duckdb(self._data / "tmp" / f"take-{os.getpid()}", threads=1) as connection:
            try:
                found, first, last = connection.execute(_MEASURE.format(", ".join(map(text, files)))).fetchone()
            except Exception as error:
                reason = " ".join(str(error).split())
                raise ShipperError(f"{files[0].parent}: cannot be read ({reason}); restore it from a backup") from error
        if found != rows:
            raise ShipperError(
                f"{files[0].parent}: holds {found} records, but state.db lists {rows}; restore it from a backup"
            )
        return first or "", last or ""


_TIME = "strftime({}(\"@timestamp\"), '%Y-%m-%dT%H:%M:%S.%fZ')"
_MEASURE = (
    f"SELECT count(*), {_TIME.format('min')}, {_TIME.format('max')} FROM read_parquet([{{}}], union_by_name=true)"
)


def _numbers(point: Point | None) -> set[int]:
    return set(point["segments"]) if point else set()


def _forget(numbers: Iterable[int]) -> list[StateChange]:
    tables = ("segments", "marked")
    return [StateChange(f"DELETE FROM {table} WHERE number = ?", (number,)) for number in numbers for table in tables]
