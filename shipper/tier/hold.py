"""What nobody may delete: holds, and what they keep. A hold is a query and times; it keeps whole days of a dataset.

A dataset's day on which one record fulfils a hold never expires, and nothing is erased from it. Moving it to another
tier is allowed: a proven copy is there before the old one goes. It is asked at every delete, of the records themselves,
so what comes after the hold was made is kept as well; where it can't be told, the day counts as held.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple

import orjson

from shipper.archive import ledger
from shipper.archive.ledger import Hold
from shipper.errors import ShipperError, UsageError
from shipper.model import StateChange
from shipper.objects.store import Missing, ObjectError, ObjectStore
from shipper.state import State
from shipper.tier.audit import HOLD_ADDED, HOLD_RELEASED, audit, who
from shipper.tier.policy import DAY_S, end_of

Count = Callable[[str, float | None, float | None, str, str], int]
"""`count(query, since, until, dataset, day)`: records of a dataset and day, in whatever store, that fulfil a query
between two times (seconds since the epoch, the second excluded). Raises `ShipperError` when it can't be told."""
Open = Callable[[str], ObjectStore]
"""The store of a place as the ledger names it. Raises `ShipperError`."""
OURS = "legal_holds"
"""Key in `meta`: `[[place, key, version]]`, the objects whose legal hold was set here and is taken off here again."""


class Protection(NamedTuple):
    """What became of the legal holds of a hold's parts."""

    days: list[tuple[str, str]]
    """`(dataset, day)` of the archive that the hold keeps."""
    objects: int
    """How many objects the store itself protects now, or no longer."""
    problems: list[str]
    """A line for each place or object where that failed. The hold is in force all the same."""


class Holds:
    """The holds in force, asked of one data folder."""

    def __init__(self, state: State, count: Count, open_place: Open) -> None:
        self._state, self._count, self._open = state, count, open_place

    def held(self, dataset: str, day: str) -> list[Hold]:
        """The holds that keep a dataset's day `2026.11.23`."""
        return [hold for hold in ledger.holds(self._state) if self._keeps(hold, dataset, day)]

    def protect(self, place: str, dataset: str, day: str, keys: Iterable[str]) -> list[str]:
        """Puts the store's own legal hold on new objects of a day that is held; returns what failed, a line each."""
        return self._switch(place, keys, on=True)[1] if self.held(dataset, day) else []

    def let_go(self, place: str, keys: Iterable[str]) -> list[str]:
        """Takes the legal holds that were set here off objects which a copy has taken the place of."""
        return self._switch(place, keys, on=False)[1]

    def add(self, query: str, since: str, until: str, reason: str, now: float) -> tuple[int, Protection]:
        """A new hold: its number, and what it protects. `since` and `until` are RFC 3339 or empty; the query has been
        parsed. It is in force before any object is touched."""
        values = (query, since, until, reason, who(), now)
        with self._state.transaction() as db:
            sql = "INSERT INTO holds(query, since, until, reason, who, added) VALUES (?,?,?,?,?,?)"
            number = db.execute(sql, values).lastrowid or 0
            told = {"hold.id": number, "hold.reason": reason, "hold.since": since, "hold.until": until}
            act = audit(HOLD_ADDED, f"hold {number} was added: {reason}", now, **_filled(told))
            db.execute(act.sql, act.values)
        hold = next(each for each in ledger.holds(self._state) if each.id == number)
        return number, self._protection(hold, on=True)

    def release(self, number: int, why: str, now: float) -> Protection:
        """Ends a hold. Raises `UsageError` when there is none with this number, or it is released already."""
        hold = next((each for each in ledger.holds(self._state) if each.id == number), None)
        if hold is None:
            raise UsageError(f"there is no hold {number} in force; see: shipper hold list --all")
        told = {"hold.id": number, "hold.reason": hold.reason, "hold.released": why}
        self._state.run(
            StateChange("UPDATE holds SET released = ?, why = ? WHERE id = ?", (now, why, number)),
            audit(HOLD_RELEASED, f"hold {number} was released: {why}", now, **told),
        )
        return self._protection(hold, on=False)

    # ── which days ────────────────────────────────────────────────────────────────────────────────────────────────

    def _keeps(self, hold: Hold, dataset: str, day: str) -> bool:
        since, until = seconds(hold.since), seconds(hold.until)
        end = end_of(day)
        if (since is not None and since >= end) or (until is not None and until <= end - DAY_S):
            return False
        try:
            return self._count(hold.query, since, until, dataset, day) > 0
        except ShipperError:
            return True

    def _protection(self, hold: Hold, *, on: bool) -> Protection:
        """Objects of the days that a hold keeps; off only where no other one keeps them."""
        days, objects, problems = [], 0, []
        for one in ledger.archived(self._state, grace=True):
            if not self._keeps(hold, one.dataset, one.day):
                continue
            days.append((one.dataset, one.day))
            if on or not self.held(one.dataset, one.day):
                switched, failed = self._switch(one.place, [part.key for part in one.manifest.parts], on=on)
                objects += switched
                problems += failed
        return Protection(sorted(set(days)), objects, list(dict.fromkeys(problems)))

    # ── the store's own holds ─────────────────────────────────────────────────────────────────────────────────────

    def _switch(self, place: str, keys: Iterable[str], *, on: bool) -> tuple[int, list[str]]:
        """How many objects were switched, and what failed."""
        ours, switched, failed = self._ours(), 0, []
        act = self._put_on if on else self._take_off
        try:
            objects = self._open(place)
        except ShipperError as error:
            return 0, [str(error)]
        for key in keys:
            try:
                switched += act(objects, place, key, ours)
            except ObjectError as error:
                failed.append(str(error))
        return switched, failed

    def _put_on(self, objects: ObjectStore, place: str, key: str, ours: list[list[str]]) -> bool:
        stored = objects.head(key)
        if stored is None or stored.legal_hold:
            # Somebody else's is not ours to take off.
            return False
        ours.append([place, key, stored.version])
        self._state.run(_remember(ours))
        if not objects.hold(key, on=True, version=stored.version):
            ours.pop()
            self._state.run(_remember(ours))
            return False
        return True

    def _take_off(self, objects: ObjectStore, place: str, key: str, ours: list[list[str]]) -> bool:
        """Also off a version that was replaced since: nobody else would, and it could never be deleted."""
        done = False
        for one in [each for each in ours if each[:2] == [place, key]]:
            with suppress(Missing):
                done = objects.hold(key, on=False, version=one[2]) or done
            ours.remove(one)
            self._state.run(_remember(ours))
        return done

    def _ours(self) -> list[list[str]]:
        found: list[list[str]] = orjson.loads(self._state.meta(OURS, "[]"))
        return found


def seconds(when: str) -> float | None:
    """Seconds since the epoch of an RFC 3339 time; None for an empty one."""
    return datetime.fromisoformat(when).timestamp() if when else None


def _remember(ours: Sequence[Sequence[str]]) -> StateChange:
    return StateChange("INSERT OR REPLACE INTO meta VALUES (?, ?)", (OURS, orjson.dumps(ours).decode()))


def _filled(fields: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value != ""}
