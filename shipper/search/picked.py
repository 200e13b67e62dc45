"""Few records out of large parts: the typed columns tell in which rows they are, and of the documents only the pages
with these rows are read and unpacked."""

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from shipper.archive.pages import KEY, Table, file_of
from shipper.query.sql import Where
from shipper.store.columns import COLUMNS, text

MOST = 20_000
"""Records whose rows are kept in memory. With more of a day, all pages have to be read."""
FIRST, LARGEST = 500, 4000
"""Records that are read together: the first ones are to come soon."""
BYTES = 16 << 20
"""Of their pages, unless a single one is longer."""
IN_A_GROUP = 16
"""Pages of a row group: DuckDB's threads share the work by these."""

Read = Callable[[str, Sequence[tuple[int, int]]], list[bytes]]
"""A file as DuckDB names it, and places in it (start and stop) → the bytes there."""
Row = tuple[str, Any, Any]
"""A document, its time in µs since the epoch, its `event.id`; both may be None when one file has all of an answer."""


class Hit(NamedTuple):
    """Where a record is."""

    file: str
    row: int
    time: int | None
    """This and the next are known only when there are several files."""
    id: str | None


def tables(connection: Any, files: Sequence[str], read: Read) -> dict[str, Table] | None:
    """The pages of the files; None when an older version wrote one: it doesn't tell them, or lacks a column."""
    listed = f"[{', '.join(map(text, files))}]"
    found = connection.execute(
        f"SELECT file_name, value FROM parquet_kv_metadata({listed}) WHERE key = ?", [KEY.encode()]
    ).fetchall()
    columns = f"SELECT count(*) FROM parquet_schema({listed}) WHERE name IN ({', '.join(map(text, COLUMNS))})"
    if len(found) < len(files) or connection.execute(columns).fetchone()[0] < len(files) * len(COLUMNS):
        return None
    places = {name: [int(number) for number in where.split()] for name, where in found}
    return {name: Table(read(name, [(start, start + length)])[0]) for name, (start, length) in places.items()}


def hits(connection: Any, files: Sequence[str], asked: Where, limit: int = 0) -> list[Hit] | None:
    """Newest first; with a limit these are all that is needed. None: more than `MOST`."""
    if len(files) > 1:
        found = _ask(connection, files, "DISTINCT filename", asked)
        files = [file for (file,) in found]
    last_first = f"ORDER BY file_row_number DESC LIMIT {limit or MOST + 1}"
    newest_first = f'ORDER BY "@timestamp" DESC, "event.id" DESC NULLS LAST LIMIT {limit or MOST + 1}'
    if not files:
        return []
    if len(files) == 1:  # A file is sorted, and to look at other columns takes longer than all else.
        rows = _ask(connection, files, f"{text(files[0])}, file_row_number, NULL, NULL", asked, last_first)
    else:
        wanted = 'filename, file_row_number, epoch_us("@timestamp"), "event.id"'
        rows = _ask(connection, files, wanted, asked, newest_first)
    return [Hit(*row) for row in rows] if limit or len(rows) <= MOST else None


def _ask(connection: Any, files: Sequence[str], wanted: str, asked: Where, then: str = "") -> list[Any]:
    options = "union_by_name=true, filename=true, file_row_number=true"
    rows = f"read_parquet([{', '.join(map(text, files))}], {options})"
    sql = f"SELECT {wanted} FROM {rows} WHERE {asked.sql} {then}"
    found: list[Any] = connection.execute(sql, list(asked.values)).fetchall()
    return found


def documents(
    connection: Any, wanted: Iterable[Hit], known: dict[str, Table], read: Read, scratch: Path
) -> Iterator[Row]:
    """The records that were found, in their order. The connection must not keep footers: each file has another."""
    for some in _batches(wanted, known):
        with _small_file(some, known, read, scratch) as (path, rows):
            docs = connection.execute(
                "SELECT doc FROM (SELECT unnest(?::BIGINT[]) AS row, unnest(range(?)) AS place) "
                f"JOIN read_parquet({text(path)}, file_row_number=true) ON row = file_row_number ORDER BY place",
                [rows, len(rows)],
            )
            for hit in some:
                yield docs.fetchone()[0], hit.time, hit.id


def _batches(wanted: Iterable[Hit], known: dict[str, Table]) -> Iterator[list[Hit]]:
    batch: list[Hit] = []
    most, size, last = FIRST, 0, -1
    for hit in wanted:
        page = known[hit.file].page(known[hit.file].page_of(hit.row))
        more = page.bytes if page.start != last else 0
        if batch and (len(batch) == most or size + more > BYTES):
            yield batch
            batch, size, most = [], 0, min(2 * most, LARGEST)
        batch.append(hit)
        size, last = size + more, page.start
    if batch:
        yield batch


@contextmanager
def _small_file(
    some: Sequence[Hit], known: dict[str, Table], read: Read, scratch: Path
) -> Iterator[tuple[str, list[int]]]:
    """A file with the pages that have these records, and the row that each has there."""
    pages = sorted({(hit.file, known[hit.file].page_of(hit.row)) for hit in some})
    begins: dict[tuple[str, int], int] = {}
    rows = 0
    for file, number in pages:
        begins[file, number] = rows
        rows += known[file].rows(number)
    raw = _pages(pages, known, read)
    counts = [known[file].rows(number) for file, number in pages]
    groups = [(sum(counts[at : at + IN_A_GROUP]), raw[at : at + IN_A_GROUP]) for at in range(0, len(pages), IN_A_GROUP)]
    with _anonymous(file_of(groups), scratch) as path:
        yield path, [_row(hit, known[hit.file], begins) for hit in some]


def _row(hit: Hit, table: Table, begins: dict[tuple[str, int], int]) -> int:
    number = table.page_of(hit.row)
    return begins[hit.file, number] + hit.row - table.page(number).row


def _pages(pages: Sequence[tuple[str, int]], known: dict[str, Table], read: Read) -> list[bytes]:
    found: list[bytes] = []
    for name in dict.fromkeys(file for file, _ in pages):
        places = [known[name].page(number) for file, number in pages if file == name]
        found += read(name, [(page.start, page.start + page.bytes) for page in places])
    return found


@contextmanager
def _anonymous(pieces: Iterable[bytes], scratch: Path) -> Iterator[str]:
    """The path of a file that goes with the context."""
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("pages"), "wb") as file:
            file.writelines(pieces)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
        return
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=scratch, prefix="pages-") as named:
        named.writelines(pieces)
        named.flush()
        yield named.name
