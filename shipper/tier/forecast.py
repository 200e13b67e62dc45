"""What each tier will hold when the moves of a plan are done."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from shipper.archive.ledger import ARCHIVE, MARKED, PUBLISHED, Archived, Move
from shipper.tier import cost
from shipper.tier.cost import HOT, Held, Lot
from shipper.tier.hot import HotDay
from shipper.tier.planned import GONE, Planned
from shipper.tier.policy import Tiers, stages

Key = tuple[str, str, str]
"""Day, dataset, tier."""


class _Goes(NamedTuple):
    """Where something goes."""

    tier: str
    place: str
    storage_class: str


def held_now(tiers: Tiers, hot_days: Sequence[HotDay], archived: Sequence[Archived]) -> list[Held]:
    """By every tier, copies that wait to be deleted included."""
    lots = [*map(cost.hot_lot, hot_days), *map(cost.archived_lot, archived)]
    return cost.holdings(lots, _names(tiers), tiers.prices)


def held_after(
    tiers: Tiers,
    hot_days: Sequence[HotDay],
    archived: Sequence[Archived],
    moves: Sequence[Planned],
    under_way: Sequence[Move],
) -> list[Held]:
    """By every tier, when these moves are done. What a hot day takes in the archive is estimated."""
    going = {(move.day, move.dataset, move.from_tier): _destination(tiers, move) for move in under_way}
    going |= {(one.day, one.dataset, one.from_tier): _Goes(one.to_tier, one.place, one.storage_class) for one in moves}
    there = {move.day for move in under_way if move.kind == ARCHIVE and move.step in (PUBLISHED, MARKED)}
    lots = [*_of_hot(hot_days, archived, going, there), *_of_archive(archived, going)]
    return cost.holdings(lots, _names(tiers), tiers.prices)


def _names(tiers: Tiers) -> list[str]:
    return [HOT, *(stage.tier for stage in stages(tiers, ""))]


def _destination(tiers: Tiers, move: Move) -> _Goes:
    stage = next((stage for stage in stages(tiers, move.dataset) if stage.tier == move.to_tier), None)
    return _Goes(move.to_tier, stage.place, stage.storage_class) if stage else _Goes(move.to_tier, "", "")


def _of_hot(
    hot_days: Sequence[HotDay], archived: Sequence[Archived], going: dict[Key, _Goes], there: set[str]
) -> Iterator[Lot]:
    """`there`: days whose records are counted in the archive already."""
    for day in hot_days:
        goes = going.get((day.day, "", HOT))
        if goes is None:
            yield cost.hot_lot(day)
        elif day.day not in there:
            yield cost.coming_lot(day, *goes, estimate(day, archived))


def _of_archive(archived: Sequence[Archived], going: dict[Key, _Goes]) -> Iterator[Lot]:
    for one in archived:
        goes = going.get((one.day, one.dataset, one.tier))
        if goes is None and not one.grace:
            yield cost.archived_lot(one)
        elif goes is not None and goes.tier != GONE and not one.grace:
            yield cost.archived_lot(one, goes.tier, goes.storage_class)


def estimate(day: HotDay, archived: Sequence[Archived]) -> int:
    """Bytes that a hot day will take: by what archived rows take on average, else what it takes now."""
    rows = sum(one.manifest.rows for one in archived)
    return day.rows * sum(one.manifest.bytes for one in archived) // rows if rows else day.bytes
