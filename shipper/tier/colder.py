"""What becomes of an archived dataset and day: a copy in a colder tier, whose source is deleted after its grace, or
nothing more."""

from collections.abc import Sequence
from dataclasses import asdict, replace

from shipper.archive import ledger
from shipper.archive.ledger import DELETED, EXPORTED, MARKED, PUBLISHED, VERIFIED, Archived, Move
from shipper.archive.manifest import COPIED, DROPPED, EXPIRED, Manifest, Part
from shipper.clock import iso
from shipper.errors import ShipperError
from shipper.tier.archive import UNREADABLE, Archive, Mismatch
from shipper.tier.moving import Moving


class OnHold(ShipperError):
    """A record of the day is on hold: it stays, and nobody is told."""


class Colder:
    """Carries `copy` moves on. Raises `ShipperError`."""

    def __init__(self, moving: Moving) -> None:
        self._moving = moving

    def carry_on(self, move: Move) -> None:
        """As far as it goes now."""
        if move.step not in (PUBLISHED, MARKED):
            self._copy(move)
        if move.step == PUBLISHED:
            self._moving.mark(move)
        if move.step == MARKED and self._moving.grace_is_over(move):
            self._drop(move)

    def _copy(self, move: Move) -> None:
        moving, place = self._moving, move.detail["place"]
        archive = moving.archives(place)
        source = archive.find(move.from_tier, move.dataset, move.day)
        if source is None:
            raise ShipperError(
                f"{place}: {move.from_tier} has no {move.dataset} {move.day} any more; nothing was copied"
            )
        old = source.manifest.parts
        keys = [_in_tier(part.key, move.from_tier, move.to_tier) for part in old]
        move.detail["putting"] = [[place, key] for key in keys]
        moving.save(move, EXPORTED)
        parts = [self._copied(archive, move, part, key) for part, key in zip(old, keys, strict=True)]
        moving.save(move, VERIFIED)
        self._publish(move, source, parts)

    def _copied(self, archive: Archive, move: Move, part: Part, key: str) -> Part:
        """The part in its new tier; of a class that can't be read back at once it is the source that is read."""
        storage_class = move.detail["storage_class"]
        if storage_class in UNREADABLE:
            archive.check_bytes(part.key, part.sha256)
        stored = archive.copy(
            part.key,
            key,
            part.bytes,
            part.sha256,
            storage_class=storage_class,
            lock_until=move.detail["lock_until"],
            tags={"tier": move.to_tier},
        )
        return replace(part, key=key, version=stored.version, storage_class=storage_class or stored.storage_class)

    def _publish(self, move: Move, source: Archived, parts: Sequence[Part]) -> None:
        moving, place, before = self._moving, move.detail["place"], source.manifest
        created = iso(moving.clock.now())
        manifest = Manifest(move.to_tier, move.dataset, move.day, tuple(parts), before.source, created)
        del move.detail["putting"]
        move.detail["copied"] = [asdict(part) for part in parts]
        changes = [ledger.put_in_grace(source), moving.change(move, PUBLISHED)]
        moving.archives(place).publish(manifest, COPIED, f"move {move.seq}", changes)
        moving.hand_on_hold(place, move.dataset, move.day, new=[part.key for part in parts])
        move.step = PUBLISHED
        moving.passed(PUBLISHED)

    def _drop(self, move: Move) -> None:
        """The copy is looked at once more before its source goes."""
        moving, place = self._moving, move.detail["place"]
        archive = moving.archives(place)
        source = archive.find(move.from_tier, move.dataset, move.day, grace=True)
        what = f"{move.day} of {move.dataset or 'no dataset'} was deleted from {move.from_tier}, {move.to_tier} has it"
        if source is None:
            moving.state.run(*moving.ended(move, what))
        else:
            copies = [one for one in moving.there(move.day, move.dataset) if one.tier == move.to_tier]
            self._check_copy(source, copies)
            old, new = ([part.key for one in some for part in one.manifest.parts] for some in ([source], copies))
            moving.hand_on_hold(place, move.dataset, move.day, new=new, old=old)
            archive.retire(source, DROPPED, f"move {move.seq}", moving.ended(move, what))
        move.step = DELETED
        moving.passed(DELETED)

    def _check_copy(self, source: Archived, copies: Sequence[Archived]) -> None:
        """Of a copy that has expired or was erased from since there is nothing to compare."""
        self._moving.check_there(copies)
        if not source.grace:
            raise Mismatch(
                f"{source.place}: {source.tier} {source.dataset} {source.day} is searched, so it is not deleted; look "
                "with: shipper tier verify"
            )


class Expiry:
    """Carries `expire` moves out. Raises `ShipperError`, `OnHold`."""

    def __init__(self, moving: Moving) -> None:
        self._moving = moving

    def carry_on(self, move: Move) -> None:
        """Deletes the day, all versions of its objects; holds are asked once more right before."""
        moving = self._moving
        archive = moving.archives(move.detail["place"])
        one = archive.find(move.from_tier, move.dataset, move.day)
        if moving.held(move.dataset, move.day):
            raise OnHold(f"{move.dataset} {move.day} is on hold; it stays until that is released")
        what = f"{move.day} of {move.dataset or 'no dataset'} was deleted, its time is over"
        if one is None:
            moving.state.run(*moving.ended(move, what))
        else:
            moving.unlock(one.place, move.day, [part.key for part in one.manifest.parts])
            moving.forget(part.sha256 for part in one.manifest.parts)
            archive.retire(one, EXPIRED, f"move {move.seq}", moving.ended(move, what))
        move.step = DELETED
        moving.passed(DELETED)


def _in_tier(key: str, before: str, after: str) -> str:
    return f"{after}/{key.removeprefix(f'{before}/')}"
