"""Takes over an archive that `state.db` knows nothing of: a new machine, or a state begun anew."""

from collections.abc import Mapping
from datetime import datetime

from shipper.archive import ledger
from shipper.archive.manifest import Receipt, digest, manifest_from, receipt_from
from shipper.archive.names import manifest_key, receipt_key
from shipper.errors import ShipperError
from shipper.model import StateChange
from shipper.objects.store import Missing, ObjectStore
from shipper.state import State
from shipper.tier.acts import note_of


def adopt(objects: ObjectStore, place: str, state: State) -> int:
    """Reads the receipts and manifests of a place, when the ledger has none; returns how many receipts there were.

    Raises `ShipperError` when they don't fit together.
    """
    number, previous = ledger.chain(state, place)
    if number or state.meta(note_of(place)):
        return 0
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
    if number:
        state.run(ledger.save_chain(place, number, previous), *_adopted(objects, place, alive))
    return number


def _adopted(objects: ObjectStore, place: str, alive: Mapping[tuple[str, str, str], Receipt]) -> list[StateChange]:
    changes = []
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
        changes.append(ledger.save_archived(place, manifest, _seconds(receipt.at)))
    return changes


def _get(objects: ObjectStore, key: str) -> bytes | None:
    try:
        return objects.get(key)
    except Missing:
        return None


def _seconds(when: str) -> float:
    return datetime.fromisoformat(when).timestamp()
