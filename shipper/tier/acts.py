"""Acts on an archive: several writes (manifests, receipts, deletions, `state.db`) that are done all or not at all.

All of an act is noted in `state.db` before the first of its writes, and taken out of the note in the transaction that
ends it. Killed anywhere between, the next act first carries the noted one out to its end: every write of it can be done
again with the same bytes. Of a retired day the receipt is written first, so that what is missing is declared missing;
it is not searched from the note on. As long as there is no receipt it is taken back instead: a hold may have come.
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from shipper import log
from shipper.archive import ledger
from shipper.archive.ledger import Archived
from shipper.archive.manifest import Manifest, Receipt, digest, to_bytes
from shipper.archive.names import manifest_key, receipt_key
from shipper.clock import Clock, iso
from shipper.errors import ShipperError
from shipper.model import StateChange
from shipper.objects.store import Exists, Locked, ObjectStore
from shipper.state import State
from shipper.tier.patience import Patience


@dataclass(slots=True)
class Act:
    """Writes that belong together, in this order; as JSON in `state.db` until they are done."""

    manifests: list[tuple[str, str]] = field(default_factory=list)
    """Key and content."""
    receipts: list[tuple[str, str]] = field(default_factory=list)
    deletes: list[str] = field(default_factory=list)
    changes: list[tuple[str, list[Any]]] = field(default_factory=list)
    """SQL and values; bytes as `{"base64": …}`."""
    undo: list[tuple[str, list[Any]]] = field(default_factory=list)
    """Likewise, of what takes the act back as long as its receipt is not written; none: nothing does."""


class Acts:
    """Of one place. Used by one thread that holds the lock `move`. Every method raises `ShipperError`."""

    def __init__(
        self, objects: ObjectStore, place: str, state: State, clock: Clock, passed: Callable[[str], None]
    ) -> None:
        self._objects, self._place, self._state, self._clock = objects, place, state, clock
        self._insist = Patience(clock)
        self._passed = passed

    def publish(
        self, manifests: Sequence[tuple[Manifest, str]], note: str, changes: Sequence[StateChange] = ()
    ) -> list[Receipt]:
        """See `Archive.publish_all`."""
        number, previous = self._end_of_chain()
        act, receipts, now = Act(), list[Receipt](), self._clock.now()
        for manifest, name in manifests:
            raw = to_bytes(manifest)
            receipt = _receipt(manifest, number=number + 1, previous=previous, act=name, at=iso(now), note=note)
            receipt = replace(receipt, manifest=digest(raw))
            act.manifests.append((manifest_key(manifest.tier, manifest.dataset, manifest.day), raw.decode()))
            number, previous = self._append(act, receipt)
            act.changes.append(_stored(ledger.save_archived(self._place, manifest, now)))
            receipts.append(receipt)
        act.changes += [_stored(change) for change in (ledger.save_chain(self._place, number, previous), *changes)]
        self._begin(act)
        return receipts

    def retire(self, one: Archived, act: str, note: str, changes: Sequence[StateChange] = ()) -> Receipt:
        """See `Archive.retire`. Raises `Locked`, before anything is done."""
        for part in one.manifest.parts:
            self._refuse_locked(part.key)
        number, previous = self._end_of_chain()
        at = iso(self._clock.now())
        receipt = _receipt(one.manifest, number=number + 1, previous=previous, act=act, at=at, note=note)
        receipt = replace(receipt, parts=())
        key = manifest_key(one.tier, one.dataset, one.day)
        todo = Act(deletes=[key, *(part.key for part in one.manifest.parts)])
        number, previous = self._append(todo, receipt)
        ends = (ledger.drop_archived(one), ledger.save_chain(self._place, number, previous), *changes)
        todo.changes = [_stored(change) for change in ends]
        todo.undo = [_stored(ledger.put_in_grace(one, grace=one.grace))]
        self._begin(todo, ledger.put_in_grace(one))
        return receipt

    def settle(self) -> bool:
        """See `Archive.settle`."""
        noted = self._state.meta(note_of(self._place))
        if not noted:
            return False
        act = Act(**orjson.loads(noted))
        if act.undo and self._insist(partial(self._objects.head, act.receipts[0][0])) is None:
            self._end(act.undo)
            self._passed("taken back")
        else:
            self._carry_out(act)
        return True

    def _append(self, act: Act, receipt: Receipt) -> tuple[int, str]:
        """Number and digest of the receipt, which is the end of the chain after this act."""
        raw = to_bytes(receipt)
        act.receipts.append((receipt_key(receipt.number), raw.decode()))
        return receipt.number, digest(raw)

    def _end_of_chain(self) -> tuple[int, str]:
        """Raises `ShipperError` when somebody else has gone on with it."""
        self.settle()
        number, previous = ledger.chain(self._state, self._place)
        if self._insist(partial(self._objects.head, receipt_key(number + 1))) is not None:
            raise self._foreign(number + 1)
        return number, previous

    def _foreign(self, number: int) -> ShipperError:
        return ShipperError(
            f"{self._objects.where}/{receipt_key(number)}: not ours; another shipper writes to this place, or "
            "state.db is older than the archive. Give each data folder a place of its own in `tiers`, or bring the "
            "newest state.db back"
        )

    def _begin(self, act: Act, *changes: StateChange) -> None:
        noted = orjson.dumps(asdict(act))
        self._state.run(
            StateChange("INSERT OR REPLACE INTO meta VALUES (?, ?)", (note_of(self._place), noted.decode())), *changes
        )
        self._passed("noted")
        self._carry_out(act)

    def _carry_out(self, act: Act) -> None:
        for key, content in act.manifests:
            self._insist(partial(self._objects.put, key, content.encode()))
            self._passed(f"put {key}")
        for key, content in act.receipts:
            self._put_receipt(key, content.encode())
            self._passed(f"put {key}")
        for key in act.deletes:
            self._delete(key)
            self._passed(f"deleted {key}")
        self._end(act.changes)
        self._passed("committed")

    def _end(self, stored: Sequence[tuple[str, list[Any]]]) -> None:
        changes = [StateChange(sql, tuple(map(_value, values))) for sql, values in stored]
        self._state.run(*changes, StateChange("DELETE FROM meta WHERE key = ?", (note_of(self._place),)))

    def _put_receipt(self, key: str, raw: bytes) -> None:
        try:
            self._insist(partial(self._objects.put, key, raw, if_absent=True))
        except Exists:
            if self._insist(partial(self._objects.get, key)) != raw:
                raise self._foreign(int(Path(key).stem)) from None

    def _delete(self, key: str) -> None:
        try:
            self._insist(partial(self._objects.delete, key))
        except Locked as error:
            # It was free when the act began; its receipt can't be taken back.
            log.say("warning", "left in the archive, it was locked meanwhile", key=key, reason=error)

    def _refuse_locked(self, key: str) -> None:
        """What a list of versions says of locks differs from store to store; what an object says of itself does not."""
        where, there = f"{self._objects.where}/{key}", self._insist(partial(self._objects.head, key))
        for version in (*self._insist(partial(self._objects.versions, key)), *([there] if there else [])):
            if version.legal_hold:
                raise Locked(f"{where}: under a legal hold; it stays until somebody takes that off")
            if version.locked_until is not None and version.locked_until > self._clock.now():
                raise Locked(f"{where}: locked until {iso(version.locked_until)}; it stays until then")


NOTE = "act at "


def note_of(place: str) -> str:
    """Key in `meta` of the act that is being carried out at a place."""
    return f"{NOTE}{place}"


def unsettled(state: State) -> list[str]:
    """Places with an act that was cut short, those too that no policy names now."""
    rows = state.rows("SELECT key FROM meta WHERE substr(key, 1, ?) = ? ORDER BY key", (len(NOTE), NOTE))
    return [row["key"].removeprefix(NOTE) for row in rows]


def _receipt(manifest: Manifest, *, number: int, previous: str, act: str, at: str, note: str) -> Receipt:
    return Receipt(
        number=number,
        previous=previous,
        act=act,
        tier=manifest.tier,
        dataset=manifest.dataset,
        day=manifest.day,
        at=at,
        rows=manifest.rows,
        content=manifest.content,
        parts=manifest.parts,
        manifest="",
        note=note,
    )


def _stored(change: StateChange) -> tuple[str, list[Any]]:
    as_json = (
        {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value for value in change.values
    )
    return change.sql, list(as_json)


def _value(stored: Any) -> Any:
    return base64.b64decode(stored["base64"]) if isinstance(stored, dict) else stored
