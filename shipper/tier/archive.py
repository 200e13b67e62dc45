"""One place of the archive: puts parts and proves them, publishes what a day consists of, retires what is to go."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from shipper.archive import ledger
from shipper.archive.ledger import Archived
from shipper.archive.manifest import Manifest, Part, Receipt, manifest_from
from shipper.archive.names import manifest_key, next_part_key, revised_key
from shipper.archive.parquet import Exporter, Facts
from shipper.clock import Clock
from shipper.errors import ShipperError
from shipper.model import StateChange
from shipper.objects.store import Locked, Missing, ObjectStore, Stored, Told
from shipper.state import State
from shipper.tier.acts import Acts
from shipper.tier.patience import Patience

UNREADABLE = ("GLACIER", "DEEP_ARCHIVE")
"""Classes that can't be read back at once: proven as STANDARD, then copied."""
PROOF = ".proof"
"""Behind the key of a part while it is proven in another class than its own, or before it is locked."""


class Mismatch(ShipperError):
    """What came back from the archive is not what went there."""


class Archive:
    """Used by one thread that holds the lock `move`. Every method raises `ShipperError`."""

    def __init__(
        self,
        objects: ObjectStore,
        place: str,
        state: State,
        *,
        clock: Clock,
        exporter: Exporter,
        scratch: Path,
        passed: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`place`: as the policy names it. `scratch`: a folder for objects that are read back. `passed` is told of
        every write that is done."""
        self.objects, self.place = objects, place
        self._state, self._exporter, self._scratch, self._passed = state, exporter, scratch, passed
        self._insist = Patience(clock)
        self._acts = Acts(objects, place, state, clock, passed)

    # ── what is there ─────────────────────────────────────────────────────────────────────────────────────────────

    def find(self, tier: str, dataset: str, day: str, *, grace: bool = False) -> Archived | None:
        """What the ledger has of one dataset and day in a tier."""
        wanted = (self.place, tier, dataset, day)
        return next((one for one in ledger.archived(self._state, grace=grace, day=day) if one[:4] == wanted), None)

    def read_manifest(self, tier: str, dataset: str, day: str) -> Manifest | None:
        """As it lies in the store; None: there is none."""
        key = manifest_key(tier, dataset, day)
        try:
            raw = self._insist(partial(self.objects.get, key))
        except Missing:
            return None
        return manifest_from(raw, f"{self.objects.where}/{key}")

    def next_key(self, tier: str, dataset: str, day: str) -> str:
        """A key that no part of this dataset and day has: of the first part, or of the next supplement."""
        one = self.find(tier, dataset, day, grace=True)
        return next_part_key(tier, dataset, day, [part.key for part in one.manifest.parts] if one else [])

    # ── parts ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def prove(
        self,
        key: str,
        local: Path,
        facts: Facts,
        *,
        storage_class: str = "",
        lock_until: float | None = None,
        tags: Mapping[str, str] | None = None,
        told: Told | None = None,
    ) -> Part:
        """Puts a file under a key that nothing has yet, reads it back and compares; the part is in no manifest then.

        What a killed attempt left at the key is taken when it holds the same records, else deleted; where it is locked,
        the part gets the next key. Raises `Mismatch` when what comes back differs.
        """
        while (there := self.head(key)) is not None:
            if self._holds(there, local, facts, storage_class, lock_until):
                return self._part(there, facts, storage_class)
            key = self._freed(key)
        # What is locked before it is proven could not be taken away again.
        first = key + PROOF if storage_class in UNREADABLE or lock_until else key
        own_class = storage_class if first == key else ""
        self._insist(partial(self.objects.put, first, local, storage_class=own_class, tags=tags, told=told))
        self._passed(f"put {first}")
        sha256 = self._read_back(first, _sha256(local), facts)
        if first != key:
            size = local.stat().st_size
            self.copy(first, key, size, sha256, storage_class=storage_class, lock_until=lock_until, tags=tags)
            self._insist(partial(self.objects.delete, first))
        stored = self.head(key)
        if stored is None:
            raise Mismatch(f"{self.objects.where}/{key}: gone right after it was stored; nothing was deleted")
        return replace(self._part(stored, facts, storage_class), sha256=sha256)

    def copy(
        self,
        source: str,
        target: str,
        size: int,
        sha256: str,
        *,
        storage_class: str = "",
        lock_until: float | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Stored:
        """Within the store; size and checksum of the copy are compared, of one that can be read at once all bytes.

        Raises `Mismatch`.
        """
        copying = partial(self.objects.copy, storage_class=storage_class, lock_until=lock_until, tags=tags)
        self._insist(partial(copying, source, target))
        self._passed(f"copied {target}")
        stored = self.head(target)
        where = f"{self.objects.where}/{target}"
        if stored is None or stored.bytes != size:
            found = "nothing" if stored is None else f"{stored.bytes} bytes"
            raise Mismatch(f"{where}: {found} after a copy of {size} bytes; {_KEPT}")
        if stored.readable:
            self.check_bytes(target, sha256)
        elif stored.sha256 != sha256:
            raise Mismatch(f"{where}: checksum {stored.sha256 or 'missing'} after a copy of {sha256}; {_KEPT}")
        return stored

    def head(self, key: str) -> Stored | None:
        """All that is known of an object; None: there is none."""
        return self._insist(partial(self.objects.head, key))

    def fetch(self, key: str, target: Path, told: Told | None = None) -> str:
        """The whole object into a new file; returns its SHA-256."""
        return self._insist(partial(self.objects.fetch, key, target, told))

    def discard(self, key: str) -> None:
        """Deletes a part that was put and never published. Raises `Mismatch` when a manifest names it, `Locked`."""
        for one in ledger.archived(self._state, grace=True):
            if one.place == self.place and any(part.key == key for part in one.manifest.parts):
                raise Mismatch(
                    f"{self.objects.where}/{key}: is a part of {one.tier} {one.dataset} {one.day} and holds other "
                    "records than were to be stored there; look with: shipper tier verify"
                )
        self._insist(partial(self.objects.delete, key))

    def _holds(self, there: Stored, local: Path, facts: Facts, storage_class: str, lock_until: float | None) -> bool:
        """Whether an object is as good as the one that is to be put."""
        if (storage_class and there.storage_class != storage_class) or bool(lock_until) != bool(there.locked_until):
            return False
        if not there.readable:
            return (there.bytes, there.sha256) == (local.stat().st_size, _sha256(local))
        with suppress(ShipperError):
            self._read_back(there.key, "", facts)
            return True
        return False

    def _freed(self, key: str) -> str:
        try:
            self.discard(key)
        except Locked:
            return revised_key(key)
        return key

    def _part(self, stored: Stored, facts: Facts, storage_class: str) -> Part:
        return Part(
            stored.key,
            stored.bytes,
            stored.sha256,
            facts.rows,
            facts.first,
            facts.last,
            facts.content,
            facts.levels,
            stored.version,
            storage_class or stored.storage_class,
        )

    def check_bytes(self, key: str, sha256: str) -> None:
        """Reads an object back, all of it. Raises `Mismatch`, `Missing`, `NeedsRestore`."""
        target = self._scratch / "read-back.parquet"
        try:
            found = self.fetch(key, target)
        finally:
            target.unlink(missing_ok=True)
        if found != sha256:
            raise Mismatch(f"{self.objects.where}/{key}: {found} read back, {sha256} stored; {_KEPT}")

    def _read_back(self, key: str, sha256: str, facts: Facts) -> str:
        """The SHA-256 of an object that holds these records, byte for byte those of `sha256` when that is given."""
        target = self._scratch / "read-back.parquet"
        where = f"{self.objects.where}/{key}"
        try:
            found = self.fetch(key, target)
            if sha256 and found != sha256:
                raise Mismatch(f"{where}: {found} read back, {sha256} stored; {_KEPT}")
            back = self._exporter.facts(target)
        finally:
            target.unlink(missing_ok=True)
        if back != facts:
            raise Mismatch(f"{where}: {difference(back, facts)} read back; {_KEPT}")
        return found

    # ── acts ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def publish(self, manifest: Manifest, act: str, note: str, changes: Sequence[StateChange] = ()) -> Receipt:
        """From now on a dataset and day consists of the manifest's parts, which are proven: manifest, receipt, and in
        one transaction the ledger and `changes`."""
        return self._acts.publish([(manifest, act)], note, changes)[0]

    def publish_all(
        self, manifests: Sequence[tuple[Manifest, str]], note: str, changes: Sequence[StateChange] = ()
    ) -> list[Receipt]:
        """Several manifests with the act that made each; all of them come into the ledger, or none."""
        return self._acts.publish(manifests, note, changes)

    def retire(self, one: Archived, act: str, note: str, changes: Sequence[StateChange] = ()) -> Receipt:
        """A dataset and day leaves this tier: receipt, then manifest and parts deleted with all versions, then in one
        transaction the ledger and `changes`. Raises `Locked`, before anything is done, when a part may not go."""
        return self._acts.retire(one, act, note, changes)

    def settle(self) -> bool:
        """Carries an act out to its end that was cut short; whether there was one. Every act begins with it; call it
        before what `state.db` says of moves is relied on."""
        return self._acts.settle()


_KEPT = "nothing was deleted at the source, the next run tries again"


def difference(found: Facts, expected: Facts) -> str:
    """What of the facts differs, in words."""
    named = ((name, getattr(found, name), getattr(expected, name)) for name in ("rows", "first", "last", "content"))
    told = [f"{name} {ours or 'none'} instead of {theirs or 'none'}" for name, ours, theirs in named if ours != theirs]
    return ", ".join(told) or f"levels {found.levels} instead of {expected.levels}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
