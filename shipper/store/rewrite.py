"""Puts a file with fewer records in the place of a sealed segment, as erasing them asks for.

The new one has a number of its own, so that no reader ever finds other bytes under a name than the list told it.
"""

from contextlib import suppress
from pathlib import Path

import orjson

from shipper.archive.ledger import ARCHIVE, Move, moves, save_move
from shipper.errors import ShipperError
from shipper.model import StateChange
from shipper.state import State
from shipper.store.disk import leave_folder, sync_file, sync_folder
from shipper.store.layout import REWRITTEN, Segment, listed, reserve_number, rewritten


def replace_segment(data: Path, state: State, old: Segment, new_file: Path, rows: int) -> Segment | None:
    """Lists `new_file`, a sealed file with so many rows, for `old`, and removes `old`; without rows there is none.

    `new_file` lies anywhere in the data folder, and is moved. Marks, and points of moves, that name the old segment
    name the new one from now on. Killed anywhere, one of the two is listed, and the other is removed at the next start.
    Raises `ShipperError` when `old` is not sealed, or not listed any more.
    """
    if old.form != "parquet" or old.number not in {each.number for each in listed(state, old.stream)}:
        raise ShipperError(f"{old.path(data)}: not a sealed segment, or gone meanwhile; run it again")
    new = _placed(data, state, old, new_file, rows) if rows else None
    numbers = {each.number for each in listed(state)} & rewritten(state) | ({new.number} if new else set())
    state.run(
        *(_listing(old, new) if new else ()),
        *(StateChange(f"DELETE FROM {table} WHERE number = ?", (old.number,)) for table in ("segments", "marked")),
        *(save_move(move, move.changed) for move in _pointing_at(state, old.number, new)),
        StateChange("INSERT OR REPLACE INTO meta VALUES (?,?)", (REWRITTEN, orjson.dumps(sorted(numbers)).decode())),
    )
    with suppress(FileNotFoundError):
        old.path(data).unlink()
    leave_folder(old.path(data).parent)
    return new


def _placed(data: Path, state: State, old: Segment, new_file: Path, rows: int) -> Segment:
    new_file.chmod(0o600)
    sync_file(new_file)
    new = old._replace(number=reserve_number(state), bytes=new_file.stat().st_size, rows=rows)
    new_file.rename(new.path(data))
    sync_folder(new.path(data).parent)
    return new


def _listing(old: Segment, new: Segment) -> list[StateChange]:
    return [
        StateChange("INSERT INTO segments VALUES (?,?,?,?,?,?,?,?)", tuple(new)),
        StateChange("INSERT INTO marked SELECT ?, at FROM marked WHERE number = ?", (new.number, old.number)),
    ]


POINTS = ("point", "next")
"""Of a move: up to where its day is in the archive, and up to where it was read."""


def _pointing_at(state: State, old: int, new: Segment | None) -> list[Move]:
    """Moves under way that have taken the old segment, with the new one in its place."""
    found = []
    for move in moves(state):
        points = [move.detail.get(name, {}) for name in POINTS] if move.kind == ARCHIVE else []
        taken = [point for point in points if old in point.get("segments", ())]
        for point in taken:
            kept = {number for number in point["segments"] if number != old} | ({new.number} if new else set())
            point["segments"] = sorted(kept)
        if taken:
            found.append(move)
    return found
