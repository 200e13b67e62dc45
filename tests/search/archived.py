"""Records in an archive, for tests that search: as the mover leaves them, without its proofs."""

from hashlib import sha256
from itertools import groupby
from pathlib import Path

import orjson

from shipper.archive.content import content
from shipper.archive.ledger import archived, save_archived
from shipper.archive.manifest import Manifest, Part
from shipper.archive.names import part_key
from shipper.archive.stitch import stitch
from shipper.fields import value
from shipper.query.values import period
from shipper.state import State
from shipper.store.columns import csv_lines, select_all, text
from shipper.store.read import open_duckdb

PLACE = "archive"


def parquet(docs, folder, rows_in_group=2048, paged=True):
    """The path of a Parquet file with these documents, oldest first. `paged`: in small pages, and it says where these
    are, as it was not always."""
    lines, target = folder / "lines", folder / "part.parquet"
    lines.write_bytes(b"".join(doc + b"\n" for doc in docs))
    select = f'{select_all(csv_lines(text(lines), max(map(len, docs))))} ORDER BY "@timestamp" NULLS FIRST, "event.id" NULLS FIRST'
    options = f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {rows_in_group}"
    with open_duckdb(folder / "spill") as connection:
        connection.execute(
            f"COPY ({select}) TO {text(target)} ({options}{', DATA_PAGE_SIZE_LIMIT 2048' if paged else ''})"
        )
    if paged:
        stitch([target.rename(folder / "one.parquet")], target)
    return target


def part_of(docs, raw, key, **more):
    """What a manifest says of a part."""
    known = [each for each in map(parsed, docs) if each is not None]
    times = sorted(str(value(each, "@timestamp")) for each in known if period(str(value(each, "@timestamp"))))
    levels = [level for each in known if isinstance(level := value(each, "log.level"), str)]
    return Part(
        key,
        len(raw),
        sha256(raw).hexdigest(),
        len(docs),
        times[0] if times else "",
        times[-1] if times else "",
        content(docs),
        {level: levels.count(level) for level in set(levels)},
        **more,
    )


def parsed(doc):
    """None for what is no JSON."""
    try:
        return orjson.loads(doc)
    except orjson.JSONDecodeError:
        return None


def day_of(doc):
    """`2026.01.01`, cut from the text: it need not be JSON."""
    at = doc.index(b'"@timestamp":') + len(b'"@timestamp":')
    return doc[at:].lstrip(b' "')[:10].decode().replace("-", ".")


def dataset_of(doc):
    found = parsed(doc)
    return str(value(found, "event.dataset", "")) if found else ""


def put(
    state,
    objects,
    docs,
    tmp,
    *,
    tier="warm",
    place=PLACE,
    supplement=0,
    storage_class="",
    now=0.0,
    rows_in_group=2048,
    paged=True,
):
    """Archives documents: a part for each dataset and day. A supplement joins what is there."""
    tmp.mkdir(parents=True, exist_ok=True)

    def kind(doc):
        return day_of(doc), dataset_of(doc)

    for (day, dataset), some in groupby(sorted(docs, key=kind), kind):
        rows = list(some)
        key = part_key(tier, dataset, day, supplement)
        raw = parquet(rows, tmp, rows_in_group, paged).read_bytes()
        objects.put(key, raw, storage_class=storage_class)
        known = [one for one in archived(state, day=day) if (one.tier, one.dataset) == (tier, dataset)]
        parts = (*(known[0].manifest.parts if known else ()), part_of(rows, raw, key, storage_class=storage_class))
        manifest = Manifest(tier, dataset, day, parts, "embedded", "2026-01-01T00:00:00Z", len(known) + 1)
        state.run(save_archived(place, manifest, now))


def state_of(data: Path):
    """The data folder's, made when it is not there."""
    data.mkdir(parents=True, exist_ok=True)
    return State(data / "state.db")
