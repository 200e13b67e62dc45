"""Cuts records that are to be sorted into slices that can be sorted in memory, one after the other in time.

DuckDB sorts wide rows in memory only. So it counts first: rows and bytes of every second; of a second that is too large
alone, those of every microsecond; of such a microsecond, those of every `event.id`.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from shipper.archive.look import EARLIEST, LATEST, Rows
from shipper.store.columns import text

ROWS = 1 << 14
BYTES = 16 << 20
"""Of the documents of a slice, unless a single one is longer."""

MICROSECOND = (
    f'CASE WHEN "@timestamp" IS NOT NULL THEN epoch_us(least(greatest("@timestamp", {EARLIEST}), {LATEST})) END'
)
YEAR_1_US = -62_135_596_800_000_000
SECOND = f"({MICROSECOND} - {YEAR_1_US}) // 1000000 * 1000000 + {YEAR_1_US}"
"""Counted from the earliest time, because DuckDB cuts off towards zero."""
Key = int | str | None


class Level(NamedTuple):
    """A grain: what is counted by, and the column that conditions are on."""

    key: str
    column: str


LEVELS = (Level(SECOND, '"@timestamp"'), Level(MICROSECOND, '"@timestamp"'), Level('"event.id"', '"event.id"'))


class Slice(NamedTuple):
    """Rows that are sorted together."""

    where: str
    low: int | None
    """Lowest time in µs since the epoch; None: no bound, and those without a time as well."""
    high: int | None
    """Not included; None: no bound."""

    def overlaps(self, first: int | None, last: int | None, timeless: int) -> bool:
        """Whether a file with these times can have rows of it."""
        if self.low is None and timeless:
            return True
        if first is None or last is None:
            return False
        return (self.low is None or last >= self.low) and (self.high is None or first < self.high)


def slices(connection: Any, source: Rows) -> Iterator[Slice]:
    """Lowest time first."""
    yield from _cut(connection, source.relation, Slice(source.where, None, None), LEVELS)


def _cut(connection: Any, source: str, whole: Slice, levels: Sequence[Level]) -> Iterator[Slice]:
    level, *finer = levels
    counted = connection.execute(
        f"SELECT {level.key} AS key, count(*), sum(strlen(doc)) FROM {source} WHERE {whole.where} "
        "GROUP BY key ORDER BY key NULLS FIRST"
    ).fetchall()
    for first, behind, too_large in packed(counted):
        part = _part(whole, level, first, behind, first == counted[0][0])
        yield from _cut(connection, source, part, finer) if too_large and finer else [part]


def packed(counted: Iterable[tuple[Key, int, int]]) -> list[tuple[Key, Key, bool]]:
    """Keys with rows and bytes → first key and the one behind the last (None: no other) of each slice, and whether a
    single key is too large for one."""
    found: list[tuple[Key, int, int]] = []
    for key, rows, size in counted:
        if found and found[-1][1] + rows <= ROWS and found[-1][2] + size <= BYTES:
            found[-1] = (found[-1][0], found[-1][1] + rows, found[-1][2] + size)
        else:
            found.append((key, rows, size))
    behind: list[Key] = [key for key, _, _ in found[1:]]
    behind += [None] * (len(found) - len(behind))
    return [
        (first, following, rows > ROWS or size > BYTES)
        for (first, rows, size), following in zip(found, behind, strict=True)
    ]


def _part(whole: Slice, level: Level, first: Key, behind: Key, is_lowest: bool) -> Slice:
    conditions = [whole.where]
    if not is_lowest:
        conditions.append(f"{level.column} >= {_literal(first)}")
    elif behind is not None:
        conditions.append(f"({level.column} IS NULL OR {level.column} < {_literal(behind)})")
    if not is_lowest and behind is not None:
        conditions.append(f"{level.column} < {_literal(behind)}")
    where = " AND ".join(conditions)
    if level is LEVELS[-1]:
        return Slice(where, whole.low, whole.high)
    low = whole.low if is_lowest else first
    high = whole.high if behind is None else behind
    return Slice(where, low, high)  # type: ignore[arg-type]


def _literal(key: Key) -> str:
    return f"make_timestamptz({key}::BIGINT)" if isinstance(key, int) else text(key)
