"""Erases a subject from `state.db`: alerts, what waits in the outbox, quarantine, windows of correlations, holds that
were released. All of it in one transaction, while no run is at work (see `tier.quiet`)."""

import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import orjson

from shipper.alerts import MESSAGE, alert_record, load_alert
from shipper.errors import ShipperError
from shipper.model import Alert, StateChange
from shipper.state import State, save_alert, save_window
from shipper.tier.audit import AUDIT
from shipper.tier.subject import Subject, spread

Without = Callable[[bytes, Collection[str]], bytes | None]
"""A window's stored state without the events of some records (by `event.id`); None: none is left."""
Kept = Callable[[bytes], bool]
"""Whether a document is on hold itself."""
ATTEMPTS = 5


class Records(NamedTuple):
    """By `event.id`."""

    erased: Collection[str] = ()
    """Elsewhere, or about to be."""
    staying: frozenset[str] = frozenset()
    """Of the subject, and on hold or locked."""


class Tables:
    """What is to be done in one `state.db`: `changes`, and how many of what they concern."""

    def __init__(self, state: State, subject: Subject, records: Records, without: Without, kept: Kept) -> None:
        self._state, self._subject, self._without, self._kept = state, subject, without, kept
        self._erased, self._staying = records
        self.counts: Counter[str] = Counter()
        """`alerts`, `evidence` (alerts that lose some of it), `outbox`, `quarantine`, `windows`, `holds`."""
        self.refused: Counter[str] = Counter()
        """What is on hold, likewise."""
        self.gone: set[str] = set()
        """Ids of the alerts that go."""
        self.changes: list[StateChange] = [
            *self._alerts(),
            *self._outbox(),
            *self._quarantine(),
            *self._windows(),
            *self._holds(),
            *self._silences(),
            *self._errors(),
        ]

    def _alerts(self) -> Iterator[StateChange]:
        for row in self._state.rows("SELECT alert FROM alerts"):
            alert = load_alert(row["alert"])
            left = self._alert(alert)
            if left is not None and self._subject.is_of(alert):
                self.refused["alerts"] += 1
            if left is None:
                self.counts["alerts"] += 1
                self.gone.add(alert.id)
                yield StateChange("DELETE FROM alerts WHERE id = ?", (alert.id,))
            elif left is not alert:
                self.counts["evidence"] += 1
                yield save_alert(left)

    def _outbox(self) -> Iterator[StateChange]:
        for row in self._state.rows("SELECT seq, kind, payload FROM outbox"):
            left = self._waiting(row["kind"], row["payload"])
            if left == row["payload"]:
                continue
            self.counts["outbox"] += 1
            if left is None:
                yield StateChange("DELETE FROM outbox WHERE seq = ?", (row["seq"],))
                yield StateChange("DELETE FROM deliveries WHERE seq = ?", (row["seq"],))
            else:
                yield StateChange("UPDATE outbox SET payload = ? WHERE seq = ?", (left, row["seq"]))
        for row in self._state.rows("SELECT seq, last_error FROM outbox WHERE last_error <> ''"):
            if self._subject.mentioned(row["last_error"]):
                yield StateChange("UPDATE outbox SET last_error = '' WHERE seq = ?", (row["seq"],))

    def _waiting(self, kind: str, payload: bytes) -> bytes | None:
        """What is left of a row of the outbox."""
        if kind == AUDIT:
            return payload
        if kind == MESSAGE:
            parts = orjson.loads(payload)
            lines = [line for line in parts[1].split("\n") if not self._subject.mentioned(line)]
            return orjson.dumps([self._subject.struck(parts[0]), "\n".join(lines), *parts[2:]])
        alert = load_alert(payload)
        left = self._alert(alert)
        if left is alert:
            return payload
        return None if left is None else orjson.dumps(left)

    def _alert(self, alert: Alert) -> Alert | None:
        """What is left of an alert: nothing when it is about the subject or had no other evidence, unless it is on
        hold, as it is as long as some of its evidence is."""
        evidence = [each for each in alert.evidence if each not in self._erased]
        if self._subject.is_of(alert) or (alert.evidence and not evidence):
            if not self._is_held(alert):
                return None
        elif self._subject.mentioned(alert.description):
            alert = replace(alert, description=self._subject.struck(alert.description))
        return alert if len(evidence) == len(alert.evidence) else replace(alert, evidence=evidence)

    def _is_held(self, alert: Alert) -> bool:
        return not self._staying.isdisjoint(alert.evidence) or self._kept(orjson.dumps(spread(alert_record(alert))))

    def _quarantine(self) -> Iterator[StateChange]:
        for row in self._state.rows("SELECT seq, doc, event_id, reason FROM quarantine"):
            if not (self._subject.matches_raw(row["doc"]) or row["event_id"] in self._erased):
                if self._subject.mentioned(row["reason"]):
                    struck = self._subject.struck(row["reason"])
                    yield StateChange("UPDATE quarantine SET reason = ? WHERE seq = ?", (struck, row["seq"]))
                continue
            if self._kept(row["doc"]):
                self.refused["quarantine"] += 1
                continue
            self.counts["quarantine"] += 1
            yield StateChange("DELETE FROM quarantine WHERE seq = ?", (row["seq"],))

    def _windows(self) -> Iterator[StateChange]:
        for row in self._state.rows("SELECT rule_id, group_key, state FROM windows"):
            of_subject = any(self._subject.has(str(value)) for value in orjson.loads(row["group_key"]))
            left = None if of_subject else self._without(row["state"], self._erased)
            if left != row["state"]:
                self.counts["windows"] += 1
                yield save_window(row["rule_id"], row["group_key"], left)

    def _holds(self) -> Iterator[StateChange]:
        """A hold in force is needed as it is; a released one only says whom it was about."""
        for row in self._state.rows("SELECT id, query, reason, why FROM holds WHERE released IS NOT NULL"):
            words = [row["query"], row["reason"], row["why"]]
            struck = list(map(self._subject.struck, words))
            if struck != words:
                self.counts["holds"] += 1
                yield StateChange("UPDATE holds SET query = ?, reason = ?, why = ? WHERE id = ?", (*struck, row["id"]))

    def _silences(self) -> Iterator[StateChange]:
        for row in self._state.rows("SELECT id, reason FROM silences"):
            if self._subject.mentioned(row["reason"]):
                struck = self._subject.struck(row["reason"])
                yield StateChange("UPDATE silences SET reason = ? WHERE id = ?", (struck, row["id"]))

    def _errors(self) -> Iterator[StateChange]:
        """Of what a sink or a move failed for, whose words may quote a record."""
        for row in self._state.rows("SELECT key, value FROM status"):
            if self._subject.mentioned(row["value"].decode(errors="replace")):
                yield StateChange("DELETE FROM status WHERE key = ?", (row["key"],))
        for row in self._state.rows("SELECT seq, failure FROM moves WHERE failure <> ''"):
            if self._subject.mentioned(row["failure"]):
                struck = self._subject.struck(row["failure"])
                yield StateChange("UPDATE moves SET failure = ? WHERE seq = ?", (struck, row["seq"]))


def ids_in(docs: Iterable[bytes]) -> Iterator[str]:
    """The `event.id` of stored documents that have one."""
    for doc in docs:
        try:
            found = orjson.loads(doc)
        except orjson.JSONDecodeError:
            continue
        if isinstance(found, dict) and isinstance(found.get("event.id"), str):
            yield found["event.id"]


def scrub_file(path: Path) -> None:
    """Writes a `state.db` anew, so that what was deleted is not left in free pages or in the log of changes.

    Raises `ShipperError` when somebody keeps it busy."""
    with closing(sqlite3.connect(path, timeout=30.0, isolation_level=None)) as db:
        for _ in range(ATTEMPTS):
            try:
                db.execute("VACUUM")
                if not db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                    return
            except sqlite3.OperationalError:
                continue
    raise ShipperError(
        f"{path}: in use, so what was deleted may still be in its free pages; stop shipper and run the same erase again"
    )


def earlier_states(data: Path) -> list[Path]:
    """What `--fresh-state` has put aside."""
    return sorted(path for path in data.glob("state.db.old-*") if not path.name.endswith(("-wal", "-shm")))
