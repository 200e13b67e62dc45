"""Takes over an archive that `state.db` knows nothing of: a new machine, or a state begun anew.

Where two tiers have a day, the warmer one waits to be deleted from then on: its move was under way.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial

from shipper.archive import ledger
from shipper.archive.ledger import COPY, MARKED, Archived, Move
from shipper.archive.manifest import Receipt, digest, manifest_from, receipt_from
from shipper.archive.names import RECEIPTS, TIERS, manifest_key, receipt_key, receipt_numbers
from shipper.errors import ShipperError
from shipper.model import StateChange
from shipper.objects.ahead import ahead
from shipper.objects.store import Missing, ObjectStore
from shipper.state import State
from shipper.tier.acts import note_of


def adopt(objects: ObjectStore, place: str, state: State) -> int:
    """Reads the receipts and manifests of a place, when the ledger has none; returns how many receipts there were.

    Raises `ShipperError` when they don't fit together.
    """
    if _is_known(state, place):
        return 0
    previous, alive = "", dict[tuple[str, str, str], Receipt]()
    keys = _receipts(objects)
    for number, (key, raw) in enumerate(zip(keys, ahead(partial(_get, objects), keys), strict=True), 1):
        receipt = receipt_from(raw or b"", f"{objects.where}/{key}")
        if receipt.previous != previous or receipt.number != number:
            raise _refusal(objects, key, "does not follow the receipt before it")
        alive[receipt.tier, receipt.dataset, receipt.day] = receipt
        previous = digest(raw or b"")
    found = _found(objects, place, [receipt for receipt in alive.values() if receipt.manifest])
    changes = [ledger.save_chain(place, len(keys), previous), *_listed(found)]
    return len(keys) if keys and _kept(state, place, changes) else 0


def _receipts(objects: ObjectStore) -> list[str]:
    """Keys of all receipts, without a gap: what lies behind one would be neither searched nor ever deleted."""
    numbers = receipt_numbers(stored.key for stored in objects.list(RECEIPTS))
    for expected, number in enumerate(numbers, 1):
        if number != expected:
            raise _refusal(objects, receipt_key(expected), "is missing")
    return list(map(receipt_key, numbers))


def _refusal(objects: ObjectStore, key: str, why: str) -> ShipperError:
    what = "so the archive can't be taken over; look with: shipper tier verify"
    return ShipperError(f"{objects.where}/{key}: {why}, {what}")


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


def _found(objects: ObjectStore, place: str, receipts: Sequence[Receipt]) -> list[Archived]:
    found = []
    keys = [manifest_key(receipt.tier, receipt.dataset, receipt.day) for receipt in receipts]
    for receipt, key, raw in zip(receipts, keys, ahead(partial(_get, objects), keys), strict=True):
        if raw is None or digest(raw) != receipt.manifest:
            raise _refusal(objects, key, "is missing" if raw is None else "was changed")
        manifest = manifest_from(raw, f"{objects.where}/{key}")
        where = (place, receipt.tier, receipt.dataset, receipt.day)
        found.append(Archived(*where, manifest, grace=False, since=_seconds(receipt.at)))
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
