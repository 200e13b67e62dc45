"""Erases records from the data folder's own store: every sealed segment that holds one is written anew without them,
also those whose day belongs to the archive already and waits for its grace to end."""

import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from shipper.archive.parquet import Exporter
from shipper.errors import ShipperError
from shipper.query.sql import where
from shipper.query.tree import Node
from shipper.state import State
from shipper.store.layout import Segment, listed
from shipper.store.read import Snapshot, copied, open_duckdb, view
from shipper.store.rewrite import replace_segment

Matches = dict[tuple[str, str], list[str]]
"""`(dataset, day)` → the `event.id` of each record that matches, empty for one that has none."""
RECORDS = "records"
ATTEMPTS = 5


class EmbeddedRecords:
    """The records of a data folder."""

    def __init__(
        self,
        data: Path,
        state: State,
        exporter: Exporter,
        tree: Node,
        about: Callable[[Iterable[str]], None] = lambda ids: None,
    ) -> None:
        """`about` is told of the records before they are erased."""
        self._data, self._state, self._exporter, self._about = data, state, exporter, about
        self._condition = where(tree)

    def find(self) -> Matches:
        """All that match, those in open segments too."""
        found: Matches = defaultdict(list)
        done: set[int] = set()
        for _ in range(ATTEMPTS):
            try:
                for segment in self._segments():
                    if segment.number not in done:
                        for dataset, event_id in self._in(segment):
                            found[dataset, segment.day].append(event_id)
                        done.add(segment.number)
                return dict(found)
            except FileNotFoundError:
                # Sealed or moved since it was listed.
                continue
        raise ShipperError(f"{self._data}: segments vanish faster than they can be read; look with: shipper status")

    def erase(self, stays: Callable[[str, str], object], but: Callable[[Collection[str]], str]) -> Matches:
        """Erases what is sealed. `stays(dataset, day)` is true for what is on hold, which is among the matches all the
        same; `but(datasets)` is the query without these. Each segment is done or not, whenever this is cut short.

        Raises `ShipperError`."""
        found: Matches = defaultdict(list)
        for segment in self._segments():
            hits = self._in(segment) if segment.form == "parquet" else []
            kept = {dataset for dataset in {dataset for dataset, _ in hits} if stays(dataset, segment.day)}
            going = [event_id for dataset, event_id in hits if dataset not in kept]
            if going:
                self._about(going)
                self._rewrite(segment, but(kept))
            for dataset, event_id in hits:
                found[dataset, segment.day].append(event_id)
        return dict(found)

    def _segments(self) -> list[Segment]:
        return listed(self._state, RECORDS)

    def _in(self, segment: Segment) -> list[tuple[str, str]]:
        """Dataset and `event.id` of the records of a segment that match."""
        path = segment.path(self._data)
        with ExitStack() as stack:
            if segment.form == "parquet":
                path.stat()
                snapshot = Snapshot([str(path)], [], 0)
            else:
                copy, longest = stack.enter_context(copied(path, segment.bytes, self._data / "tmp"))
                snapshot = Snapshot([], [copy], longest)
            spill = self._data / "tmp" / f"erase-{os.getpid()}"
            connection = stack.enter_context(open_duckdb(spill, threads=1))
            return self._asked(connection, snapshot, path)

    def _asked(self, connection: Any, snapshot: Snapshot, path: Path) -> list[tuple[str, str]]:
        try:
            sql = (
                """SELECT coalesce("event.dataset", ''), coalesce("event.id", '') """
                f"FROM ({view(connection, snapshot)}) WHERE {self._condition.sql}"
            )
            rows: list[tuple[str, str]] = connection.execute(sql, list(self._condition.values)).fetchall()
        except Exception as error:
            reason = " ".join(str(error).split())
            raise ShipperError(f"{path}: cannot be read ({reason}); restore it from a backup") from error
        return rows

    def _rewrite(self, segment: Segment, query: str) -> None:
        path = segment.path(self._data)
        target = self._data / "tmp" / f"erase-{os.getpid()}" / f"{segment.number}.parquet"
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            kept, taken = self._exporter.rewrite(path, target, query, "", "")
            if kept.rows + taken.rows != segment.rows:
                raise ShipperError(
                    f"{path}: {segment.rows} records became {kept.rows} and {taken.rows} erased ones; it stays "
                    "as it was, restore it from a backup"
                )
            if taken.rows:
                replace_segment(self._data, self._state, segment, target, kept.rows)
        finally:
            target.unlink(missing_ok=True)
