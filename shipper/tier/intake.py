"""A day of the hot store goes into the archive: taken at a fixed point, written as Parquet, proven, published; after
its grace what came late is added, and the hot copy is deleted.

A day's datasets are published together, and from then on the day up to its point belongs to the archive. What a killed
attempt had put before that is deleted, and the day is taken anew: something may have been erased from it meanwhile.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from shipper.archive import ledger
from shipper.archive.content import NOTHING, joined
from shipper.archive.ledger import DELETED, EXPORTED, MARKED, PUBLISHED, VERIFIED, Move
from shipper.archive.manifest import PUBLISHED as NEW
from shipper.archive.manifest import SUPPLEMENTED, Manifest, Part
from shipper.archive.parquet import Export, Facts, Written, canonical
from shipper.clock import iso
from shipper.errors import ShipperError
from shipper.model import StateChange
from shipper.tier.archive import Mismatch
from shipper.tier.hot import Point, Taken
from shipper.tier.moving import Moving
from shipper.tier.policy import age, lock_until, stage_at, stages

ROUNDS = 3
"""A day that is blocked and still has something late after so many supplements is none of ours to delete."""


class Target(NamedTuple):
    """Where records of a dataset and day go."""

    place: str
    tier: str
    storage_class: str
    lock_until: float | None


class Intake:
    """Carries `archive` moves on. Raises `ShipperError`."""

    def __init__(self, moving: Moving) -> None:
        self._moving = moving

    def carry_on(self, move: Move) -> None:
        """As far as it goes now."""
        if move.step not in (VERIFIED, PUBLISHED, MARKED):
            self._bring(move, None, VERIFIED)
        if move.step == VERIFIED:
            self._publish(move, PUBLISHED)
        if move.step == PUBLISHED:
            self._moving.mark(move)
        if move.step == MARKED and "parts" in move.detail:
            self._publish(move, MARKED)
        if move.step == MARKED and self._moving.grace_is_over(move):
            self._clear(move)

    # ── into the archive ──────────────────────────────────────────────────────────────────────────────────────────

    def _bring(self, move: Move, behind: Point | None, step: str) -> None:
        """Puts what a day holds, or what came behind a point, into the archive, proven and not published yet."""
        moving = self._moving
        moving.check_room(move.detail["bytes"])
        taken = moving.hot.take(move.day, behind, moving.empty_folder("taken"))
        export = self._exported(taken)
        targets = [(each, self._target(each.dataset, move.day)) for each in self._new(move.day, export.written)]
        keys = [moving.archives(target.place).next_key(target.tier, each.dataset, move.day) for each, target in targets]
        move.detail |= {
            "next": taken.point,
            "source": export.source._asdict(),
            "putting": [[target.place, key] for (_, target), key in zip(targets, keys, strict=True)],
            "parts": [],
        }
        moving.save(move, EXPORTED if step == VERIFIED else step)
        for (each, target), key in zip(targets, keys, strict=True):
            move.detail["parts"].append(self._put(move, each, target, key))
        moving.save(move, step)
        moving.empty_folder("taken")
        moving.empty_folder("written")

    def _exported(self, taken: Taken) -> Export:
        """Raises `Mismatch` when not all that the store counted was read, or not all that was read was written."""
        folder = self._moving.empty_folder("written")
        if not taken.files:
            export = Export(Facts(0, "", "", NOTHING, {}), [])
        else:
            export = self._moving.exporter.export(taken.files, folder, [*self._moving.tiers.datasets])
        check_source(taken, export.source)
        check_written(export)
        return export

    def _new(self, day: str, written: Sequence[Written]) -> Iterator[Written]:
        """Without those that the archive has already, record for record: of a mover whose notes were lost."""
        there = {one.dataset: one.manifest for one in self._moving.there(day)}
        for each in written:
            known = there.get(each.dataset)
            if known is None or (known.rows, known.content) != (each.facts.rows, each.facts.content):
                yield each

    def _target(self, dataset: str, day: str) -> Target:
        """Where the rest of its day lies, else where the day belongs by its age."""
        moving, now = self._moving, self._moving.clock.now()
        for one in moving.there(day, dataset):
            stage = next((stage for stage in stages(moving.tiers, dataset) if stage.tier == one.tier), None)
            storage_class = stage.storage_class if stage is not None else one.manifest.parts[0].storage_class
            return Target(one.place, one.tier, storage_class, lock_until(moving.tiers, dataset, day, one.tier, now))
        stage = stage_at(moving.tiers, dataset, age(day, now))
        if stage is None:
            raise ShipperError("`tiers` names no tier to move to; add `warm` or `cold`")
        locked = lock_until(moving.tiers, dataset, day, stage.tier, now)
        return Target(stage.place, stage.tier, stage.storage_class, locked)

    def _put(self, move: Move, written: Written, target: Target, key: str) -> dict[str, Any]:
        part = self._moving.archives(target.place).prove(
            key,
            written.path,
            written.facts,
            storage_class=target.storage_class,
            lock_until=target.lock_until,
            tags={"tier": target.tier},
            told=self._moving.stored,
        )
        self._moving.passed(f"proven {part.key}")
        written.path.unlink()
        return {"place": target.place, "tier": target.tier, "dataset": written.dataset, "part": asdict(part)}

    def _publish(self, move: Move, step: str) -> None:
        """All datasets of the day at once; the last place's transaction says that the day belongs to the archive."""
        moving, detail = self._moving, move.detail
        places = [(place, [*parts]) for place, parts in groupby(_unpublished(moving, move), itemgetter("place"))]
        for place, parts in places[:-1]:
            self._publish_at(move, place, parts, [])
        detail |= {"point": detail.pop("next"), "archived": detail.pop("parts")}
        del detail["putting"]
        marks = ledger.mark_segments(detail["point"].get("segments", []), moving.clock.now())
        changes = [*marks, moving.change(move, step)]
        if places:
            self._publish_at(move, *places[-1], changes)
        else:
            moving.state.run(*changes)
        move.step = step
        moving.passed(step)

    def _publish_at(self, move: Move, place: str, parts: list[dict[str, Any]], changes: list[StateChange]) -> None:
        archive, now = self._moving.archives(place), self._moving.clock.now()
        manifests = [self._manifest(move.day, place, each, iso(now)) for each in parts]
        archive.publish_all(manifests, f"move {move.seq}", changes)
        for each in parts:
            self._moving.hand_on_hold(place, each["dataset"], move.day, new=[each["part"]["key"]])

    def _manifest(self, day: str, place: str, each: dict[str, Any], created: str) -> tuple[Manifest, str]:
        """With the parts that the day has already, and the act that this is."""
        tier, dataset, part = each["tier"], each["dataset"], Part(**each["part"])
        there = self._moving.archives(place).find(tier, dataset, day)
        kind = self._moving.hot.kind
        if there is None:
            return Manifest(tier, dataset, day, (part,), kind, created), NEW
        before = there.manifest
        parts, revision = (*before.parts, part), before.revision + 1
        return Manifest(tier, dataset, day, parts, before.source, created, revision), SUPPLEMENTED

    # ── out of the hot store ──────────────────────────────────────────────────────────────────────────────────────

    def _clear(self, move: Move) -> None:
        """Deletes the hot copy, which takes no record meanwhile; what came late is archived before."""
        moving = self._moving
        try:
            moving.hot.block(move.day)
            moving.passed("blocked")
            self._add_what_is_late(move)
            there = moving.there(move.day)
            moving.check_there(there)
            for one in there:
                # Again: a kill between publishing and this would leave them without.
                moving.hand_on_hold(one.place, one.dataset, one.day, new=[part.key for part in one.manifest.parts])
            moving.hot.delete(move.day, move.detail["point"])
        except (Exception, KeyboardInterrupt, SystemExit):
            # Also where the run is to end: a writer of this day would hold until the next one.
            with suppress(ShipperError):
                moving.hot.release(move.day)
            raise
        moving.passed("deleted at the source")
        what = f"{move.day} was deleted from the hot store, it is archived"
        moving.state.run(*moving.ended(move, what))
        move.step = DELETED
        moving.passed(DELETED)

    def _add_what_is_late(self, move: Move) -> None:
        for _ in range(ROUNDS):
            if not self._moving.hot.late(move.day, move.detail["point"]):
                return
            self._bring(move, move.detail["point"], MARKED)
            self._publish(move, MARKED)


def _unpublished(moving: Moving, move: Move) -> list[dict[str, Any]]:
    """The parts of a move that no manifest names yet, those of a place together."""
    published = moving.published(move.day)
    parts = [each for each in move.detail["parts"] if each["part"]["key"] not in published]
    return sorted(parts, key=itemgetter("place"))


def check_source(taken: Taken, source: Facts) -> None:
    """Raises `Mismatch` when the documents that were read are not those that the store counted."""
    counted = (taken.rows, canonical(taken.first), canonical(taken.last))
    read = (source.rows, source.first, source.last)
    if counted != read:
        raise Mismatch(
            f"{read[0]} records from {read[1] or 'no time'} to {read[2] or 'no time'} were read, the store counts "
            f"{counted[0]} from {counted[1] or 'no time'} to {counted[2] or 'no time'}; nothing was archived"
        )


def check_written(export: Export) -> None:
    """Raises `Mismatch` when the new files together do not hold what was read."""
    facts = [each.facts for each in export.written]
    written = (
        sum(each.rows for each in facts),
        joined(each.content for each in facts),
        min((each.first for each in facts if each.first), default=""),
        max((each.last for each in facts if each.last), default=""),
    )
    source = export.source
    if written != (source.rows, source.content, source.first, source.last):
        raise Mismatch(
            f"{written[0]} records were written, {source.rows} read, and they are not the same; nothing was archived"
        )
