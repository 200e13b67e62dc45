"""How long records stay where: the section `tiers` of a pipeline file. Ages count from the end of the UTC day."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Annotated, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from shipper.archive.names import NO_DATASET
from shipper.clock import parse_duration
from shipper.errors import UsageError
from shipper.objects.settings import S3
from shipper.objects.thaw import Fees

DAY_S = 86_400.0
STORAGE_CLASSES = (
    "STANDARD",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER_IR",
    "GLACIER",
    "DEEP_ARCHIVE",
    "REDUCED_REDUNDANCY",
)
"""What S3 knows."""
GOOGLE_CLASSES = ("STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE")
"""What Google's S3 interface knows. All of them are readable at once."""
_YEARS = re.compile(r"(\d{1,3})y", re.ASCII)


def seconds(text: object) -> float:
    """Seconds in `24h`, `7d`, `7y` (a year has 365 days)."""
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        return float(text)
    years = _YEARS.fullmatch(str(text).strip())
    if years:
        return float(years[1]) * 365 * DAY_S
    try:
        return parse_duration(str(text))
    except UsageError as error:
        raise ValueError(f"{error}, or 7y") from None


def _until(value: object) -> object:
    """`365d` where a table may stand means its `until`."""
    return {"until": value} if isinstance(value, (str, int, float)) and not isinstance(value, bool) else value


def _time_of_day(value: object) -> object:
    """YAML takes `13:30` without quotes for a number of minutes."""
    return f"{value // 60:02}:{value % 60:02}" if isinstance(value, int) and not isinstance(value, bool) else value


Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Duration = Annotated[float, BeforeValidator(seconds)]


class Tier(BaseModel):
    """A tier of the archive."""

    model_config = ConfigDict(extra="forbid")

    until: Duration = Field(description="Age at which a day leaves it: `30d`.")
    to: str = Field(
        default="", description="`s3://bucket/prefix`, or a folder (a relative one is below the data folder)."
    )
    storage_class: str = Field(default="", description="Of S3: STANDARD_IA, GLACIER_IR, …; empty: the bucket's own.")


class Override(BaseModel):
    """A dataset with a rule of its own."""

    model_config = ConfigDict(extra="forbid")

    until: Duration = Field(description="Age at which it is gone: `7y`.")
    lock: bool = Field(default=False, description="Object Lock: nobody can delete it before, not even with all rights.")


class Prices(BaseModel):
    """What a month of storage costs, and getting days back."""

    model_config = ConfigDict(extra="forbid")

    as_of: date = Field(description="Date of these prices: `2026-11-01`.")
    currency: str = Field(default="USD", description="What they are in.")
    storage: dict[str, Price] = Field(
        default={},
        description="Storage class (`hot`: the hot store, `folder`: a folder) → per GiB and month.",
    )
    restore: dict[str, dict[str, Price]] = Field(
        default={}, description="Class that can't be read at once → speed (Expedited, Standard, Bulk) → per GiB."
    )


class Tiers(BaseModel):
    """The whole section."""

    model_config = ConfigDict(extra="forbid")

    at: Annotated[str, BeforeValidator(_time_of_day)] = Field(
        default="03:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$", description="UTC time of the daily move."
    )
    grace: Duration = Field(default=DAY_S, description="Between published and deleted at the source: `24h`.")
    hot: Duration = Field(description="Age at which a day leaves the hot store: `7d`.")
    warm: Annotated[Tier | None, BeforeValidator(_until)] = Field(
        default=None, description="The first tier of the archive; a duration alone is its `until`."
    )
    cold: Annotated[Tier | None, BeforeValidator(_until)] = Field(
        default=None, description="The last tier of the archive, in the same place; a duration alone is its `until`."
    )
    datasets: dict[str, Annotated[Override, BeforeValidator(_until)]] = Field(
        default={}, description="Dataset → its own rule: `{until: 7y, lock: true}`, or a duration alone."
    )
    s3: S3 = Field(default_factory=S3, description="How the bucket is reached.")
    prices: Prices | None = Field(default=None, description="For what is said of cost.")


def fees_of(prices: Prices | None) -> Fees:
    """What asking for days costs."""
    return Fees() if prices is None else Fees(prices.restore, prices.currency, prices.as_of.isoformat())


class Stage(NamedTuple):
    """Where a dataset lies up to an age, in seconds."""

    tier: str
    place: str
    storage_class: str
    until: float
    lock: bool


def stages(tiers: Tiers, dataset: str) -> list[Stage]:
    """The tiers of the archive that a dataset goes through, in order."""
    override = tiers.datasets.get(dataset or NO_DATASET)
    place, found = "", []
    given: Mapping[str, Tier | None] = {"warm": tiers.warm, "cold": tiers.cold}
    for name, tier in given.items():
        if tier is not None:
            place = tier.to or place or "archive"
            found.append((name, place, tier.storage_class, tier.until))
    lock = override is not None and override.lock
    kept = []
    for number, (name, where, storage_class, until) in enumerate(found):
        last = number == len(found) - 1
        end = override.until if override is not None and (last or override.until < until) else until
        kept.append(Stage(tier=name, place=where, storage_class=storage_class, until=end, lock=lock))
        if end != until and not last:
            break
    return kept


def stage_at(tiers: Tiers, dataset: str, age_s: float) -> Stage | None:
    """Where a dataset belongs at an age; one that is older than every tier goes through the last. None: no tiers."""
    found = stages(tiers, dataset)
    return next((stage for stage in found if age_s < stage.until), found[-1] if found else None)


def gone_at(tiers: Tiers, dataset: str, day: str) -> float:
    """When a dataset's day is due to be deleted for good, in seconds since the epoch; infinite without tiers."""
    found = stages(tiers, dataset)
    return end_of(day) + found[-1].until if found else math.inf


def lock_until(tiers: Tiers, dataset: str, day: str, tier: str, now: float) -> float | None:
    """Until when an object is locked that is put into a tier now: where it stays last until its end, before that until
    the copy of it is deleted at the earliest. None: not at all."""
    found = stages(tiers, dataset)
    for number, stage in enumerate(found):
        if stage.tier == tier and stage.lock:
            last = number == len(found) - 1
            end = end_of(day) + stage.until + (0.0 if last else tiers.grace)
            return end if end > now else None
    return None


def end_of(day: str) -> float:
    """When a UTC day `2026.11.23` is over, in seconds since the epoch."""
    year, month, number = map(int, day.split("."))
    return datetime(year, month, number, tzinfo=UTC).timestamp() + DAY_S


def age(day: str, now: float) -> float:
    """Seconds since the day was over; negative while it is not."""
    return now - end_of(day)


def spoken(seconds_: float) -> str:
    """As a person writes it in the policy: `7d`, `36h`, `7y`."""
    for unit, length, least in (("y", 365 * DAY_S, 2), ("d", DAY_S, 1), ("h", 3600.0, 1), ("m", 60.0, 1)):
        if seconds_ >= least * length and seconds_ % length == 0:
            return f"{seconds_ / length:.0f}{unit}"
    return f"{seconds_:.0f}s"
