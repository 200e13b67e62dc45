"""Writes records sorted by time, as one Parquet file, in bounded memory."""

from pathlib import Path
from typing import Any

from shipper.archive.look import Rows
from shipper.archive.slices import MICROSECOND, slices
from shipper.archive.stitch import stitch
from shipper.store.columns import COLUMNS, no_rows, quoted, text
from shipper.store.disk import sync_file

ROW_GROUP = 16_384
"""Rows: a reader who wants an hour fetches one too many at each end; smaller ones make the footer large."""
PAGE = 64 << 10
"""Bytes of a page before it is compressed: a search unpacks whole ones, also for a single document."""
LEVEL = 6
"""Of zstd: such pages take a tenth more than pages without a limit at level 1, and 4 CPU-seconds a million records."""
OPTIONS = (
    f"FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL {LEVEL}, ROW_GROUP_SIZE {ROW_GROUP}, "
    f"DATA_PAGE_SIZE_LIMIT {PAGE}"
)
ALL_OPTIONAL = "SET disabled_optimizers = 'statistics_propagation'"
"""Otherwise a column that DuckDB knows to have no NULL in a slice is made another kind of column there."""
COLUMN_LIST = ", ".join(quoted(name) for name in [*COLUMNS, "doc"])


def write_sorted(connection: Any, source: Rows, target: Path, scratch: Path) -> None:
    """Copies rows to a new file by `@timestamp`, then `event.id`; what has none comes first: just the other way round
    than search answers."""
    connection.execute(ALL_OPTIONAL)
    spans = {file: _span(connection, source._replace(files=[file])) for file in source.files}
    parts: list[Path] = []
    for number, part in enumerate(slices(connection, source)):
        files = [file for file, span in spans.items() if part.overlaps(*span)]
        parts.append(scratch / f"slice-{number:06d}.parquet")
        _write_slice(connection, source._replace(files=files, where=part.where), parts[-1])
    if parts:
        stitch(parts, target)
    else:
        connection.execute(f"COPY ({no_rows()}) TO {text(target)} ({OPTIONS})")
    target.chmod(0o600)
    sync_file(target)


def _span(connection: Any, source: Rows) -> tuple[int | None, int | None, int]:
    """Lowest and highest time in µs, rows without one."""
    query = f'SELECT min({MICROSECOND}), max({MICROSECOND}), count(*) - count("@timestamp") {source.found}'
    found: tuple[int | None, int | None, int] = connection.execute(query).fetchone()
    return found


def _write_slice(connection: Any, source: Rows, target: Path) -> None:
    rows = f"{no_rows()} UNION ALL BY NAME SELECT * {source.found}"
    query = f'SELECT {COLUMN_LIST} FROM ({rows}) ORDER BY "@timestamp" NULLS FIRST, "event.id" NULLS FIRST'
    connection.execute(f"COPY ({query}) TO {text(target)} ({OPTIONS})")
