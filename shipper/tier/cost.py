"""What tiers hold and cost a month: storage alone, by the prices of the policy."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from shipper.archive.ledger import Archived
from shipper.objects.place import is_bucket
from shipper.tier.hot import HotDay
from shipper.tier.policy import DAY_S, Prices, Tiers, spoken, stages

HOT, FOLDER = "hot", "folder"
GIB = 1 << 30
MINIMUM_DAYS = {
    **{"STANDARD_IA": 30, "ONEZONE_IA": 30, "GLACIER_IR": 90, "GLACIER": 90, "DEEP_ARCHIVE": 180},
    **{"NEARLINE": 30, "COLDLINE": 90, "ARCHIVE": 365},
}
"""Storage class → days that are billed of an object that is deleted before."""
LEAST_BYTES = {"STANDARD_IA": 131_072, "ONEZONE_IA": 131_072, "GLACIER_IR": 131_072}
"""Storage class → bytes that are billed of an object that is smaller."""
MORE_BYTES = {"GLACIER": 40_960, "DEEP_ARCHIVE": 40_960}
"""Storage class → bytes that are billed of every object beside its own."""


class Lot(NamedTuple):
    """What lies together: a hot day, a dataset and day of the archive."""

    tier: str
    day: str
    rows: int
    bytes: int
    billed: int
    price_of: str
    """`hot`, `folder` or a storage class of S3."""


class Held(NamedTuple):
    """What a tier holds."""

    tier: str
    days: int
    rows: int
    bytes: int
    cost: float | None
    """A month, in the currency of the prices; None: no price is given for some of it."""


def hot_lot(day: HotDay) -> Lot:
    return Lot(HOT, day.day, day.rows, day.bytes, day.bytes, HOT)


def archived_lot(one: Archived, tier: str = "", storage_class: str = "") -> Lot:
    """Of an archived day as it is, or as it will be in another tier."""
    sizes = [(part.bytes, storage_class or part.storage_class) for part in one.manifest.parts]
    bucket = is_bucket(one.place)
    billed = sum(billed_bytes(size, of) if bucket else size for size, of in sizes)
    known = next((of for _, of in sizes if of), "STANDARD") if bucket else FOLDER
    return Lot(tier or one.tier, one.day, one.manifest.rows, one.manifest.bytes, billed, known)


def coming_lot(day: HotDay, tier: str, place: str, storage_class: str, estimate: int) -> Lot:
    """Of a hot day that goes to the archive."""
    price_of = (storage_class or "STANDARD") if is_bucket(place) else FOLDER
    return Lot(tier, day.day, day.rows, estimate, billed_bytes(estimate, price_of), price_of)


def billed_bytes(size: int, storage_class: str) -> int:
    return max(size, LEAST_BYTES.get(storage_class, 0)) + MORE_BYTES.get(storage_class, 0)


def holdings(lots: Iterable[Lot], names: Iterable[str], prices: Prices | None) -> list[Held]:
    """Of each tier, in the order of their names."""
    by_tier: dict[str, list[Lot]] = {name: [] for name in names}
    for lot in lots:
        by_tier.setdefault(lot.tier, []).append(lot)
    return [_held(tier, inside, prices) for tier, inside in by_tier.items()]


def _held(tier: str, lots: list[Lot], prices: Prices | None) -> Held:
    known = prices.storage if prices is not None else {}
    unpriced = any(lot.price_of not in known for lot in lots)
    cost = None if unpriced else sum(lot.billed / GIB * known[lot.price_of] for lot in lots)
    days = len({lot.day for lot in lots})
    return Held(tier, days, sum(lot.rows for lot in lots), sum(lot.bytes for lot in lots), cost)


def early_deletions(tiers: Tiers) -> Iterator[str]:
    """What is billed beyond the policy: classes of S3 ask for a minimum of days, a line each."""
    for dataset in ("", *tiers.datasets):
        found = stages(tiers, dataset)
        begins = tiers.hot
        for number, stage in enumerate(found):
            least = MINIMUM_DAYS.get(stage.storage_class, 0) * DAY_S if is_bucket(stage.place) else 0.0
            stays = stage.until - begins + (tiers.grace if number < len(found) - 1 else 0.0)
            if stays < least and (not dataset or _is_its_own(tiers, dataset, number)):
                yield _early(dataset or stage.tier, stage.storage_class, stays, least, stage.until + least - stays)
            begins = stage.until


def _is_its_own(tiers: Tiers, dataset: str, number: int) -> bool:
    """Whether a dataset leaves a tier at another age than the others."""
    return stages(tiers, dataset)[number].until != stages(tiers, "")[number].until


def _early(what: str, storage_class: str, stays: float, least: float, better: float) -> str:
    return (
        f"{what}: {storage_class} bills at least {spoken(least)}, a day stays {spoken(stays)}; "
        f"`until: {spoken(better)}` costs no more"
    )
