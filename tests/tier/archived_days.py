"""Days in an archive as the mover leaves them, made without it: Parquet objects, manifests, rows of the ledger."""

import hashlib
from pathlib import Path

import duckdb
import orjson

from shipper.archive.content import content
from shipper.archive.ledger import Archived, archived, save_archived
from shipper.archive.manifest import Manifest, Part
from shipper.archive.names import part_key
from shipper.query.values import period
from shipper.store.columns import text

FILE = "00000000000000000000000000000abc"


def doc(day, number, **fields):
    """A record `number` seconds after the beginning of a day `2026.11.20`, as it is stored."""
    when = f"{day.replace('.', '-')}T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}.000Z"
    event = {"event.id": f"{FILE}-{day.replace('.', '')}{number}", "event.dataset": "backend"}
    return orjson.dumps({"@timestamp": when, "message": f"record {number}", **event, **fields})


def archive(state, objects, place, day, docs, *, dataset="backend", tier="cold", source="embedded", supplements=()):
    """Puts a day there; `supplements`: documents of further parts. Returns what the ledger says of it."""
    parts = [
        _part(objects, part_key(tier, dataset, day, number), some) for number, some in enumerate((docs, *supplements))
    ]
    state.run(save_archived(place, Manifest(tier, dataset, day, tuple(parts), source, "2026-11-24T00:00:00.000Z"), 0.0))
    return next(one for one in archived(state) if (one.day, one.dataset, one.place) == (day, dataset, place))


def _part(objects, key, docs):
    local = Path(objects.where) / ".made.parquet"
    local.parent.mkdir(parents=True, exist_ok=True)
    values = ", ".join(f"({text(each.decode())})" for each in docs)
    duckdb.sql(f"COPY (SELECT * FROM (VALUES {values}) AS made(doc)) TO {text(local)} (FORMAT parquet)")
    raw = local.read_bytes()
    local.unlink()
    objects.put(key, raw)
    given = (str(orjson.loads(each)["@timestamp"]) for each in docs)
    times = sorted(time.replace("000Z", "000000Z") for time in given if period(time))
    return Part(key, len(raw), hashlib.sha256(raw).hexdigest(), len(docs), times[0], times[-1], content(docs))


def taken(one: Archived) -> list[str]:
    """The keys of a day's parts."""
    return [part.key for part in one.manifest.parts]
