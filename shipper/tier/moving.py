"""What all kinds of moves share: their surroundings, their steps in `state.db`, the end of a move."""

import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from shipper import log
from shipper.archive import ledger
from shipper.archive.ledger import DELETED, MARKED, Archived, Move
from shipper.archive.manifest import Part
from shipper.archive.parquet import Exporter
from shipper.clock import Clock
from shipper.errors import ShipperError
from shipper.model import StateChange
from shipper.objects.store import Locked
from shipper.state import State
from shipper.tier.archive import PROOF, Archive, Mismatch
from shipper.tier.audit import audit
from shipper.tier.hot import Hot
from shipper.tier.planned import Planned
from shipper.tier.policy import Tiers

DAY_DELETED = "day-deleted"
"""`event.action` of the audit record."""


class Stopped(Exception):
    """The run is to end; what was begun is taken up by the next one."""


def nothing(*_: Any) -> None:
    """Told of something, and does not care."""


@dataclass(slots=True)
class Moving:
    """The surroundings of moves. One thread uses them, which holds the lock `move`."""

    tiers: Tiers
    hot: Hot
    state: State
    archives: Callable[[str], Archive]
    """Place, as the policy names it → its archive."""
    exporter: Exporter
    scratch: Path
    """A folder that only moves use; emptied before and after each."""
    clock: Clock
    held: Callable[[str, str], object] = nothing
    """Dataset, day → true when a record of it is on hold."""
    protect: Callable[[str, str, str, Sequence[str]], Sequence[str]] = lambda *_: ()
    """Place, dataset, day, keys: a held day's new objects get the store's own legal hold; what failed, a line each."""
    let_go: Callable[[str, Sequence[str]], Sequence[str]] = lambda *_: ()
    """Place, keys: objects that a copy has taken the place of lose the one that was set here."""
    forget: Callable[[Iterable[str]], None] = nothing
    """SHA-256 of parts that are about to be gone for good: pieces of them that were fetched go first."""
    passed: Callable[[str], None] = nothing
    """Told of every step and every write that is done; raises `Stopped` when nothing more is to begin."""
    stored: Callable[[int], None] = nothing
    """Told of bytes on their way to the archive."""
    free: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free
    """Bytes that a folder's disk has left."""

    def begin(self, planned: Planned) -> Move:
        """A move that is stored, with all that carrying it out needs of the plan."""
        detail = {
            "place": planned.place,
            "storage_class": planned.storage_class,
            "lock_until": planned.lock_until,
            "bytes": planned.bytes,
            "rows": planned.rows,
        }
        names = (planned.kind, planned.day, planned.dataset, planned.from_tier, planned.to_tier, planned.reason)
        move = ledger.begin_move(self.state, Move(*names, detail=detail), self.clock.now())
        self.passed("planned")
        return move

    def save(self, move: Move, step: str = "") -> None:
        """The move as it is now, after this step."""
        self.state.run(self.change(move, step or move.step))
        move.step = step or move.step
        self.passed(move.step)

    def change(self, move: Move, step: str) -> StateChange:
        """The same for a transaction that does more, and may fail: the move itself stays at its step."""
        return ledger.save_move(replace(move, step=step), self.clock.now())

    def mark(self, move: Move) -> None:
        """The source waits for its grace to end."""
        move.detail["marked"] = self.clock.now()
        self.save(move, MARKED)

    def grace_is_over(self, move: Move) -> bool:
        return bool(self.clock.now() >= move.detail["marked"] + self.tiers.grace)

    def ended(self, move: Move, what: str) -> list[StateChange]:
        """What belongs into the transaction in which the source of a move is gone."""
        fields: dict[str, Any] = {"audit.day": move.day, "audit.tier": move.from_tier, "audit.reason": move.reason}
        if move.dataset:
            fields["audit.dataset"] = move.dataset
        return [audit(DAY_DELETED, what, self.clock.now(), **fields), self.change(move, DELETED)]

    def there(self, day: str, dataset: str | None = None, *, grace: bool = False) -> list[Archived]:
        """What the archive has of a day, in all tiers and places."""
        return [one for one in ledger.archived(self.state, grace=grace, day=day) if dataset in (None, one.dataset)]

    def published(self, day: str) -> set[str]:
        """Keys of the parts of a day that some manifest names."""
        return {part.key for one in self.there(day, grace=True) for part in one.manifest.parts}

    def check_there(self, archived: Sequence[Archived]) -> None:
        """Looks once more that the archive has what it should before a source of it is deleted. Raises `Mismatch`."""
        for one in archived:
            archive = self.archives(one.place)
            for part in one.manifest.parts:
                _check(archive, part)

    def discard(self, move: Move) -> None:
        """Deletes what a move has put into the archive and never published; what is locked is left."""
        published = self.published(move.day)
        for place, key in move.detail.pop("putting", []):
            for each in (key, key + PROOF):
                if each not in published:
                    self._discard(self.archives(place), each)

    def _discard(self, archive: Archive, key: str) -> None:
        try:
            archive.discard(key)
        except Locked:
            self.passed(f"locked {key}")

    def hand_on_hold(self, place: str, dataset: str, day: str, *, new: Sequence[str], old: Sequence[str] = ()) -> None:
        """Legal holds of the store go with a held day, from its old objects to its new ones. The hold itself is in
        force without them, so what fails is only said."""
        _say("handed on", day, [*self.protect(place, dataset, day, new), *(self.let_go(place, old) if old else ())])

    def unlock(self, place: str, day: str, keys: Sequence[str]) -> None:
        """Takes the store's own legal holds off a day that nothing holds any more: a release that was cut short, or
        that could not reach the store, has left them."""
        _say("taken off", day, self.let_go(place, keys))

    def empty_folder(self, name: str) -> Path:
        """A folder below the scratch folder that is there and empty."""
        folder = self.scratch / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700, parents=True)
        return folder

    def check_room(self, size: int) -> None:
        """Raises `ShipperError` when less than twice so many bytes are free."""
        free = self.free(self.scratch)
        if free < 2 * size:
            raise ShipperError(
                f"{self.scratch}: {free} bytes are free, {2 * size} are needed to archive this day; make room on that "
                "disk, nothing was moved"
            )


def _say(what: str, day: str, problems: Iterable[str]) -> None:
    for problem in problems:
        log.say("warning", f"a legal hold could not be {what}", day=day, reason=problem)


def _check(archive: Archive, part: Part) -> None:
    stored = archive.head(part.key)
    where = f"{archive.objects.where}/{part.key}"
    if stored is None:
        raise Mismatch(f"{where}: gone; what it was made from is kept, look with: shipper tier verify")
    if stored.bytes != part.bytes or (stored.sha256 and stored.sha256 != part.sha256):
        raise Mismatch(f"{where}: changed; what it was made from is kept, look with: shipper tier verify")
