"""What S3 asks for before an object of its slow classes can be read: hours of waiting, and money for each GB."""

from typing import NamedTuple

AS_OF = "2026-11"
"""When these prices were taken: S3, us-east-1, USD."""
GIB = 1 << 30


class Speed(NamedTuple):
    """One way of asking."""

    name: str
    """As `ObjectStore.restore` takes it."""
    waits: str
    usd_per_gib: float


SPEEDS: dict[str, tuple[Speed, ...]] = {
    "GLACIER": (
        Speed("Expedited", "1-5 min", 0.03),
        Speed("Standard", "3-5 h", 0.01),
        Speed("Bulk", "5-12 h", 0.0),
    ),
    "DEEP_ARCHIVE": (Speed("Standard", "12 h", 0.02), Speed("Bulk", "48 h", 0.0025)),
}
"""Class that can't be read at once → the ways of asking for a copy that can, quickest first."""


def speed_of(storage_class: str, name: str) -> Speed:
    """A class that is not known to be slow is taken for GLACIER."""
    return next(speed for speed in SPEEDS.get(storage_class, SPEEDS["GLACIER"]) if speed.name == name)


def ways(storage_class: str, size: int) -> str:
    """What the ways of asking take: `Standard 3-5 h, 0.12 USD; Bulk 5-12 h, free`; `size` is in bytes."""
    return "; ".join(
        f"{speed.name} {speed.waits}, {_cost(speed, size)}" for speed in SPEEDS.get(storage_class, SPEEDS["GLACIER"])
    )


def _cost(speed: Speed, size: int) -> str:
    cost = speed.usd_per_gib * size / GIB
    if not cost:
        return "free"
    return f"{cost:.2f} USD" if cost >= 0.01 else "under 0.01 USD"
