"""Checks an archive against its own receipts: what was removed, changed or added, or reads differently than it did.

The chain of receipts says what each day has to consist of; whoever removes or changes one breaks the chain, and whoever
rewrites all of it disagrees with `state.db`. Nothing is changed here.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from shipper.archive import ledger
from shipper.archive.manifest import Manifest, Part, Receipt, digest, manifest_from, receipt_from
from shipper.archive.names import RECEIPTS, TIERS, manifest_key, receipt_key, receipt_numbers
from shipper.archive.parquet import Exporter
from shipper.clock import Clock
from shipper.errors import ShipperError
from shipper.objects.ahead import ahead
from shipper.objects.store import Damaged, Missing, NeedsRestore, ObjectStore, Stored
from shipper.state import State
from shipper.tier.acts import note_of
from shipper.tier.archive import PROOF
from shipper.tier.erase_archive import old_keys
from shipper.tier.patience import Patience

Day = tuple[str, str, str]
"""Tier, dataset, day."""


class Problem(NamedTuple):
    """Something that is not as it was stored."""

    key: str
    what: str


class Wanted(NamedTuple):
    """Of which tiers and days the parts are looked at; the chain is checked as a whole all the same."""

    tiers: tuple[str, ...] = TIERS
    first: str = ""
    """`2026.11.23`; empty: no bound."""
    last: str = ""
    quick: bool = False
    """Sizes and checksums that the store itself gives, nothing is read back."""

    def takes(self, tier: str, day: str) -> bool:
        return tier in self.tiers and (not self.first or day >= self.first) and (not self.last or day <= self.last)


@dataclass(slots=True)
class Verified:
    """What was found."""

    problems: list[Problem] = field(default_factory=list)
    receipts: int = 0
    days: int = 0
    """Manifests that were looked at: a dataset and a day in a tier each."""
    rows: int = 0
    bytes: int = 0
    unread: list[str] = field(default_factory=list)
    """Keys of parts that can't be read back without a restore: only their size and checksum were compared."""


class Verifier:
    """Of one place. Changes nothing, so it may run beside a mover: what is moved meanwhile is not judged."""

    def __init__(
        self, objects: ObjectStore, place: str, state: State, *, clock: Clock, exporter: Exporter, scratch: Path
    ) -> None:
        self._objects, self._place, self._state = objects, place, state
        self._exporter, self._scratch = exporter, scratch
        self._insist = Patience(clock)

    def run(self, wanted: Wanted, told: Callable[[Part], None] = lambda _: None) -> Verified:
        """`told` of every part that was looked at. Raises `Unreachable`, and what else is no finding."""
        found, passing = Verified(), self._in_hand()
        alive = self._chain(found)
        known = {key for day, receipt in alive.items() for key in (manifest_key(*day), *_keys(receipt))}
        judged = [receipt for day, receipt in sorted(alive.items()) if day not in passing]
        self._manifests(judged, found)
        self._ledger(alive, passing, found)
        self._additional(known | self._noted(), found)
        looked_at = [receipt for receipt in judged if wanted.takes(receipt.tier, receipt.day)]
        found.days = len(looked_at)
        parts = [part for receipt in looked_at for part in receipt.parts]
        for part, stored in zip(parts, ahead(self._there, [part.key for part in parts]), strict=True):
            self._part(part, stored, wanted, found)
            told(part)
        return self._still_true(found, alive)

    def size(self, wanted: Wanted) -> int:
        """Bytes that `run` will read back, by the ledger."""
        here = [one for one in ledger.archived(self._state, grace=True) if one.place == self._place]
        return sum(one.manifest.bytes for one in here if wanted.takes(one.tier, one.day))

    # ── the chain ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _chain(self, found: Verified) -> dict[Day, Receipt]:
        """What each day consists of after the last receipt."""
        there = receipt_numbers(stored.key for stored in self._listed(RECEIPTS))
        numbers = sorted({*there, *range(1, ledger.chain(self._state, self._place)[0] + 1)})
        keys, alive, previous = list(map(receipt_key, numbers)), dict[Day, Receipt](), ""
        for before, number, key, raw in zip([0, *numbers], numbers, keys, ahead(self._get, keys), strict=False):
            if number > before + 1:
                missing, previous = number - before - 1, ""
                found.problems.append(Problem(receipt_key(before + 1), f"removed, {missing} in all before {key}"))
            receipt = self._receipt(key, raw, found)
            if receipt is not None:
                if receipt.number != number or (previous and receipt.previous != previous):
                    found.problems.append(Problem(key, "changed: it does not follow the receipt before it"))
                alive[receipt.tier, receipt.dataset, receipt.day] = receipt
            previous = digest(raw) if raw is not None else ""
        found.receipts = max(numbers, default=0)
        self._head(numbers, previous, found)
        return {day: receipt for day, receipt in alive.items() if receipt.manifest}

    def _receipt(self, key: str, raw: bytes | None, found: Verified) -> Receipt | None:
        if raw is None:
            found.problems.append(Problem(key, "removed"))
            return None
        try:
            return receipt_from(raw, f"{self._objects.where}/{key}")
        except ShipperError:
            found.problems.append(Problem(key, "changed: it is no receipt any more"))
            return None

    def _head(self, numbers: Sequence[int], previous: str, found: Verified) -> None:
        """The end of the chain is what `state.db` says, or further: by an act that is being carried out."""
        number, sha256 = ledger.chain(self._state, self._place)
        if not number:
            return
        if found.receipts > number and not self._act():
            for extra in numbers[bisect_right(numbers, number) :]:
                found.problems.append(Problem(receipt_key(extra), "additional: state.db knows nothing of it"))
        elif found.receipts == number and sha256 and previous and sha256 != previous:
            found.problems.append(Problem(receipt_key(number), "changed: state.db has another one"))

    # ── manifests ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _manifests(self, receipts: Sequence[Receipt], found: Verified) -> None:
        keys = [manifest_key(receipt.tier, receipt.dataset, receipt.day) for receipt in receipts]
        for receipt, key, raw in zip(receipts, keys, ahead(self._get, keys), strict=True):
            if raw is None:
                found.problems.append(Problem(key, "removed"))
            elif digest(raw) != receipt.manifest:
                what = f"changed: it is not the one of receipt {receipt.number}{_differs(raw, receipt)}"
                found.problems.append(Problem(key, what))

    def _ledger(self, alive: dict[Day, Receipt], passing: set[Day], found: Verified) -> None:
        """`state.db` has to say the same, where it knows the archive at all."""
        if not ledger.chain(self._state, self._place)[0]:
            return
        here = [one for one in ledger.archived(self._state, grace=True) if one.place == self._place]
        rows = {(one.tier, one.dataset, one.day): one.manifest for one in here}
        for day in sorted((rows.keys() | alive.keys()) - passing):
            key = manifest_key(*day)
            if day not in alive:
                found.problems.append(Problem(key, "state.db has this day, no receipt is of it"))
            elif day not in rows:
                found.problems.append(Problem(key, "state.db does not have this day, so it is not searched"))
            elif rows[day].parts != alive[day].parts:
                found.problems.append(Problem(key, "state.db has other parts of this day than its receipt"))

    def _additional(self, known: set[str], found: Verified) -> None:
        for prefix in (*(f"{tier}/" for tier in TIERS), RECEIPTS):
            for stored in self._listed(prefix):
                if stored.key not in known and not receipt_numbers([stored.key]):
                    found.problems.append(Problem(stored.key, "additional: no receipt is of it"))

    # ── parts ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _there(self, key: str) -> Stored | None:
        return self._insist(partial(self._objects.head, key))

    def _part(self, part: Part, stored: Stored | None, wanted: Wanted, found: Verified) -> None:
        if stored is None:
            found.problems.append(Problem(part.key, "removed"))
            return
        found.rows += part.rows
        found.bytes += part.bytes
        if stored.bytes != part.bytes:
            found.problems.append(Problem(part.key, f"changed: {stored.bytes} bytes, stored were {part.bytes}"))
        elif stored.sha256 and stored.sha256 != part.sha256:
            found.problems.append(Problem(part.key, _another(stored.sha256, part)))
        elif not stored.readable:
            found.unread.append(part.key)
        elif not wanted.quick:
            self._read_back(part, found)

    def _read_back(self, part: Part, found: Verified) -> None:
        target = self._scratch / "verify.parquet"
        try:
            sha256 = self._insist(partial(self._objects.fetch, part.key, target))
            facts = self._exporter.facts(target) if sha256 == part.sha256 else None
        except NeedsRestore:
            found.unread.append(part.key)
        except Missing:
            found.problems.append(Problem(part.key, "removed"))
        except Damaged:
            found.problems.append(Problem(part.key, "changed: it reads otherwise than it was stored"))
        else:
            if facts is None:
                found.problems.append(Problem(part.key, _another(sha256, part)))
            elif (facts.rows, facts.content) != (part.rows, part.content):
                what = f"holds {facts.rows} records, its receipt says {part.rows}, or others"
                found.problems.append(Problem(part.key, what))
        finally:
            target.unlink(missing_ok=True)

    # ── beside a mover ────────────────────────────────────────────────────────────────────────────────────────────

    def _act(self) -> dict[str, Any]:
        """The act that is being carried out, or was cut short."""
        act: dict[str, Any] = orjson.loads(self._state.meta(note_of(self._place), "{}"))
        return act

    def _in_hand(self) -> set[Day]:
        """Days of that act."""
        receipts = [orjson.loads(content) for _, content in self._act().get("receipts", [])]
        return {(each["tier"], each["dataset"], each["day"]) for each in receipts}

    def _noted(self) -> set[str]:
        """Keys that moves, acts and erasures under way have noted before they put them, or are still to delete."""
        act = self._act()
        keys = {key for name in ("manifests", "receipts") for key, _ in act.get(name, [])} | {*act.get("deletes", [])}
        put = {key for move in ledger.moves(self._state) for _, key in move.detail.get("putting", [])}
        erased = {key for place, key in old_keys(self._state) if place == self._place}
        return keys | put | {f"{key}{PROOF}" for key in put} | erased

    def _still_true(self, found: Verified, alive: dict[Day, Receipt]) -> Verified:
        """Without what is explained by an act that came in between."""
        number, _ = ledger.chain(self._state, self._place)
        if number <= found.receipts and not self._act():
            return found
        fresh = self._in_hand()
        for later in range(found.receipts + 1, number + 1):
            raw = self._get(receipt_key(later))
            receipt = self._receipt(receipt_key(later), raw, found) if raw is not None else None
            if receipt is not None:
                fresh.add((receipt.tier, receipt.dataset, receipt.day))
        stems = tuple(manifest_key(*day).removesuffix("manifest.json") for day in fresh)
        meanwhile = {receipt_key(later) for later in range(found.receipts + 1, number + 2)}
        found.problems = [
            problem for problem in found.problems if not problem.key.startswith(stems) and problem.key not in meanwhile
        ]
        return found

    # ── the store ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _get(self, key: str) -> bytes | None:
        try:
            return self._insist(partial(self._objects.get, key))
        except Missing:
            return None

    def _listed(self, prefix: str) -> Iterator[Any]:
        yield from self._insist(lambda: list(self._objects.list(prefix)))


def _keys(receipt: Receipt) -> list[str]:
    return [part.key for part in receipt.parts]


def _differs(raw: bytes, receipt: Receipt) -> str:
    """In what, where that can be told."""
    try:
        manifest: Manifest = manifest_from(raw, "")
    except ShipperError:
        return ""
    before, now = set(_keys(receipt)), {part.key for part in manifest.parts}
    left, more = sorted(before - now), sorted(now - before)
    return (f"; without {', '.join(left)}" if left else "") + (f"; with {', '.join(more)}" if more else "")


def _another(sha256: str, part: Part) -> str:
    return f"changed: its SHA-256 is {sha256[:12]}…, stored was {part.sha256[:12]}…"
