"""Rows that a sink refused for good: kept, redacted as they left, with the reason, until someone replays them.

They enter with the commit of the batch that they came in, so a row is in its sink or here, never in neither.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import orjson

from shipper.clock import Clock, iso
from shipper.errors import Blocked, Retry, ShipperError, UsageError
from shipper.model import Batch, Origin, Refused, Sink, Span, StateChange
from shipper.state import State

MAX_BYTES = 1 << 30
REPLAY_ROWS = 1_000
"""Rows replayed, and marked as such, at a time."""


class Entry(NamedTuple):
    """One refused row."""

    id: int
    event_id: str
    sink: str
    stream: str
    reason: str
    at: float
    """When it was refused, in seconds since the epoch."""
    doc: bytes
    """As it would have been stored."""
    replayed: float | None
    """When a sink took it after all, in seconds since the epoch."""


class Replayed(NamedTuple):
    """What became of a replay, in rows."""

    taken: int
    refused: int
    blocked: int = 0
    """Their index takes nothing now: they stay as they are."""
    why: str = ""
    """Why it takes nothing."""


def quarantine_changes(batch: Batch, refused: Sequence[Refused], now: float) -> list[StateChange]:
    """What the commit of a batch with refused rows has to write; writing it twice changes nothing."""
    return [
        StateChange(
            "INSERT INTO quarantine(event_id, sink, stream, reason, at, doc) VALUES (?,?,?,?,?,?) "
            "ON CONFLICT DO UPDATE SET reason = excluded.reason, at = excluded.at, doc = excluded.doc, replayed = NULL",
            (batch.event_id(each.row), each.sink, batch.stream, each.reason, now, batch.out[each.row]),
        )
        for each in refused
    ]


def check_budget(state: State, batch: Batch, refused: Sequence[Refused], max_bytes: int = MAX_BYTES) -> None:
    """Raises `Retry` when the refused rows would take the rows that wait over `max_bytes`."""
    if not refused:
        return
    used = state.rows("SELECT coalesce(sum(length(doc)), 0) FROM quarantine WHERE replayed IS NULL")[0][0]
    if used + sum(len(batch.out[each.row]) for each in refused) > max_bytes:
        raise Retry(
            f"{state.path}: the quarantine's budget of {max_bytes} bytes is full; reading waits: "
            "see `shipper quarantine list`, then `shipper quarantine replay`",
            after=10.0,
        )


def entries(state: State, ids: Iterable[str] = (), *, waiting: bool = False) -> list[Entry]:
    """Entries, oldest first: those named by id or `event.id`, else all; `waiting`: without those replayed already.

    Raises `UsageError` for an id that there is none of.
    """
    columns = "SELECT seq, event_id, sink, stream, reason, at, doc, replayed FROM quarantine"
    wanted = list(dict.fromkeys(ids))
    if not wanted:
        rows = state.rows(f"{columns} {'WHERE replayed IS NULL' if waiting else ''} ORDER BY seq")
        return [Entry(*row) for row in rows]
    found: list[Entry] = []
    for id_ in wanted:
        rows = state.rows(f"{columns} WHERE event_id = ? OR CAST(seq AS TEXT) = ? ORDER BY seq", (id_, id_))
        if not rows:
            raise UsageError(f"quarantine: there is no entry {id_!r}; see: shipper quarantine list")
        found += [Entry(*row) for row in rows]
    return [entry for entry in found if not (waiting and entry.replayed)]


def replay(state: State, clock: Clock, sinks: Mapping[str, Sink], ids: Iterable[str] = ()) -> Replayed:
    """Gives rows, under the same `_id`, to the sink that refused them; marks those it takes now.

    `sinks`: name → sink; the caller holds the locks of whoever else writes there. Rows that it refuses again stay.
    Raises `UsageError` for an unknown id or sink, `ShipperError` when the sink takes nothing now.
    """
    total = Replayed(0, 0)
    by_sink: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries(state, ids, waiting=True):
        by_sink.setdefault((entry.sink, entry.stream), []).append(entry)
    for name, _ in by_sink:
        if name not in sinks:
            raise UsageError(f"quarantine: the pipeline has no sink {name!r}; it has: {', '.join(sinks)}")
    for (name, _), waiting in by_sink.items():
        for start in range(0, len(waiting), REPLAY_ROWS):
            done = _replay(state, clock, sinks[name], waiting[start : start + REPLAY_ROWS])
            taken, refused, blocked = (before + now for before, now in zip(total[:3], done[:3], strict=True))
            total = Replayed(taken, refused, blocked, done.why or total.why)
    return total


def _replay(state: State, clock: Clock, sink: Sink, some: list[Entry]) -> Replayed:
    batch = as_batch(some, clock.now())
    answer, blocked, why = _written(sink, batch)
    refused = {each.row: each.reason for each in answer}
    settled = [(row, entry) for row, entry in enumerate(some) if row not in blocked]
    marks = [
        StateChange("UPDATE quarantine SET reason = ? WHERE seq = ?", (refused[row], entry.id))
        if row in refused
        else StateChange("UPDATE quarantine SET replayed = ? WHERE seq = ?", (clock.now(), entry.id))
        for row, entry in settled
    ]
    state.run(*batch.changes, *marks)
    return Replayed(len(settled) - len(refused), len(refused), len(blocked), why)


def _written(sink: Sink, batch: Batch) -> tuple[list[Refused], set[int], str]:
    """What it refuses, the rows whose index is blocked, and why. A person waits for the answer, so a sink that is away
    is no reason to wait."""
    while True:
        try:
            return sink.write(batch), set(), ""
        except Blocked as error:
            return error.refused, set(error.rows), str(error)
        except Retry as error:
            # Without a pause asked for the sink gets on.
            if error.after:
                raise ShipperError(
                    f"{sink.name} takes nothing now, what is in quarantine stays there: {error}"
                ) from None


def as_batch(some: Sequence[Entry], now: float) -> Batch:
    """Entries of one stream as a batch on its way into a sink: the same bytes, `_id` and time as at first."""
    docs = [_parsed(entry) for entry in some]
    files, offsets = zip(*(entry.event_id.rsplit("-", 1) for entry in some), strict=True)
    return Batch(
        lines=[entry.doc for entry in some],
        offsets=[int(offset) for offset in offsets],
        spans=[Span(row, row + 1, Origin(file, "", "", "UTC")) for row, file in enumerate(files)],
        clock=now,
        docs=docs,
        times=[str(doc.get("@timestamp") or iso(entry.at)) for doc, entry in zip(docs, some, strict=True)],
        added=[{} for _ in some],
        out=[entry.doc for entry in some],
        stream=some[0].stream,
    )


def _parsed(entry: Entry) -> dict[str, object]:
    """The document; empty when it is none, which may be why it was refused."""
    try:
        doc = orjson.loads(entry.doc)
    except orjson.JSONDecodeError:
        return {}
    return doc if isinstance(doc, dict) else {}
