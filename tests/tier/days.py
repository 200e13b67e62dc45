"""Days in tiers, made by hand."""

from datetime import UTC, datetime, timedelta

from shipper.archive.content import NOTHING
from shipper.archive.ledger import Archived, Move
from shipper.archive.manifest import Manifest, Part
from shipper.archive.names import part_key
from shipper.tier.hot import HotDay
from shipper.tier.policy import Tiers

WEEK_MONTH_YEAR = {
    "hot": "7d",
    "warm": {"until": "30d", "to": "s3://bucket/logs", "storage_class": "STANDARD_IA"},
    "cold": {"until": "365d", "storage_class": "GLACIER_IR"},
    "datasets": {"audit": {"until": "7y", "lock": True}},
    "prices": {"as_of": "2026-11-01", "storage": {"STANDARD_IA": 0.0125, "GLACIER_IR": 0.004, "hot": 0.1}},
}


def policy(**changed):
    return Tiers.model_validate({**WEEK_MONTH_YEAR, **changed})


def day(number):
    """`0` is 2026.01.01."""
    return (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number)).strftime("%Y.%m.%d")


def at(number, hour=3):
    """Seconds since the epoch on the morning of a day; `at(1)` is the first time at which day 0 is over."""
    return (datetime(2026, 1, 1, hour, tzinfo=UTC) + timedelta(days=number)).timestamp()


def hot(number, rows=100, size=50_000):
    return HotDay(day(number), rows, size)


def archived(number, tier="warm", dataset="backend", **with_):
    """One dataset and day in the bucket."""
    rows, size = with_.pop("rows", 100), with_.pop("size", 200_000)
    grace, place = with_.pop("grace", False), with_.pop("place", "s3://bucket/logs")
    storage_class = with_.pop("storage_class", {"warm": "STANDARD_IA", "cold": "GLACIER_IR"}[tier])
    key = part_key(tier, dataset, day(number))
    part = Part(key, size, "0" * 64, rows, "", "", NOTHING, storage_class=storage_class)
    manifest = Manifest(tier, dataset, day(number), (part,), "embedded", "2026-01-01T00:00:00Z")
    return Archived(place, tier, dataset, day(number), manifest, grace, 0.0)


def move(kind, number, step, dataset="", way=("hot", "warm"), **more):
    return Move(kind, day(number), dataset, *way, "", step, **more)
