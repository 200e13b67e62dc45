"""The data folder's own store, as search asks it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from shipper.errors import ShipperError
from shipper.query.match import matcher
from shipper.query.tree import Node
from shipper.search.condition import condition
from shipper.search.show import read
from shipper.search.store import News, Question, times_of
from shipper.store.read import Reader

CHUNK = 500
"""Rows fetched from DuckDB at a time."""


class EmbeddedStore:
    """The records of a data folder."""

    fed = False

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.where = str(reader.data)

    def days(self, question: Question) -> list[str]:
        segments = self._reader.segments("records", question.since, question.until)
        return sorted({segment.day for segment in segments})

    def docs(self, question: Question, day: str, limit: int) -> Iterator[bytes]:
        """Newest first; fetched in pieces, so that no more than one is held."""
        asked = condition(question, day)
        sql = (
            f"SELECT doc FROM records WHERE {asked.sql} "
            'ORDER BY "@timestamp" DESC NULLS LAST, "event.id" DESC NULLS LAST'
        )
        with self._connect(day) as connection:
            rows = connection.execute(sql + (f" LIMIT {limit}" if limit else ""), list(asked.values))
            while chunk := rows.fetchmany(CHUNK):
                yield from [row[0].encode() for row in chunk]

    def count(self, question: Question, day: str) -> int:
        asked = condition(question, day)
        with self._connect(day) as connection:
            sql = f"SELECT count(*) FROM records WHERE {asked.sql}"
            return int(connection.execute(sql, list(asked.values)).fetchone()[0])

    def follow(self, tree: Node) -> "EmbeddedFollower":
        return EmbeddedFollower(self._reader, tree)

    def close(self) -> None:
        self._reader.close()

    @contextmanager
    def _connect(self, day: str) -> Iterator[Any]:
        """DuckDB over a day. Its errors become ours, on one line."""
        import duckdb  # noqa: PLC0415  (a tenth of a second that only a search pays)

        start, end = times_of(day)
        try:
            with self._reader.connect("records", start, end - 0.001) as connection:
                yield connection
        except duckdb.Error as error:
            raise ShipperError(str(error).splitlines()[0]) from error


class EmbeddedFollower:
    """What is committed to a data folder from now on."""

    def __init__(self, reader: Reader, tree: Node) -> None:
        self._reader = reader
        self._seen = reader.mark()
        self._wanted = matcher(tree)

    def new(self) -> News:
        docs, self._seen = self._reader.new_rows(self._seen)
        return News(len(docs), [doc for doc in docs if self._wanted(read(doc))])
