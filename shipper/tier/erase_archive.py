"""Erases records from the archive: a part that holds one is written anew without them and proven under a new key, a
manifest and a receipt say that it takes the old one's place, then the old one is deleted with all its versions.

Killed anywhere, the same erasure run again finds what is left to do: before a manifest is published nothing is changed,
and with it the keys that are to be deleted are noted in `state.db`.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import orjson

from shipper.archive import ledger
from shipper.archive.content import joined
from shipper.archive.ledger import ARCHIVE, COPY, MARKED, PLANNED, PUBLISHED, Archived, Move
from shipper.archive.manifest import DROPPED, ERASED, Part
from shipper.archive.names import revised_key
from shipper.archive.parquet import Exporter
from shipper.clock import Clock, iso
from shipper.errors import ShipperError
from shipper.model import StateChange
from shipper.objects.cache import purge
from shipper.objects.store import Locked, NeedsRestore
from shipper.query.sql import where
from shipper.query.tree import Node
from shipper.state import State
from shipper.store.read import Snapshot, open_duckdb, view
from shipper.tier.acts import unsettled
from shipper.tier.archive import PROOF, Archive
from shipper.tier.policy import end_of

OLD_KEYS = "erased_keys"
"""Key in `meta`: `[[place, key]]`, parts to be deleted unless a manifest names them: the old ones, and the new ones as
long as they are not published."""
DAY = len("2026.11.23")
"""Of the name of a part."""
Archives = Callable[[str], Archive]


class Refused(ShipperError):
    """Nothing can be erased from a dataset and day: why, and what to do."""


class Erased(NamedTuple):
    """What was erased from a dataset and day of a tier."""

    rows: int
    ids: list[str]
    """`event.id` of the records, as far as they have one."""


class ArchivedRecords:
    """The archived records of a data folder. Used by one thread that holds the lock `move`."""

    def __init__(
        self,
        state: State,
        archives: Archives,
        exporter: Exporter,
        scratch: Path,
        clock: Clock,
        *,
        tree: Node,
        cache: Path,
        about: Callable[[Iterable[str]], None] = lambda ids: None,
    ) -> None:
        """`scratch`: a folder for parts on their way. `cache`: the folder of what searches have fetched. `about` is
        told of the records before they are erased."""
        self._state, self._archives, self._exporter = state, archives, exporter
        self._scratch, self._clock, self._cache, self._about = scratch, clock, cache, about
        self._condition = where(tree)

    def erase(self, one: Archived, query: str, note: str) -> Erased:
        """Erases from all parts of a dataset and day, or from none. Raises `Refused` where nothing may be erased or
        read now, `ShipperError`.

        A copy in grace is dropped as a whole: the one that took its place is proven.
        """
        archive = self._archives(one.place)
        self.check_free(one)
        if one.grace:
            self._forget(one.manifest.parts)
            archive.retire(one, DROPPED, note)
            return Erased(0, [])
        parts, erased = [], Erased(0, [])
        for part in one.manifest.parts:
            left, taken = self._without(archive, part, query)
            parts += [left] if left is not None else []
            erased = Erased(erased.rows + taken.rows, erased.ids + taken.ids)
        if erased.rows:
            self._about(erased.ids)
            self._publish(archive, one, parts, note)
        return erased

    def finish(self) -> None:
        """Carries out what an erasure that was cut short has left to do."""
        for place in unsettled(self._state):
            self._archives(place).settle()
        delete_erased(self._state, self._archives)

    def check_free(self, one: Archived) -> None:
        """Raises `Refused` when one of the parts may not be deleted, or can't be read."""
        archive = self._archives(one.place)
        for part in one.manifest.parts:
            where = f"{archive.objects.where}/{part.key}"
            head = archive.head(part.key)
            # Not every list of versions says what is on hold; what an object says of itself does.
            for stored in (*archive.objects.versions(part.key), *([head] if head is not None else [])):
                if stored.legal_hold:
                    raise Refused(f"{where}: under a legal hold; release it, then run the same erase again")
                if stored.locked_until is not None and stored.locked_until > self._clock.now():
                    raise Refused(f"{where}: locked until {iso(stored.locked_until)}; run the same erase again then")
            if not one.grace and head is not None and not head.readable:
                raise Refused(frozen(one, head.restoring))

    # ── one dataset and day ───────────────────────────────────────────────────────────────────────────────────────

    def _without(self, archive: Archive, part: Part, query: str) -> tuple[Part | None, Erased]:
        """The part that takes a part's place (none when nothing is left of it), and what is not in it any more."""
        local, target = self._scratch / "erase-from.parquet", self._scratch / "erased.parquet"
        where = f"{archive.objects.where}/{part.key}"
        try:
            try:
                found = archive.fetch(part.key, local)
            except NeedsRestore as error:
                raise Refused(str(error)) from error
            if found != part.sha256:
                raise ShipperError(f"{where}: not what its manifest names; look with: shipper tier verify")
            kept, taken = self._exporter.rewrite(local, target, query, "", "")
            if not taken.rows:
                return part, Erased(0, [])
            if (kept.rows + taken.rows, joined([kept.content, taken.content])) != (part.rows, part.content):
                raise ShipperError(f"{where}: what is kept and what is erased are not the whole; nothing was changed")
            erased = Erased(taken.rows, self._ids(local))
            if not kept.rows:
                return None, erased
            key = revised_key(part.key)
            self._state.run(_note([*old_keys(self._state), [archive.place, key], [archive.place, key + PROOF]]))
            new = archive.prove(
                key,
                target,
                kept,
                storage_class=part.storage_class,
                tags={"tier": part.key.partition("/")[0]},
            )
            return new, erased
        finally:
            for path in (local, target):
                path.unlink(missing_ok=True)

    def _ids(self, path: Path) -> list[str]:
        with open_duckdb(self._scratch / "spill", threads=1) as connection:
            records = view(connection, Snapshot([str(path)], [], 0))
            sql = f'SELECT "event.id" FROM ({records}) WHERE {self._condition.sql}'
            rows = connection.execute(sql, list(self._condition.values)).fetchall()
        return [row[0] for row in rows if row[0]]

    def _publish(self, archive: Archive, one: Archived, parts: Sequence[Part], note: str) -> None:
        kept = {part.key for part in parts}
        old = [part for part in one.manifest.parts if part.key not in kept]
        self._forget(old)
        if parts:
            noted = [*old_keys(self._state), *([one.place, part.key] for part in old)]
            manifest = replace(one.manifest, parts=tuple(parts), revision=one.manifest.revision + 1)
            archive.publish(manifest, ERASED, note, [_note(noted)])
            delete_erased(self._state, self._archives)
        else:
            archive.retire(one, ERASED, note)

    def _forget(self, parts: Iterable[Part]) -> None:
        """Before they go: nobody would know of pieces that a kill has left."""
        purge(self._cache, [part.sha256 for part in parts])


def old_keys(state: State) -> list[list[str]]:
    """See `OLD_KEYS`."""
    found: list[list[str]] = orjson.loads(state.meta(OLD_KEYS, "[]"))
    return found


def delete_erased(state: State, archives: Archives) -> None:
    """Deletes what `OLD_KEYS` names, after acts that were cut short are settled. Raises `ShipperError`."""
    rest, locked = old_keys(state), list[list[str]]()
    while rest:
        place, key = rest[0]
        of_day = ledger.archived(state, grace=True, day=Path(key).name[:DAY])
        try:
            if key not in {part.key for one in of_day for part in one.manifest.parts}:
                archives(place).objects.delete(key)
        except Locked as error:
            # The others do not wait for it.
            locked, failure = [*locked, rest[0]], error
        rest = rest[1:]
        state.run(_note([*locked, *rest]))
    if locked:
        raise failure


def undo_unpublished(state: State, discard: Callable[[Move], None], clock: Clock) -> None:
    """Moves that have put something into the archive and published none of it begin anew: what they put was made before
    the erasure. `discard` deletes it, and takes it out of the move's notes."""
    for move in ledger.moves(state):
        if "putting" not in move.detail:
            continue
        discard(move)
        for name in ("parts", "next"):
            move.detail.pop(name, None)
        if move.kind in (ARCHIVE, COPY) and move.step not in (PUBLISHED, MARKED):
            move.step = PLANNED
        with suppress(KeyError):
            del move.detail["putting"]
        state.run(ledger.save_move(move, clock.now()))


def frozen(one: Archived, restoring: bool = False) -> str:
    """What to do about a day in a class that can't be read at once."""
    day = one.day.replace(".", "-")
    classes = ", ".join(sorted({part.storage_class for part in one.manifest.parts}))
    if restoring:
        return f"it is being restored from {classes}; run the same erase again when it can be read"
    return (
        f"it lies in {classes}, which can't be read at once; first: shipper tier restore --since {day} "
        f"--until {iso(end_of(one.day))[:10]}, then run the same erase again"
    )


def _note(keys: Sequence[Sequence[str]]) -> StateChange:
    return StateChange("INSERT OR REPLACE INTO meta VALUES (?, ?)", (OLD_KEYS, orjson.dumps(keys).decode()))
