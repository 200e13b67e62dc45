"""Archived records on their way back into a hot store: read out of their parts, chosen by a query, given to a sink.

What a sink has already it knows by the id, so all of this may be done again at any time.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import orjson

from shipper.archive.manifest import Part
from shipper.clock import Clock
from shipper.elastic.names import RESTORED
from shipper.errors import Retry, ShipperError
from shipper.fields import value
from shipper.model import Batch, Doc, Origin, Refused, Sink, Span
from shipper.objects.store import Damaged, ObjectStore, Told
from shipper.query import moved
from shipper.query.match import Predicate, matcher
from shipper.query.tree import Everything, Node
from shipper.query.values import period
from shipper.store.columns import text
from shipper.store.read import open_duckdb
from shipper.tier.policy import DAY_S, end_of
from shipper.tier.restore import Day

ROWS, BYTES = 2_000, 4 << 20
"""Most of what is held and sent at a time."""
FETCHED = 100
"""Rows out of DuckDB at a time: a document may have a megabyte."""
MEMORY = "256MB"
PATIENCE_S = 120.0
"""So long a sink may take nothing before the person who waits is told."""
LEAST_WAIT_S = 0.05


class Wanted(NamedTuple):
    """Which records. Times are seconds since the epoch: `since` included, `until` not."""

    tree: Node
    since: float | None = None
    until: float | None = None

    def on(self, day: str) -> "Wanted":
        """With the times that lie within a day `2026.11.23`: of one that is wanted whole, records without a time are
        wanted as well."""
        end = end_of(day)
        since = self.since if self.since is not None and self.since > end - DAY_S else None
        return Wanted(self.tree, since, self.until if self.until is not None and self.until < end else None)


class Filled(NamedTuple):
    """What became of a day's records."""

    rows: int
    """That the sink has now."""
    refused: list[str]
    """Why it does not have the others, a line each."""


def refill(
    objects: ObjectStore,
    day: Day,
    wanted: Wanted,
    sink: Sink,
    *,
    clock: Clock,
    scratch: Path,
    told: Told = lambda _: None,
) -> Filled:
    """All wanted records of a day that can be read now, to the sink as stream `restored`. `scratch` holds one part at a
    time; `told` of bytes fetched. Raises `ShipperError` when a part is damaged or the sink takes nothing."""
    keep = chooser(wanted.on(day.one.day), from_elasticsearch=day.one.manifest.source.startswith("elasticsearch"))
    rows, refused = 0, list[str]()
    for part in day.parts:
        with _fetched(objects, part, scratch, told) as path:
            for docs in _batches(doc for doc in documents(path, scratch) if keep(doc)):
                batch = as_batch(docs, day.one.day, clock.now())
                no = deliver(sink, batch, clock)
                rows += len(docs) - len(no)
                refused += [f"{batch.event_id(each.row)}: {each.reason}" for each in no]
    return Filled(rows, refused)


@contextmanager
def _fetched(objects: ObjectStore, part: Part, scratch: Path, told: Told) -> Iterator[Path]:
    """A part as a file, which is gone afterwards."""
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = scratch / f"restore-{os.getpid()}.parquet"
    try:
        if objects.fetch(part.key, path, told) != part.sha256:
            where = f"{objects.where}/{part.key}"
            raise Damaged(f"{where}: not the bytes that were archived; look with: shipper tier verify")
        yield path
    finally:
        path.unlink(missing_ok=True)


def documents(path: Path, scratch: Path) -> Iterator[bytes]:
    """All documents of a part, as they were stored. Raises `ShipperError` for what is no such part."""
    import duckdb  # noqa: PLC0415  (a tenth of a second that only who reads a part pays)

    try:
        with open_duckdb(scratch / f"restore-{os.getpid()}", MEMORY, 1) as connection:
            rows = connection.execute(f"SELECT doc FROM read_parquet({text(path)})")
            while some := rows.fetchmany(FETCHED):
                yield from [row[0].encode() for row in some]
    except duckdb.Error as error:
        raise ShipperError(f"{path}: {str(error).splitlines()[0]}; look with: shipper tier verify") from error


def chooser(wanted: Wanted, *, from_elasticsearch: bool) -> Callable[[bytes], bool]:
    """Whether a document is wanted: what search would find. Elasticsearch's have their odd fields under `labels`."""
    everything = isinstance(wanted.tree, Everything) and wanted.since is None and wanted.until is None
    matches: Predicate = (moved.predicate if from_elasticsearch else matcher)(wanted.tree)

    def chosen(doc: bytes) -> bool:
        if everything:
            return True
        record = _parsed(doc)
        return _within(record, wanted.since, wanted.until) and matches(record)

    return chosen


def _within(record: Doc, since: float | None, until: float | None) -> bool:
    if since is None and until is None:
        return True
    found = period(str(value(record, "@timestamp", "")))
    return found is not None and (
        (since is None or found[0] >= round(since * 1e6)) and (until is None or found[0] < round(until * 1e6))
    )


def _batches(docs: Iterable[bytes]) -> Iterator[list[bytes]]:
    some: list[bytes] = []
    size = 0
    for doc in docs:
        some.append(doc)
        size += len(doc)
        if len(some) >= ROWS or size >= BYTES:
            yield some
            some, size = [], 0
    if some:
        yield some


def as_batch(docs: list[bytes], day: str, now: float) -> Batch:
    """Documents of one day on their way into its restored index, under the ids that they have."""
    ids = [_id_of(doc) for doc in docs]
    return Batch(
        lines=[],
        offsets=[offset for _, offset in ids],
        spans=[Span(row, row + 1, Origin(file_id, "", "", "UTC")) for row, (file_id, _) in enumerate(ids)],
        clock=now,
        times=[f"{day.replace('.', '-')}T00:00:00Z"] * len(docs),
        out=docs,
        stream=RESTORED,
    )


def _id_of(doc: bytes) -> tuple[str, int]:
    """The two halves of `event.id`; for a document of somebody else's a hash of it."""
    file_id, _, offset = str(value(_parsed(doc, lenient=True), "event.id", "")).rpartition("-")
    if file_id and offset.isascii() and offset.isdigit() and str(int(offset)) == offset:
        return file_id, int(offset)
    return blake2b(doc, digest_size=16).hexdigest(), 0


def _parsed(doc: bytes, *, lenient: bool = False) -> Doc:
    """Empty for what is no document. `lenient`: also with a lone surrogate, which is found by no search."""
    for loads in (orjson.loads, json.loads)[: 1 + lenient]:
        with suppress(ValueError):
            found = loads(doc)
            return found if isinstance(found, dict) else {}
    return {}


def deliver(sink: Sink, batch: Batch, clock: Clock) -> list[Refused]:
    """Until the sink has it. Raises `ShipperError` when it takes nothing for a while, or somebody has to mend it."""
    until = clock.monotonic() + PATIENCE_S
    while True:
        try:
            return sink.write(batch)
        except Retry as error:
            if error.grave or clock.monotonic() >= until:
                raise ShipperError(f"{error}; what is restored so far stays, the same command goes on") from None
            clock.sleep(max(error.after, LEAST_WAIT_S))
