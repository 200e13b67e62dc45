"""Takes over an archive that `state.db` knows nothing of: a new machine, or a state begun anew.

Where two tiers have a day, the warmer one waits to be deleted from then on: its move was under way.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from shipper.archive import ledger
from shipper.archive.ledger import COPY, MARKED, Archived, Move
from shipper.archive.manifest import Receipt, digest, manifest_from, receipt_from
from shipper.archive.names import TIERS, manifest_key, receipt_key
from shipper.errors import ShipperError
from shipper.model import StateChange
from shipper.objects.store import Missing, ObjectStore
from shipper.state import State
from shipper.tier.acts import note_of


def adopt(objects: ObjectStore, place: str, state: State) -> int:
    """Reads the receipts and manifests of a place, when the ledger has none; returns how many receipts there were.

    Raises `ShipperError` when they don't fit together.
    """
    if _is_known(state, place):
        return 0
    number, previous = 0, ""
    alive: dict[tuple[str, str, str], Receipt] = {}
    while (raw := _get(objects, receipt_key(number + 1))) is not None:
        receipt = receipt_from(raw, f"{objects.where}/{receipt_key(number + 1)}")
        if receipt.previous != previous or receipt.number != number + 1:
            raise ShipperError(
                f"{objects.where}/{receipt_key(number + 1)}: does not follow the receipt before it; look with: "
                "shipper tier verify"
            )
        alive[receipt.tier, receipt.dataset, receipt.day] = receipt
        number, previous = receipt.number, digest(raw)
    found = _found(objects, place, alive)
    changes = [ledger.save_chain(place, number, previous), *_listed(found)]
    return number if number and _kept(state, place, changes) else 0


def _is_known(state: State, place: str) -> bool:
    return bool(ledger.chain(state, place)[0] or state.meta(note_of(place)))


def _kept(state: State, place: str, changes: Sequence[StateChange]) -> bool:
    """Who only looks holds no lock: what a mover has done there since then is not to be undone."""
    with state.transaction() as db:
        if _is_known(state, place):
            return False
        for change in changes:
            db.execute(change.sql, change.values)
    return True


def _found(objects: ObjectStore, place: str, alive: Mapping[tuple[str, str, str], Receipt]) -> list[Archived]:
    found = []
    for (tier, dataset, day), receipt in alive.items():
        if not receipt.manifest:
            continue
        key = manifest_key(tier, dataset, day)
        raw = _get(objects, key)
        if raw is None or digest(raw) != receipt.manifest:
            raise ShipperError(
                f"{objects.where}/{key}: {'missing' if raw is None else 'changed'}, so the archive can't be "
                "taken over; look with: shipper tier verify"
            )
        manifest = manifest_from(raw, f"{objects.where}/{key}")
        found.append(Archived(place, tier, dataset, day, manifest, False, _seconds(receipt.at)))
    return found


def _listed(found: Sequence[Archived]) -> Iterator[StateChange]:
    coldest: dict[tuple[str, str], Archived] = {}
    for one in sorted(found, key=lambda one: TIERS.index(one.tier)):
        yield ledger.save_archived(one.place, one.manifest, one.since)
        warmer = coldest.get((one.dataset, one.day))
        if warmer is not None:
            yield ledger.put_in_grace(warmer)
            yield _dropping(warmer, one)
        coldest[one.dataset, one.day] = one


def _dropping(warmer: Archived, colder: Archived) -> StateChange:
    """The rest of the move; its grace began with the colder copy."""
    names = (COPY, warmer.day, warmer.dataset, warmer.tier, colder.tier, "found when the archive was taken over")
    detail = {"place": warmer.place, "marked": colder.since}
    return ledger.new_move(Move(*names, step=MARKED, detail=detail), colder.since)


def _get(objects: ObjectStore, key: str) -> bytes | None:
    try:
        return objects.get(key)
    except Missing:
        return None


def _seconds(when: str) -> float:
    return datetime.fromisoformat(when).timestamp()
