"""What people did to stored records, and what was deleted, as records of a dataset of their own: `audit`.

They wait in the outbox, in the transaction of the act itself, until a run gives them to the sinks: exactly once, as
records like all others, so they are searched, archived and kept by their own rule.
"""

import getpass
import os
import secrets
import socket
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from shipper.clock import iso
from shipper.model import Batch, Doc, Origin, Span, StateChange
from shipper.state import State

AUDIT = "audit"
"""Kind of row in the outbox, and the dataset."""
HOLD_ADDED, HOLD_RELEASED, ERASED, ERASE_REFUSED = "hold-added", "hold-released", "erased", "erase-refused"
"""Values of `event.action` of holds and erasures."""


def audit(action: str, message: str, now: float, **fields: Any) -> StateChange:
    """An act for the audit dataset, to be run in the transaction that makes it final.

    `action`: becomes `event.action`. `now`: seconds since the epoch. `fields`: flat names of the record,
    `**{"audit.day": day}`; never the value that somebody asked to erase.
    """
    record: Doc = {
        "@timestamp": iso(now),
        "event.id": secrets.token_hex(16),
        "event.kind": "event",
        "event.dataset": AUDIT,
        "event.action": action,
        "log.level": "info",
        "message": message,
        "user.name": who(),
        "host.name": socket.gethostname(),
        **fields,
    }
    return StateChange(
        "INSERT INTO outbox(kind, alert_id, payload) VALUES (?,?,?)", (AUDIT, record["event.id"], orjson.dumps(record))
    )


def who() -> str:
    """The operating system's user; its number where it has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return str(os.getuid())


def pending_acts(state: State, limit: int) -> list[tuple[int, Doc]]:
    """Acts that the sinks have not stored yet, oldest first: number in the outbox and record."""
    rows = state.rows("SELECT seq, payload FROM outbox WHERE kind = ? ORDER BY seq LIMIT ?", (AUDIT, limit))
    return [(row["seq"], orjson.loads(row["payload"])) for row in rows]


def act_batch(rows: Sequence[tuple[int, Doc]], clock: float, scrub: Callable[[str], str]) -> Batch:
    """Rows of `pending_acts` as a batch for the sinks; committing it takes them out of the outbox.

    `scrub` strikes secrets out of a text: what a person typed may hold one. An act's id is the random part that was
    stored with it, and its number: a `state.db` that was lost begins to count anew.
    """
    docs = [{**_scrubbed(doc, scrub), "event.id": f"{doc['event.id']}-{seq}"} for seq, doc in rows]
    out = [orjson.dumps({**doc, "event.ingested": iso(clock)}) for doc in docs]
    origins = [Origin(doc["event.id"], "", AUDIT, "UTC") for _, doc in rows]
    return Batch(
        lines=list(out),
        offsets=[seq for seq, _ in rows],
        spans=[Span(row, row + 1, origin) for row, origin in enumerate(origins)],
        clock=clock,
        docs=docs,
        times=[doc["@timestamp"] for doc in docs],
        added=[{} for _ in docs],
        out=out,
        changes=[StateChange("DELETE FROM outbox WHERE seq = ?", (seq,)) for seq, _ in rows],
    )


def _scrubbed(doc: Doc, scrub: Callable[[str], str]) -> Doc:
    return {name: _each(value, scrub) for name, value in doc.items()}


def _each(value: Any, scrub: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return scrub(value)
    return [_each(one, scrub) for one in value] if isinstance(value, list) else value
