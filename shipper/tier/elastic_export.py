"""Writes what fixed moments of Elasticsearch hold to files, a line a document, several requests at a time."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from shipper.elastic.moment import Moment
from shipper.errors import ShipperError
from shipper.query.clauses import Query, all_of

AT_ONCE = 2
"""Requests under way together: one is written down while another one is gathered."""
TIME = "@timestamp"
DIGITS = 6
"""Of the fraction of a second: µs, as in every other store."""


class Lot(NamedTuple):
    """What is wanted of one shard."""

    shard: str
    moment: Moment
    query: Query


class Slice(NamedTuple):
    """A part of a lot that is read by itself."""

    lot: Lot
    number: int
    of: int


def export(lots: list[Lot], folder: Path, at_once: int) -> tuple[list[Path], int, str, str]:
    """The files, and, as Elasticsearch itself says: how many records, lowest and highest time.

    Raises `ShipperError`, also when another number of documents came than there are.
    """
    of = max(1, at_once // max(1, len(lots)))
    slices = [Slice(lot, number, of) for lot in lots for number in range(of)]
    stop = threading.Event()
    with ThreadPoolExecutor(max(1, at_once), "export") as pool:
        work = [pool.submit(_write, each, folder / _name(each), stop) for each in slices]
        try:
            came = sum(each.result() for each in work)
        except BaseException:
            stop.set()
            raise
    rows = sum(_count(lot) for lot in lots)
    if came != rows:
        raise ShipperError(f"{folder}: {came} documents came, but Elasticsearch counts {rows}; it is tried again")
    lowest, highest = ([time for lot in lots if (time := _time(lot, order))] for order in ("asc", "desc"))
    files = [path for each in slices if (path := folder / _name(each)).stat().st_size]
    return files, rows, min(lowest, default=""), max(highest, default="")


def _name(part: Slice) -> str:
    return f"{part.lot.shard}-{part.number}.ndjson"


def _write(part: Slice, path: Path, stop: threading.Event) -> int:
    """Returns how many documents were written."""
    body: dict[str, Any] = {"query": part.lot.query, "sort": ["_shard_doc"]}
    if part.of > 1:
        body["slice"] = {"id": part.number, "max": part.of}
    written = 0
    try:
        with open(path, "wb", buffering=1 << 20, opener=_private) as file:
            for doc in part.lot.moment.documents(body):
                file.write(_line(doc))
                written += 1
                if stop.is_set():
                    break
    except OSError as error:
        raise ShipperError(f"{path}: {error.strerror}; make room, it is tried again") from error
    return written


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _line(doc: bytes) -> bytes:
    """Text has its line breaks escaped, so one that is there stands between two values and means nothing."""
    if b"\n" in doc or b"\r" in doc:
        doc = doc.replace(b"\n", b" ").replace(b"\r", b" ")
    return doc + b"\n"


def _count(lot: Lot) -> int:
    _, answer = lot.moment.search({"query": lot.query, "size": 0, "track_total_hits": True})
    return int(answer["hits"]["total"]["value"])


def _time(lot: Lot, order: str) -> str:
    """The first time in this order, in UTC with µs; empty when there is none."""
    sort = {TIME: {"order": order, "format": "strict_date_optional_time_nanos", "unmapped_type": "date_nanos"}}
    query = all_of(lot.query, {"exists": {"field": TIME}})
    body = {"query": query, "sort": [sort], "size": 1, "_source": False, "track_total_hits": False}
    hits = lot.moment.search(body)[1]["hits"]["hits"]
    if not hits:
        return ""
    whole, _, fraction = str(hits[0]["sort"][0]).removesuffix("Z").partition(".")
    return f"{whole}.{fraction[:DIGITS]:0<{DIGITS}}Z"
