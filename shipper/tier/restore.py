"""Gets archived days back: asks for those whose class can't be read at once, and keeps the time of those that came back
into Elasticsearch. What fills their indices is in `refill`.

A restored index is a copy. The archive keeps what it has, so deleting the copy loses nothing, on hold or not.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import orjson

from shipper.archive.ledger import Archived
from shipper.archive.manifest import Part
from shipper.clock import iso
from shipper.elastic.connect import Elastic, ElasticError
from shipper.errors import ShipperError
from shipper.model import StateChange
from shipper.objects.store import Missing, ObjectStore
from shipper.objects.thaw import SPEEDS, Speed
from shipper.query.values import period
from shipper.state import State
from shipper.tier.audit import audit
from shipper.tier.policy import DAY_S, end_of

ELASTICSEARCH = "elasticsearch"
"""The place of a day that came back into an index; any other one is where its objects lie."""
READABLE, READY, ASKED, WAITING, NEEDED = "readable", "ready", "asked", "waiting", "needed"
"""How a day stands: its class can be read at any time · it was restored, and can be read for a while · it was asked for
just now · it was asked for before, and is not there yet · it has to be asked for."""
RESTORE_ASKED, RESTORED, RESTORED_DELETED = "restore-asked", "restored", "restored-deleted"
"""Values of `event.action`."""
SLOWEST_S = 2 * DAY_S


class Day(NamedTuple):
    """One dataset and day of the archive that somebody wants back."""

    one: Archived
    parts: list[Part]
    """Those that may hold records of the wanted time."""
    standing: str
    until: float | None = None
    """`ready`: when it can't be read any more, in seconds since the epoch."""
    storage_class: str = ""

    @property
    def bytes(self) -> int:
        return sum(part.bytes for part in self.parts)

    @property
    def is_readable(self) -> bool:
        return self.standing in (READABLE, READY)


class Restored(NamedTuple):
    """A day that is back, or on its way."""

    day: str
    place: str
    """`elasticsearch`, or where its objects lie."""
    until: float
    """In seconds since the epoch."""
    detail: dict[str, Any]
    """`elasticsearch`: `index` and `rows`; else `bytes` and `asked`, in seconds since the epoch."""


# ── days in a class that can't be read at once ────────────────────────────────────────────────────────────────────────


def covered(
    archived: Iterable[Archived], since: float | None, until: float | None
) -> list[tuple[Archived, list[Part]]]:
    """What may hold records between two times (seconds since the epoch, `until` excluded), with its parts that may."""
    found = []
    for one in archived:
        end = end_of(one.day)
        if (since is not None and since >= end) or (until is not None and until <= end - DAY_S):
            continue
        # Of a day that is wanted whole, those as well that hold no record with a time.
        whole = (since is None or since <= end - DAY_S) and (until is None or until >= end)
        parts = [part for part in one.manifest.parts if part.rows and (whole or _may_hold(part, since, until))]
        if parts:
            found.append((one, parts))
    return found


def _may_hold(part: Part, since: float | None, until: float | None) -> bool:
    first, last = period(part.first), period(part.last)
    if first is None or last is None:
        return False
    return (since is None or last[1] > since * 1e6) and (until is None or first[0] < until * 1e6)


def look(objects: ObjectStore, one: Archived, parts: Sequence[Part]) -> Day:
    """How a day stands now. Raises `Missing`, `ObjectError`."""
    standing, until, storage_class = READABLE, None, ""
    for part in parts:
        there = objects.head(part.key)
        if there is None:
            raise Missing(f"{objects.where}/{part.key}: gone from the archive; look with: shipper tier verify")
        if not there.readable:
            standing, storage_class = WAITING if there.restoring and standing != NEEDED else NEEDED, there.storage_class
        elif there.readable_until is not None and standing in (READABLE, READY):
            standing, storage_class = READY, there.storage_class
            until = there.readable_until if until is None else min(until, there.readable_until)
    return Day(one, list(parts), standing, until if standing == READY else None, storage_class)


def ask(objects: ObjectStore, state: State, day: Day, *, days: int, speed: str, now: float) -> Day:
    """Asks for a day that needs it, so that it can be read for so many days. Raises `ObjectError`."""
    if day.standing != NEEDED:
        return day
    for part in day.parts:
        objects.restore(part.key, days, speed)
    one = day.one
    message = f"{one.day} of {one.dataset or 'no dataset'} asked for in {one.tier}, readable for {days} days"
    state.run(
        *_keep(state, Restored(one.day, one.place, now + SLOWEST_S + days * DAY_S, {"bytes": day.bytes, "asked": now})),
        audit(RESTORE_ASKED, message, now, **_of_day(one), **{"audit.speed": speed, "audit.days": days}),
    )
    return day._replace(standing=ASKED)


def speed_of(day: Day, speed: str) -> Speed | None:
    """What asking for it so takes. None: its class knows no such speed."""
    return next((known for known in SPEEDS.get(day.storage_class, ()) if known.name == speed), None)


# ── days that are back ────────────────────────────────────────────────────────────────────────────────────────────────


def restored(state: State) -> list[Restored]:
    """All that is back or was asked for, oldest day first."""
    rows = state.rows("SELECT day, place, until, detail FROM restored ORDER BY day, place")
    return [Restored(row["day"], row["place"], row["until"], orjson.loads(row["detail"])) for row in rows]


def announce(state: State, day: str, index: str, until: float) -> None:
    """A day is about to come into an index: noted before it is there, so that it never stays for want of a note."""
    state.run(*_keep(state, Restored(day, ELASTICSEARCH, until, {"index": index, "rows": 0})))


def arrived(state: State, one: Archived, index: str, rows: int, now: float, *, narrowed: bool) -> None:
    """Records of a day are in an index. `narrowed`: only those that a query found. The query itself is kept nowhere: it
    may name a person."""
    known = [each for each in restored(state) if (each.day, each.place) == (one.day, ELASTICSEARCH)]
    until = known[0].until if known else now
    before = known[0].detail.get("datasets", {}) if known else {}
    datasets = {**before, one.dataset: rows}
    detail = {"index": index, "rows": sum(datasets.values()), "datasets": datasets}
    which = "records that a query found" if narrowed else "records"
    message = f"{rows} {which} of {one.day}, {one.dataset or 'no dataset'}, restored into {index} until {iso(until)}"
    state.run(
        _save(Restored(one.day, ELASTICSEARCH, until, detail)),
        audit(RESTORED, message, now, **_of_day(one), **{"audit.rows": rows, "audit.index": index}),
    )


def expire(state: State, elastic: Elastic | None, now: float) -> list[str]:
    """Deletes the indices whose time is over, and forgets what can't be read any more; returns the deleted ones.

    Safe to be killed in and run again. Raises `ShipperError` when Elasticsearch does not do it now.
    """
    deleted = []
    for each in restored(state):
        if each.until > now:
            continue
        gone = StateChange("DELETE FROM restored WHERE day = ? AND place = ?", (each.day, each.place))
        if each.place != ELASTICSEARCH:
            state.run(gone)
        elif elastic is not None:
            index = each.detail["index"]
            _delete(elastic, index)
            message = f"{index} deleted, its time was over at {iso(each.until)}; the archive keeps its records"
            state.run(gone, audit(RESTORED_DELETED, message, now, **{"audit.day": each.day, "audit.index": index}))
            deleted.append(index)
    return deleted


def _delete(elastic: Elastic, index: str) -> None:
    try:
        elastic.request("DELETE", f"/{index}")
    except ElasticError as error:
        if error.status != 404:
            raise ShipperError(str(error)) from error


def _keep(state: State, new: Restored) -> list[StateChange]:
    """A day that is there already stays at least as long as it was to, with all that is known of it."""
    for old in restored(state):
        if (old.day, old.place) == (new.day, new.place):
            new = Restored(new.day, new.place, max(old.until, new.until), {**new.detail, **old.detail})
    return [_save(new)]


def _save(one: Restored) -> StateChange:
    values = (one.day, one.place, one.until, orjson.dumps(one.detail))
    return StateChange("INSERT OR REPLACE INTO restored VALUES (?,?,?,?)", values)


def _of_day(one: Archived) -> dict[str, str]:
    return {"audit.day": one.day, "audit.dataset": one.dataset, "audit.tier": one.tier, "audit.place": one.place}
