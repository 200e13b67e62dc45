"""What an alert looks like: as a stored record, as a line of text, as a row of the outbox on its way to the sinks."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import orjson

from shipper.model import Alert, Batch, Doc, Origin, Span, StateChange
from shipper.state import State

LEVELS = ("informational", "low", "medium", "high", "critical")
"""Levels of a rule, rising."""
_LOG_LEVELS = dict(zip(LEVELS, ("info", "info", "warning", "error", "critical"), strict=True))

RECORD = "record"
NOTIFY = "notify"
DIGEST = "digest"
MESSAGE = "message"
"""Kinds of rows in the outbox: an alert for the sinks, one to tell people now, one to tell them in the next digest, and
a text that is ready to be sent (`{"title", "body", "level", "key"}`)."""


def rank(level: str) -> int:
    """How grave a level is; a level that nobody knows counts as medium."""
    return LEVELS.index(level) if level in LEVELS else LEVELS.index("medium")


def load_alert(stored: bytes) -> Alert:
    """The alert that `save_alert` or `post` has stored."""
    values = orjson.loads(stored)
    values["tags"] = tuple(values["tags"])
    return Alert(**values)


def printable(text: str) -> str:
    """The text on one line, without control characters: a log line can't drive a terminal or a chat."""
    return "".join(char if char.isprintable() else " " for char in text)


def group_text(group: dict[str, str]) -> str:
    """`user.name=alice source.ip=10.0.0.5`."""
    return " ".join(f"{name}={printable(value)}" for name, value in group.items())


def summary(alert: Alert) -> str:
    """What happened, in one line."""
    times = "once" if alert.count == 1 else f"{alert.count} times"
    group = f" ({group_text(alert.group)})" if alert.group else ""
    return f"{alert.rule}: {times}{group}"


def techniques(tags: Sequence[str]) -> list[str]:
    """ATT&CK technique ids among a rule's tags: `attack.t1110.001` → `T1110.001`."""
    names = [tag.lower().removeprefix("attack.") for tag in tags if tag.lower().startswith("attack.t")]
    return [name.upper() for name in names if name[1:5].isdigit()]


def alert_record(alert: Alert) -> Doc:
    """An alert as a stored record, flat ECS names.

    `event.id` is the alert's id and its count: every change adds evidence, so no two changes share one.
    """
    record: Doc = {
        "@timestamp": alert.last,
        "event.id": f"{alert.id}-{alert.count}",
        "event.kind": "alert",
        "event.dataset": "alerts",
        "event.ingested": alert.updated,
        "log.level": _LOG_LEVELS.get(alert.level, "warning"),
        "message": summary(alert),
        "rule.id": alert.rule_id,
        "rule.name": alert.rule,
        "rule.description": alert.description,
        "alert.id": alert.id,
        "alert.level": alert.level,
        "alert.state": alert.state,
        "alert.group": alert.group,
        "alert.count": alert.count,
        "alert.first": alert.first,
        "alert.last": alert.last,
        "alert.evidence": alert.evidence,
        "tags": list(alert.tags),
    }
    found = techniques(alert.tags)
    return {**record, "threat.technique.id": found} if found else record


def scan_object(alert: Alert) -> Doc:
    """An alert as `shipper scan` prints it."""
    names = ("rule_id", "rule", "level", "group", "count", "first", "last")
    return {"kind": "alert", **{name: getattr(alert, name) for name in names}}


def listed_object(alert: Alert) -> Doc:
    """An alert as `shipper alerts --format json` prints it."""
    shown: dict[str, Any] = asdict(alert)
    del shown["notify"]
    return shown


def pending_records(state: State, limit: int) -> list[tuple[int, Alert]]:
    """Alert changes that the sinks have not stored yet, oldest first: number in the outbox and alert."""
    rows = state.rows("SELECT seq, payload FROM outbox WHERE kind = ? ORDER BY seq LIMIT ?", (RECORD, limit))
    return [(row["seq"], load_alert(row["payload"])) for row in rows]


def alert_batch(rows: Sequence[tuple[int, Alert]], clock: float) -> Batch:
    """Rows of `pending_records` as a batch for the sinks; committing it takes them out of the outbox."""
    docs = [alert_record(alert) for _, alert in rows]
    out = [orjson.dumps(doc) for doc in docs]
    origins = [Origin(alert.id, "", "alerts", "UTC") for _, alert in rows]
    return Batch(
        lines=list(out),
        offsets=[alert.count for _, alert in rows],
        spans=[Span(row, row + 1, origin) for row, origin in enumerate(origins)],
        clock=clock,
        docs=docs,
        times=[alert.last for _, alert in rows],
        added=[{} for _ in rows],
        out=out,
        changes=[StateChange("DELETE FROM outbox WHERE seq = ?", (seq,)) for seq, _ in rows],
        stream="alerts",
    )
