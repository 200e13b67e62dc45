"""What a Parquet file with documents holds, found out by reading it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple

from shipper.archive.content import NOTHING, written
from shipper.archive.parquet import ANY_OTHER, Facts
from shipper.store.columns import text

PIECE = 4 << 20
"""Bytes of documents that are to be in Python's memory at a time."""
MOST_AT_ONCE = 256
MOST_LEVELS = 20
EARLIEST, LATEST = "TIMESTAMPTZ '0001-01-01 00:00:00+00'", "TIMESTAMPTZ '9999-12-31 23:59:59.999999+00'"
"""Of a time that can be written in RFC 3339."""


class Rows(NamedTuple):
    """Rows of Parquet files, of this version or an older one with fewer columns."""

    files: Sequence[str]
    where: str = "true"
    numbered: bool = False
    """Whether `where` needs the column `file_row_number`."""

    @property
    def relation(self) -> str:
        """SQL for all rows of the files."""
        return f"read_parquet({texts(self.files)}, union_by_name=true, file_row_number={str(self.numbered).lower()})"

    @property
    def found(self) -> str:
        """SQL behind the columns of a SELECT."""
        return f"FROM {self.relation} WHERE {self.where}"


class Summary(NamedTuple):
    """`Facts` without the hash."""

    rows: int
    first: str
    last: str
    levels: dict[str, int]


def facts(connection: Any, source: Rows) -> Facts:
    """What these rows are known by."""
    rows, first, last, levels = summary(connection, source)
    return Facts(rows, first, last, content(connection, source), levels)


def summary(connection: Any, source: Rows) -> Summary:
    """Without going through the documents."""
    if not source.files:
        return Summary(0, "", "", {})
    lowest, highest = (
        f'{function}(epoch_us("@timestamp")) FILTER ("@timestamp" BETWEEN {EARLIEST} AND {LATEST})'
        for function in ("min", "max")
    )
    rows, first, last = connection.execute(f"SELECT count(*), {lowest}, {highest} {source.found}").fetchone()
    levels = connection.execute(f'SELECT "log.level", count(*) {source.found} GROUP BY 1 ORDER BY 2 DESC, 1')
    return Summary(rows, _time(first), _time(last), _levels(levels.fetchall()))


def content(connection: Any, source: Rows) -> str:
    """The content hash of the documents."""
    if not source.files:
        return NOTHING
    at_once, total = _rows_at_once(connection, source.files), 0
    answer = connection.execute(f"SELECT doc {source.found}")
    while rows := answer.fetchmany(at_once):
        total += sum([int.from_bytes(sha256(row[0].encode()).digest()) for row in rows])
    return written(total)


def texts(values: Iterable[str]) -> str:
    """An SQL list."""
    return f"[{', '.join(map(text, values))}]"


def _rows_at_once(connection: Any, files: Sequence[str]) -> int:
    """How many documents may be fetched together, judged by the row group with the longest."""
    query = (
        "SELECT max(total_uncompressed_size / greatest(num_values, 1)) "
        f"FROM parquet_metadata({texts(files)}) WHERE path_in_schema = 'doc'"
    )
    mean = connection.execute(query).fetchone()[0] or 1
    return max(1, min(MOST_AT_ONCE, int(PIECE / mean)))


def _levels(counted: list[tuple[str | None, int]]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for level, count in counted:
        if level is None:
            continue
        is_plain = len(level) <= 20 and level.isascii() and level.isalnum() and len(found) < MOST_LEVELS
        found[level if is_plain else ANY_OTHER] += count
    return dict(found)


def _time(us: int | None) -> str:
    if us is None:
        return ""
    when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)
    return when.isoformat(timespec="microseconds").replace("+00:00", "Z")
