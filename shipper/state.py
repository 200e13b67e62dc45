"""`state.db`: one SQLite file that holds all that must survive: positions, intents, windows, alerts, outbox, segments,
quarantine. A batch is committed in one transaction or not at all.

WAL with `synchronous=FULL`: a commit that returned is on the disk. One process writes (it holds the `tail` lock); any
number of others read.
"""

import os
import re
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import orjson

from shipper.errors import ShipperError, StateMismatch
from shipper.model import Alert, Batch, Progress, StateChange

SCHEMA_VERSION = 3
_IF_MISSING = re.compile(r"^\s*CREATE (?:UNIQUE )?(?:TABLE|INDEX)", re.ASCII)
RESERVE, LEAST_LOG, FEWEST_SPARE = 1 << 20, 1 << 19, 64
"""Bytes that are reserved at a time; bytes of SQLite's log and pages of the file that there have to be."""

SCHEMA = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE files(
  file_id TEXT PRIMARY KEY, family TEXT NOT NULL, path TEXT NOT NULL, device INTEGER NOT NULL, inode INTEGER NOT NULL,
  offset INTEGER NOT NULL, check_at INTEGER NOT NULL, check_hash TEXT NOT NULL, size INTEGER NOT NULL,
  done INTEGER NOT NULL, lost INTEGER NOT NULL, time TEXT NOT NULL, updated REAL NOT NULL,
  generation INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE intents(seq INTEGER PRIMARY KEY AUTOINCREMENT, intent BLOB NOT NULL);
CREATE TABLE windows(rule_id TEXT NOT NULL, group_key TEXT NOT NULL, state BLOB NOT NULL,
  PRIMARY KEY(rule_id, group_key)) WITHOUT ROWID;
CREATE TABLE alerts(id TEXT PRIMARY KEY, rule_id TEXT NOT NULL, level TEXT NOT NULL, first TEXT NOT NULL,
  last TEXT NOT NULL, updated TEXT NOT NULL, alert BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX alerts_by_last ON alerts(last);
CREATE TABLE outbox(seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, alert_id TEXT NOT NULL,
  payload BLOB NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, next_at REAL NOT NULL DEFAULT 0,
  last_error TEXT NOT NULL DEFAULT '');
CREATE TABLE deliveries(seq INTEGER NOT NULL, notifier TEXT NOT NULL, taken INTEGER NOT NULL DEFAULT 0,
  attempts INTEGER NOT NULL DEFAULT 0, next_at REAL NOT NULL DEFAULT 0, PRIMARY KEY(seq, notifier)) WITHOUT ROWID;
CREATE TABLE silences(id INTEGER PRIMARY KEY AUTOINCREMENT, rule_id TEXT NOT NULL, until REAL NOT NULL,
  reason TEXT NOT NULL);
CREATE TABLE segments(number INTEGER PRIMARY KEY, stream TEXT NOT NULL, day TEXT NOT NULL, form TEXT NOT NULL,
  bytes INTEGER NOT NULL, rows INTEGER NOT NULL, first TEXT NOT NULL, last TEXT NOT NULL);
CREATE TABLE quarantine(seq INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL, sink TEXT NOT NULL,
  stream TEXT NOT NULL, reason TEXT NOT NULL, at REAL NOT NULL, doc BLOB NOT NULL, replayed REAL);
CREATE UNIQUE INDEX quarantine_once ON quarantine(event_id, sink, stream);
CREATE TABLE status(key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE marked(number INTEGER PRIMARY KEY, at REAL NOT NULL);
CREATE TABLE moves(seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, day TEXT NOT NULL, dataset TEXT NOT NULL,
  from_tier TEXT NOT NULL, to_tier TEXT NOT NULL, step TEXT NOT NULL, reason TEXT NOT NULL, detail BLOB NOT NULL,
  failure TEXT NOT NULL DEFAULT '', began REAL NOT NULL, changed REAL NOT NULL);
CREATE TABLE archived(place TEXT NOT NULL, tier TEXT NOT NULL, dataset TEXT NOT NULL, day TEXT NOT NULL,
  manifest BLOB NOT NULL, grace INTEGER NOT NULL, since REAL NOT NULL,
  PRIMARY KEY(place, tier, dataset, day)) WITHOUT ROWID;
CREATE INDEX archived_by_day ON archived(day);
CREATE TABLE chains(place TEXT PRIMARY KEY, number INTEGER NOT NULL, digest TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE holds(id INTEGER PRIMARY KEY AUTOINCREMENT, query TEXT NOT NULL, since TEXT NOT NULL, until TEXT NOT NULL,
  reason TEXT NOT NULL, who TEXT NOT NULL, added REAL NOT NULL, released REAL, why TEXT NOT NULL DEFAULT '');
CREATE TABLE restored(day TEXT NOT NULL, place TEXT NOT NULL, until REAL NOT NULL, detail BLOB NOT NULL,
  PRIMARY KEY(day, place)) WITHOUT ROWID;
"""


class State:
    """The writer's view of `state.db`: one connection. Threads that share it (several sources) take turns."""

    def __init__(self, path: Path, *, readonly: bool = False) -> None:
        """Opens or creates the file.

        Raises `StateMismatch` when it is from a newer version or not a database, `ShipperError` when it is missing
        and `readonly`, or when its folder is closed to this user.
        """
        self.path = path
        self._turn = threading.RLock()
        try:
            if readonly and not path.exists():
                raise ShipperError(f"{path.parent}: nothing has been stored here yet; start with: shipper run")
            self._db = self._open(readonly)
            self._check_version(readonly)
        except OSError as error:
            raise ShipperError(
                f"{path}: cannot be opened ({error.strerror}); give a folder you may use: --data DIR"
            ) from error
        except sqlite3.DatabaseError as error:
            raise StateMismatch(
                f"{path}: cannot be read as a state file ({error}); restore it from a backup, "
                "or move it away and start with --fresh-state (every file is read again, so records double)"
            ) from error

    def _open(self, readonly: bool) -> sqlite3.Connection:
        if not readonly and not self.path.exists():
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        uri = f"file:{_quoted(self.path)}?mode={'ro' if readonly else 'rw'}"
        db = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=30.0, check_same_thread=False)
        db.row_factory = sqlite3.Row
        if not readonly:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
        return db

    def _check_version(self, readonly: bool) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise StateMismatch(
                f"{self.path}: written by a newer shipper (format {version}, this one knows {SCHEMA_VERSION}); "
                "upgrade shipper"
            )
        if version < SCHEMA_VERSION and readonly:
            # Reading alone, what an older shipper wrote would lack tables.
            State(self.path).close()
        elif version < SCHEMA_VERSION:
            with self.transaction():
                for statement in SCHEMA.split(";"):
                    self._db.execute(_IF_MISSING.sub(r"\g<0> IF NOT EXISTS", statement))
                if not self.rows("SELECT 1 FROM pragma_table_info('files') WHERE name = 'generation'"):
                    self._db.execute("ALTER TABLE files ADD COLUMN generation INTEGER NOT NULL DEFAULT 0")
                self._db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing. Several sources and the writer share this connection, one transaction at a time."""
        with self._turn:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                # On a full disk SQLite may have rolled back by itself, or refused the commit and left all open.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def rows(self, sql: str, values: Iterable[Any] = ()) -> list[sqlite3.Row]:
        """The answer to a query, never out of the middle of another thread's transaction."""
        with self._turn:
            return self._db.execute(sql, tuple(values)).fetchall()

    def run(self, *changes: StateChange) -> None:
        """Runs statements in a transaction of their own."""
        with self.transaction() as db:
            for change in changes:
                db.execute(change.sql, change.values)

    # ── a full disk ───────────────────────────────────────────────────────────────────────────────────────────────

    def reserve(self) -> None:
        """Sees to it that small commits go on when the disk is full: pages to spare in the file, and room in the log
        before it, which is written over from its beginning. Without a word where there is no room for that now."""
        spare = int(self.rows("PRAGMA freelist_count")[0][0])
        if spare >= FEWEST_SPARE and self._log_size() >= LEAST_LOG:
            return
        with suppress(sqlite3.OperationalError):
            with self.transaction() as db:
                db.execute("CREATE TABLE reserve(room BLOB)")
                db.execute("INSERT INTO reserve VALUES (zeroblob(?))", (RESERVE,))
                db.execute("DROP TABLE reserve")
            self.make_room()

    def make_room(self) -> None:
        """Brings what stands in the log into the file, so that the log begins anew: it takes no room to write there."""
        self.rows("PRAGMA wal_checkpoint(PASSIVE)")

    def _log_size(self) -> int:
        try:
            return os.stat(f"{self.path}-wal").st_size
        except OSError:
            return 0

    # ── the commit ────────────────────────────────────────────────────────────────────────────────────────────────

    def commit(self, batch: Batch) -> None:
        """Makes a batch final: positions, windows, alerts, outbox, segments, quarantine, in one transaction."""
        with self.transaction() as db:
            db.executemany(*save_progress(batch.progress.values()))
            for change in batch.changes:
                db.execute(change.sql, change.values)
            self._settle_intents(batch)

    def commit_intent(self, batch: Batch) -> None:
        """Fixes how a batch whose content depends on the clock was cut, before any sink sees it."""
        known = self.files()
        ranges = [
            (file_id, known[file_id].offset if file_id in known else 0, progress.offset)
            for file_id, progress in batch.progress.items()
        ]
        intent = {"clock": batch.clock, "ranges": ranges}
        with self.transaction() as db:
            self._settle_intents(batch)
            db.execute("INSERT INTO intents(intent) VALUES (?)", (orjson.dumps(intent),))

    def _settle_intents(self, batch: Batch) -> None:
        """An intent ends with the batch that brings its files; those of another source's files stay."""
        for row in self.rows("SELECT seq, intent FROM intents"):
            if any(file_id in batch.progress for file_id, _, _ in orjson.loads(row["intent"])["ranges"]):
                self._db.execute("DELETE FROM intents WHERE seq = ?", (row["seq"],))

    def intents(self) -> list[dict[str, Any]]:
        """Those of batches that were never committed: `{"clock": s, "ranges": [[file id, start, stop]]}` each."""
        return [orjson.loads(row["intent"]) for row in self.rows("SELECT intent FROM intents ORDER BY seq")]

    # ── files ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def files(self) -> dict[str, Progress]:
        """Committed positions by file id."""
        return {
            row["file_id"]: Progress(
                file_id=row["file_id"],
                offset=row["offset"],
                check_at=row["check_at"],
                check=row["check_hash"],
                device=row["device"],
                inode=row["inode"],
                path=row["path"],
                family=row["family"],
                size=row["size"],
                done=bool(row["done"]),
                lost=row["lost"],
                time=row["time"],
                generation=row["generation"],
            )
            for row in self.rows("SELECT * FROM files")
        }

    # ── meta and status ───────────────────────────────────────────────────────────────────────────────────────────

    def meta(self, key: str, default: str = "") -> str:
        found = self.rows("SELECT value FROM meta WHERE key = ?", (key,))
        return found[0]["value"] if found else default

    def set_meta(self, key: str, value: str) -> None:
        self.run(StateChange("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value)))

    def status(self) -> dict[str, Any]:
        """What the running process says about itself, by key."""
        return {row["key"]: orjson.loads(row["value"]) for row in self.rows("SELECT * FROM status")}


def save_progress(progress: Iterable[Progress]) -> tuple[str, list[tuple[Any, ...]]]:
    """The statement, and its values, that store positions."""
    now = time.time()
    return (
        "INSERT OR REPLACE INTO files VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        [
            (
                p.file_id,
                p.family,
                p.path,
                p.device,
                p.inode,
                p.offset,
                p.check_at,
                p.check,
                p.size,
                p.done,
                p.lost,
                p.time,
                now,
                p.generation,
            )
            for p in progress
        ],
    )


def save_alert(alert: Alert) -> StateChange:
    """Stores an alert's current state."""
    return StateChange(
        "INSERT OR REPLACE INTO alerts VALUES (?,?,?,?,?,?,?)",
        (alert.id, alert.rule_id, alert.level, alert.first, alert.last, alert.updated, orjson.dumps(alert)),
    )


def save_window(rule_id: str, group_key: str, state: bytes | None) -> StateChange:
    """Stores the window of one rule and group; None removes it."""
    if state is None:
        return StateChange("DELETE FROM windows WHERE rule_id = ? AND group_key = ?", (rule_id, group_key))
    return StateChange("INSERT OR REPLACE INTO windows VALUES (?,?,?)", (rule_id, group_key, state))


def post(kind: str, alert: Alert, next_at: float = 0.0) -> StateChange:
    """Puts an alert into the outbox. `kind`: `record` (to the sinks), `notify` (to people) or `digest`."""
    return StateChange(
        "INSERT INTO outbox(kind, alert_id, payload, next_at) VALUES (?,?,?,?)",
        (kind, alert.id, orjson.dumps(alert), next_at),
    )


def save_status(key: str, value: Any) -> StateChange:
    """What the running process says about itself."""
    return StateChange("INSERT OR REPLACE INTO status VALUES (?,?)", (key, orjson.dumps(value)))


def _quoted(path: Path) -> str:
    return str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
