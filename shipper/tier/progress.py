"""How far an erasure is, kept in `state.db` and beside it: one that is cut short and run again counts what was done,
but for what was being erased in that moment.

Nothing of whom it is about is written down; records are named by their `event.id`.
"""

import os
import secrets
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import orjson

from shipper.clock import Clock, iso
from shipper.model import StateChange
from shipper.state import State
from shipper.tier.certificate import Line

IDS = "erasing.ids"
"""File in the data folder: the `event.id` of the records that are being erased, until all that names them is."""


class Progress:
    """Of one subject."""

    def __init__(self, state: State, data: Path, clock: Clock, subject: str) -> None:
        """`subject`: the keyed hash."""
        self._state, self._path = state, data / IDS
        self._key = f"erasing {subject}"
        noted = orjson.loads(state.meta(self._key, "{}"))
        now = iso(clock.now())
        self.taken_up = bool(noted)
        """It was cut short before."""
        self.number: str = noted.get("number") or f"{now[:10]}-{secrets.token_hex(4)}"
        self.begun: str = noted.get("begun") or now
        self._erased: Counter[tuple[str, str, str]] = Counter()
        for where, dataset, day, rows in noted.get("erased", ()):
            self._erased[where, dataset, day] += rows
        self._refused: dict[tuple[str, str, str], Line] = {}
        self.ids: set[str] = set()
        with suppress(FileNotFoundError):
            self.ids |= set(self._path.read_text("utf-8").split("\n")) - {""}

    @property
    def erased(self) -> list[Line]:
        return [Line(*key, rows) for key, rows in sorted(self._erased.items())]

    @property
    def refused(self) -> list[Line]:
        return sorted(self._refused.values(), key=lambda line: line[:3])

    def count(self, where: str, rows: int, dataset: str = "", day: str = "") -> None:
        """So many were erased just now."""
        if rows:
            self._erased[where, dataset, day] += rows
            self.save()

    def save(self) -> None:
        erased = [[*key, rows] for key, rows in self._erased.items()]
        noted = orjson.dumps({"number": self.number, "begun": self.begun, "erased": erased})
        self._state.run(StateChange("INSERT OR REPLACE INTO meta VALUES (?, ?)", (self._key, noted.decode())))

    def refuse(self, line: Line) -> None:
        self._refused[line.where, line.dataset, line.day] = line

    def note_ids(self, ids: Iterable[str]) -> None:
        """Before these records go, so that alerts lose their ids even when it is cut short in between."""
        new = {event_id for event_id in ids if event_id} - self.ids
        if new:
            self.ids |= new
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.writelines(f"{event_id}\n" for event_id in sorted(new))
                file.flush()
                os.fsync(file.fileno())

    def end(self, *changes: StateChange) -> None:
        """All is done; `changes` in the same transaction."""
        self._state.run(*changes, StateChange("DELETE FROM meta WHERE key = ?", (self._key,)))
        self._path.unlink(missing_ok=True)
