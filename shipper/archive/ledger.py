"""What `state.db` knows of tiers: which days are archived where, what is being moved, what is on hold.

The archive's own manifests and receipts say the same; this is what is asked without fetching anything.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from shipper.archive.manifest import Manifest, manifest_from, to_bytes
from shipper.model import StateChange
from shipper.state import State

PLANNED, EXPORTED, VERIFIED, PUBLISHED, MARKED, DELETED = (
    "planned",
    "exported",
    "verified",
    "published",
    "marked",
    "deleted",
)
STEPS = (PLANNED, EXPORTED, VERIFIED, PUBLISHED, MARKED, DELETED)
"""Of a move, in order: what was done last. `marked`: the source waits for its grace to end."""

DONE_KEPT_S = 30 * 86_400.0
"""How long `state.db` keeps a move that is done."""
ARCHIVE, COPY, EXPIRE = "archive", "copy", "expire"
"""Kinds of moves: a day of the hot store, all its datasets, into the archive (what came late as well) · one archived
dataset and day to another tier · one to nowhere."""


class Archived(NamedTuple):
    """One dataset and day in one tier of one place."""

    place: str
    """As the policy names it: `s3://bucket/prefix`, or a folder (relative ones are below the data folder)."""
    tier: str
    dataset: str
    day: str
    manifest: Manifest
    grace: bool
    """A colder copy is published: this one is not searched, and waits to be deleted."""
    since: float
    """When it was published, in seconds since the epoch."""


@dataclass(slots=True)
class Move:
    """A move under way, or done."""

    kind: str
    day: str
    dataset: str
    """Empty: all of a hot day."""
    from_tier: str
    to_tier: str
    reason: str
    step: str = PLANNED
    detail: dict[str, Any] = field(default_factory=dict)
    """What later steps need, as JSON: the fixed point of the source, what was put where, when it was marked."""
    failure: str = ""
    """Why the last attempt stopped; empty when it did not."""
    began: float = 0.0
    changed: float = 0.0
    seq: int = 0
    """0: not stored yet."""


def archived(state: State, *, grace: bool = False, day: str = "") -> list[Archived]:
    """What is archived, oldest day first; with `grace` also the copies that wait to be deleted; or of one day alone."""
    of_day, values = (" AND day = ?", (grace, day)) if day else ("", (grace,))
    rows = state.rows(f"SELECT * FROM archived WHERE grace <= ?{of_day} ORDER BY day, dataset, tier", values)
    return [_archived(row) for row in rows]


def _archived(row: sqlite3.Row) -> Archived:
    manifest = manifest_from(row["manifest"], "state.db")
    return Archived(row["place"], row["tier"], row["dataset"], row["day"], manifest, bool(row["grace"]), row["since"])


def save_archived(place: str, manifest: Manifest, now: float) -> StateChange:
    """It is published now."""
    return StateChange(
        "INSERT OR REPLACE INTO archived VALUES (?,?,?,?,?,0,?)",
        (place, manifest.tier, manifest.dataset, manifest.day, to_bytes(manifest), now),
    )


def put_in_grace(one: Archived, *, grace: bool = True) -> StateChange:
    """A colder copy of it is published, or not."""
    return StateChange(
        "UPDATE archived SET grace = ? WHERE place = ? AND tier = ? AND dataset = ? AND day = ?",
        (grace, one.place, one.tier, one.dataset, one.day),
    )


def drop_archived(one: Archived) -> StateChange:
    """It is gone."""
    return StateChange(
        "DELETE FROM archived WHERE place = ? AND tier = ? AND dataset = ? AND day = ?",
        (one.place, one.tier, one.dataset, one.day),
    )


# ── moves ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def moves(state: State, *steps: str) -> list[Move]:
    """Moves whose last step is one of these, in the order in which they began; all that are not done by default."""
    wanted = steps or STEPS[:-1]
    marks = ",".join("?" * len(wanted))
    rows = state.rows(f"SELECT * FROM moves WHERE step IN ({marks}) ORDER BY seq", wanted)
    return [Move(**{**dict(row), "detail": orjson.loads(row["detail"])}) for row in rows]


def begin_move(state: State, move: Move, now: float) -> Move:
    """Stores a new move, which gets its number."""
    new = new_move(move, now)
    with state.transaction() as db:
        move.seq = db.execute(new.sql, new.values).lastrowid or 0
    return move


def new_move(move: Move, now: float) -> StateChange:
    """For a transaction that does more."""
    move.began = move.changed = now
    return StateChange(
        "INSERT INTO moves(kind, day, dataset, from_tier, to_tier, step, reason, detail, failure, began, changed) "
        "VALUES (?,?,?,?,?,?,?,?,?,?,?)",
        _values(move),
    )


def save_move(move: Move, now: float) -> StateChange:
    """Its step, detail and failure as they are now."""
    move.changed = now
    return StateChange(
        "UPDATE moves SET kind=?, day=?, dataset=?, from_tier=?, to_tier=?, step=?, reason=?, detail=?, failure=?, "
        "began=?, changed=? WHERE seq=?",
        (*_values(move), move.seq),
    )


def forget_move(move: Move) -> StateChange:
    """It is to be planned anew."""
    return StateChange("DELETE FROM moves WHERE seq = ?", (move.seq,))


def forget_done(now: float) -> StateChange:
    """Moves that were done long ago; what they did is in the receipts."""
    return StateChange("DELETE FROM moves WHERE step = ? AND changed < ?", (DELETED, now - DONE_KEPT_S))


def _values(move: Move) -> tuple[Any, ...]:
    return (
        move.kind,
        move.day,
        move.dataset,
        move.from_tier,
        move.to_tier,
        move.step,
        move.reason,
        orjson.dumps(move.detail),
        move.failure,
        move.began,
        move.changed,
    )


def days_in_grace(state: State) -> dict[str, dict[str, Any]]:
    """Hot days that belong to the archive and are still in the hot store: day → the point up to which they do (see
    `tier.hot`). What came behind that point is hot."""
    found = [move for move in moves(state, PUBLISHED, MARKED) if move.kind == ARCHIVE]
    return {move.day: move.detail["point"] for move in found}


# ── the chain of receipts ─────────────────────────────────────────────────────────────────────────────────────────────


def chain(state: State, place: str) -> tuple[int, str]:
    """Number and SHA-256 of the last receipt at a place; `(0, "")` before the first."""
    rows = state.rows("SELECT number, digest FROM chains WHERE place = ?", (place,))
    return (rows[0]["number"], rows[0]["digest"]) if rows else (0, "")


def save_chain(place: str, number: int, digest: str) -> StateChange:
    return StateChange("INSERT OR REPLACE INTO chains VALUES (?,?,?)", (place, number, digest))


# ── holds ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Hold(NamedTuple):
    """What nobody may delete. `since` and `until` are RFC 3339 or empty."""

    id: int
    query: str
    since: str
    until: str
    reason: str
    who: str
    added: float
    released: float | None
    why: str
    """Why it was released."""


def holds(state: State, *, released: bool = False) -> list[Hold]:
    """Those that are in force, oldest first; with `released` the others too."""
    rows = state.rows(f"SELECT * FROM holds {'' if released else 'WHERE released IS NULL '}ORDER BY id")
    return [Hold(*row) for row in rows]


# ── segments of the embedded store whose rows belong to the archive ───────────────────────────────────────────────────


def mark_segments(numbers: Sequence[int], now: float) -> list[StateChange]:
    """They are searched in the archive from now on."""
    return [StateChange("INSERT OR REPLACE INTO marked VALUES (?,?)", (number, now)) for number in numbers]


def marked_segments(state: State) -> set[int]:
    return {row["number"] for row in state.rows("SELECT number FROM marked")}
