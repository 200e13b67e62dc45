"""One day of the archive, newest first, out of the files that may hold a piece of the answer."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from shipper.archive.pages import Table
from shipper.query.sql import Where
from shipper.query.tree import Everything, Node
from shipper.search.picked import MOST, Read, Row, documents, hits, tables
from shipper.search.slices import groups_of, narrowed, slices
from shipper.store.read import Snapshot, view

CHUNK = 500
"""Rows fetched from DuckDB at a time."""


class Files(NamedTuple):
    """The files of a day."""

    connection: Any
    documents: Any
    """Another one, for `picked.documents`."""
    names: Sequence[str]
    """As DuckDB is told."""
    read: Read
    scratch: Path


def answer(files: Files, tree: Node, asked: Where, limit: int) -> Iterator[Row]:
    """The records that fulfil a query as a condition; `limit` 0 is all of them, and otherwise there may be more.

    Documents are nearly all of a file. Where the typed columns tell which records are wanted, they are looked at first,
    and only documents in the same page are read: in the same row group where no pages are known or most are wanted.
    """
    by_columns = not isinstance(tree, Everything) and "doc" not in asked.sql
    known = tables(files.connection, files.names, files.read) if by_columns else None
    if known is None:
        yield from _by_groups(files, asked, limit, by_columns)
    elif 0 < limit <= MOST:
        yield from _newest(files, known, asked, limit)
    elif (found := hits(files.connection, files.names, asked)) is not None:
        yield from documents(files.documents, found, known, files.read, files.scratch)
    else:
        yield from _by_groups(files, asked, limit, by_columns)


def _newest(files: Files, known: dict[str, Table], asked: Where, limit: int) -> Iterator[Row]:
    for piece in slices(groups_of(files.connection, files.names)):
        found = hits(files.connection, files.names, both(piece.condition(), asked), limit) or []
        yield from documents(files.documents, found, known, files.read, files.scratch)
        limit -= len(found)
        if not limit:
            return


def records(connection: Any, files: Sequence[str], name: str = "records") -> None:
    """Makes a view over files. It takes a while, so only where it is needed."""
    connection.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {view(connection, Snapshot(list(files), [], 0))}")


def _by_groups(files: Files, asked: Where, limit: int, by_columns: bool) -> Iterator[Row]:
    records(files.connection, files.names)
    given = 0
    for piece in _where_it_is(files, asked, limit, by_columns):
        for row in _rows(files.connection, both(piece, asked), limit and limit - given):
            yield row
            given += 1
        if limit and given >= limit:
            return


def _where_it_is(files: Files, asked: Where, limit: int, by_columns: bool) -> Iterator[Where]:
    """Slices of a day, without those that hold nothing."""
    groups = groups_of(files.connection, files.names)
    for piece in slices(groups):
        if not by_columns or piece.timeless:
            yield piece.condition()
            continue
        times = _times(files.connection, both(piece.condition(), asked), limit)
        yield from (each.condition() for each in narrowed(piece, groups, times) if times)


def _times(connection: Any, asked: Where, limit: int) -> list[int | None]:
    """In µs since the epoch, of the records that are wanted: as many as may be needed."""
    sql = f'SELECT epoch_us("@timestamp") FROM records WHERE {asked.sql}'
    newest = f' ORDER BY "@timestamp" DESC LIMIT {limit}' if limit else ""
    return [row[0] for row in connection.execute(sql + newest, list(asked.values)).fetchall()]


def _rows(connection: Any, asked: Where, limit: int) -> Iterator[Row]:
    sql = (
        'SELECT doc, epoch_us("@timestamp"), "event.id" FROM records '
        f'WHERE {asked.sql} ORDER BY "@timestamp" DESC, "event.id" DESC NULLS LAST'
    )
    rows = connection.execute(sql + (f" LIMIT {limit}" if limit else ""), list(asked.values))
    while chunk := rows.fetchmany(CHUNK):
        yield from chunk


def both(one: Where, other: Where) -> Where:
    return Where(f"{one.sql} AND ({other.sql})", (*one.values, *other.values))
