"""Slices of time that a day of the archive is answered in, newest first, along the row groups of its files."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from shipper.query.sql import Where
from shipper.store.columns import text

SLICE = 20_000
"""Rows of the first slice of a day; each of the next is twice as large, up to `LARGEST`."""
LARGEST = 320_000


class Group(NamedTuple):
    """A row group of a file."""

    low: int | None
    """Lowest `@timestamp` in µs since the epoch; None: it has none."""
    rows: int
    timeless: bool
    """It may hold records without a time."""


class Slice(NamedTuple):
    """Times from `low` to `high` (excluded) in µs since the epoch; None: no bound. `timeless`: only what has none."""

    low: int | None = None
    high: int | None = None
    timeless: bool = False

    def condition(self) -> Where:
        if self.timeless:
            return Where('"@timestamp" IS NULL', ())
        bounds = [('"@timestamp" >= make_timestamptz(?)', self.low), ('"@timestamp" < make_timestamptz(?)', self.high)]
        given = [(sql, value) for sql, value in bounds if value is not None]
        sql = " AND ".join(['"@timestamp" IS NOT NULL', *(sql for sql, _ in given)])
        return Where(sql, tuple(value for _, value in given))


def groups_of(connection: Any, files: Sequence[str]) -> list[Group]:
    """Newest first, by what the files say of themselves."""
    paths = ", ".join(map(text, files))
    found = connection.execute(
        "SELECT epoch_us(TRY_CAST(stats_min_value AS TIMESTAMPTZ)), row_group_num_rows, "
        f"coalesce(stats_null_count, 1) > 0 FROM parquet_metadata([{paths}]) "
        "WHERE path_in_schema = '@timestamp' ORDER BY 1 DESC NULLS LAST"
    )
    return [Group(*row) for row in found.fetchall()]


def slices(groups: Sequence[Group]) -> Iterator[Slice]:
    """Each record lies in exactly one."""
    high: int | None = None
    rows, most = 0, SLICE
    for low, more, _ in groups:
        rows += more
        if rows >= most and low is not None and (high is None or low < high):
            yield Slice(low, high)
            high, rows, most = low, 0, min(2 * most, LARGEST)
    yield Slice(None, high)
    if any(group.timeless for group in groups):
        yield Slice(timeless=True)


def narrowed(piece: Slice, groups: Sequence[Group], times: Sequence[int | None]) -> Iterator[Slice]:
    """A slice without the row groups in which there is nothing: `times` are those of the records that are wanted. One
    without a time that can be told (infinity) leaves the slice as it is."""
    if None in times:
        yield piece
        return
    lows = sorted({group.low for group in groups if group.low is not None and _inside(group.low, piece)})
    edges = [piece.low, *lows, piece.high]
    wanted = sorted({bisect_right(lows, time) for time in times if time is not None}, reverse=True)
    while wanted:
        last = first = wanted.pop(0)
        while wanted and wanted[0] == first - 1:
            first = wanted.pop(0)
        yield Slice(edges[first], edges[last + 1])


def _inside(low: int, piece: Slice) -> bool:
    return (piece.low is None or low > piece.low) and (piece.high is None or low < piece.high)
