"""Erases from files that hold stored documents as lines: what waits in the spool, what is parked, and sealed segments
of alerts. A file with such a line gets another in its place, under a number of its own."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import orjson

from shipper.model import Doc, StateChange
from shipper.state import State
from shipper.store.columns import text
from shipper.store.disk import sync_file, sync_folder
from shipper.store.layout import PARKED, SPOOLED, Segment, listed, reserve_number
from shipper.store.read import open_duckdb
from shipper.store.rewrite import replace_segment
from shipper.store.seal import write_parquet

WAITING = (*SPOOLED.values(), *PARKED.values())
ALERTS = "alerts"
PIECE = 500
"""Rows fetched from DuckDB at a time."""

Told = Callable[[Doc], bool]
"""Something about an alert's record."""
Left = Callable[[bytes], bytes | None]
"""What is left of a document: itself, another, or nothing."""


class Lines(NamedTuple):
    """What is left of a file."""

    docs: list[bytes]
    erased: list[bytes]
    changed: int

    @property
    def any(self) -> bool:
        return bool(self.erased or self.changed)


def erase_waiting(data: Path, state: State, left: Left, *, dry: bool = False) -> list[bytes]:
    """The documents that are erased from spool and parked rows. Not while a run is at work."""
    erased: list[bytes] = []
    for segment in listed(state, *WAITING):
        lines = _sorted_out(_open_docs(segment, data), left)
        if lines.any and not dry:
            _replace_open(segment, data, state, lines.docs)
        erased += lines.erased
    return erased


def erase_alert_records(data: Path, state: State, left: Left, *, dry: bool = False) -> int:
    """How many alert records of the data folder are erased or lose evidence; those in open segments only when `dry`."""
    found = 0
    for segment in listed(state, ALERTS):
        if segment.form == "parquet":
            lines = _sorted_out(_sealed_docs(segment, data), left)
            if lines.any and not dry:
                _replace_sealed(segment, data, state, lines.docs)
        elif dry:
            lines = _sorted_out(_open_docs(segment, data), left)
        else:
            continue
        found += len(lines.erased) + lines.changed
    return found


def _sorted_out(docs: Iterator[bytes], left: Left) -> Lines:
    kept, erased, changed = [], [], 0
    for doc in docs:
        found = left(doc)
        if found is None:
            erased.append(doc)
        else:
            changed += found != doc
            kept.append(found)
    return Lines(kept, erased, changed)


def _open_docs(segment: Segment, data: Path) -> Iterator[bytes]:
    """The committed lines; none of a file that is gone meanwhile."""
    with suppress(FileNotFoundError), segment.path(data).open("rb") as file:
        yield from file.read(segment.bytes).split(b"\n")[:-1]


def _sealed_docs(segment: Segment, data: Path) -> Iterator[bytes]:
    with open_duckdb(data / "tmp" / f"erase-{os.getpid()}", threads=1) as connection:
        rows = connection.execute(f"SELECT doc FROM read_parquet({text(segment.path(data))})")
        while piece := rows.fetchmany(PIECE):
            yield from [row[0].encode() for row in piece]


def _replace_open(old: Segment, data: Path, state: State, docs: list[bytes]) -> None:
    changes = [StateChange("DELETE FROM segments WHERE number = ?", (old.number,))]
    if docs:
        block = b"\n".join([*docs, b""])
        new = old._replace(number=reserve_number(state), bytes=len(block), rows=len(docs))
        _written(new.path(data), block)
        changes.append(StateChange("INSERT INTO segments VALUES (?,?,?,?,?,?,?,?)", tuple(new)))
    state.run(*changes)
    with suppress(FileNotFoundError):
        old.path(data).unlink()
    sync_folder(old.path(data).parent)


def _replace_sealed(old: Segment, data: Path, state: State, docs: list[bytes]) -> None:
    scratch = data / "tmp" / f"erase-{os.getpid()}"
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    lines, target = scratch / f"{old.number}.ndjson", scratch / f"{old.number}.parquet"
    try:
        if docs:
            _written(lines, b"\n".join([*docs, b""]))
            write_parquet(lines, lines.stat().st_size, len(docs), target, scratch)
        replace_segment(data, state, old, target, len(docs))
    finally:
        lines.unlink(missing_ok=True)
        target.unlink(missing_ok=True)


def _written(path: Path, block: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(block)
    sync_file(path)
    sync_folder(path.parent)


def without_evidence(doc: bytes, *, gone: Told, erased: Callable[[str], bool], held: Told) -> bytes | None:
    """What is left of an alert record. `gone` tells whether it is about who is erased, `held` whether it has to stay
    all the same, `erased` whether a record is no more."""
    record = orjson.loads(doc)
    evidence = record.get("alert.evidence") or []
    kept = [each for each in evidence if not erased(each)]
    if (gone(record) or (evidence and not kept)) and not held(record):
        return None
    return doc if len(kept) == len(evidence) else orjson.dumps({**record, "alert.evidence": kept})
