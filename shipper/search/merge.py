"""One answer from all tiers, newest first. The tiers hold whole days, so it is given day by day, each sorted alone:
the first lines come before older days are looked at, and no more than one day is ever sorted.

Order: `@timestamp` as a time, then `event.id` as text, both descending; records whose time can't be read come last in
their day.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import duckdb

from shipper.errors import ShipperError
from shipper.query.sql import Where, where
from shipper.query.tree import Node
from shipper.store.read import Reader

CHUNK = 500
"""Rows fetched from DuckDB at a time."""

T = TypeVar("T")

Unreadable = Callable[[str, str], None]
"""Told a day that can't be read now, and why."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked for. Times are seconds since the epoch: `since` included, `until` not."""

    tree: Node
    since: float | None = None
    until: float | None = None


def search(reader: Reader, question: Question, limit: int, unreadable: Unreadable) -> Iterator[bytes]:
    """The documents of an answer as they are stored; `limit` 0 is all of them."""
    given = 0
    for day in _days(reader, question):
        for doc in _told(_of_day(reader, question, day, limit and limit - given), day, unreadable):
            yield doc
            given += 1
        if limit and given >= limit:
            return


def count(reader: Reader, question: Question, unreadable: Unreadable) -> int:
    """How many records an answer has."""
    days = _days(reader, question)
    return sum(number for day in days for number in _told(_count_of_day(reader, question, day), day, unreadable))


def _days(reader: Reader, question: Question) -> list[str]:
    """Days that may hold a part of the answer, newest first."""
    segments = reader.segments("records", question.since, question.until)
    return sorted({segment.day for segment in segments}, reverse=True)


def _told(answer: Iterator[T], day: str, unreadable: Unreadable) -> Iterator[T]:
    try:
        yield from answer
    except (ShipperError, duckdb.Error) as error:
        unreadable(day, str(error).splitlines()[0])


def _of_day(reader: Reader, question: Question, day: str, limit: int) -> Iterator[bytes]:
    start, end = _bounds(day)
    condition = _condition(question, start, end)
    sql = (
        f"SELECT doc FROM records WHERE {condition.sql} "
        'ORDER BY "@timestamp" DESC NULLS LAST, "event.id" DESC NULLS LAST'
    )
    with reader.connect("records", start, end - 0.001) as connection:
        rows: Any = connection.execute(sql + (f" LIMIT {limit}" if limit else ""), list(condition.values))
        while chunk := rows.fetchmany(CHUNK):
            yield from [row[0].encode() for row in chunk]


def _count_of_day(reader: Reader, question: Question, day: str) -> Iterator[int]:
    start, end = _bounds(day)
    condition = _condition(question, start, end)
    with reader.connect("records", start, end - 0.001) as connection:
        sql = f"SELECT count(*) FROM records WHERE {condition.sql}"
        yield connection.execute(sql, list(condition.values)).fetchone()[0]


def _bounds(day: str) -> tuple[float, float]:
    """Begin and end of a UTC day `2026.11.23`, in seconds since the epoch."""
    start = datetime.strptime(day, "%Y.%m.%d").replace(tzinfo=UTC)
    return start.timestamp(), (start + timedelta(days=1)).timestamp()


def _condition(question: Question, start: float, end: float) -> Where:
    """The query and, on a day that is asked for only in part, the times."""
    found = where(question.tree)
    since, until = question.since, question.until
    if since is not None and since > start:
        found = Where(f'{found.sql} AND "@timestamp" >= make_timestamptz(?)', (*found.values, _micros(since)))
    if until is not None and until < end:
        found = Where(f'{found.sql} AND "@timestamp" < make_timestamptz(?)', (*found.values, _micros(until)))
    return found


def _micros(seconds: float) -> int:
    return round(seconds * 1_000_000)
