"""What S3 asks for before an object of its slow classes can be read: hours of waiting, and money for each GiB."""

from collections.abc import Mapping
from typing import NamedTuple

GIB = 1 << 30


class Speed(NamedTuple):
    """One way of asking."""

    name: str
    """As `ObjectStore.restore` takes it."""
    waits: str


SPEEDS: dict[str, tuple[Speed, ...]] = {
    "GLACIER": (Speed("Expedited", "1-5 min"), Speed("Standard", "3-5 h"), Speed("Bulk", "5-12 h")),
    "DEEP_ARCHIVE": (Speed("Standard", "12 h"), Speed("Bulk", "48 h")),
}
"""Class that can't be read at once → the ways of asking for a copy that can, quickest first."""


class Fees(NamedTuple):
    """What asking costs, as the pipeline file says."""

    per_gib: Mapping[str, Mapping[str, float]] = {}
    """Class → speed → price of a GiB."""
    currency: str = ""
    as_of: str = ""
    """The date of these prices; empty: none are known."""

    def cost(self, storage_class: str, speed: str, size: int) -> float | None:
        """Of so many bytes; None: no price is known."""
        price = self.per_gib.get(storage_class, {}).get(speed)
        return None if price is None else price * size / GIB

    def spoken(self, cost: float | None) -> str:
        """`, 0.12 USD`, to follow a waiting time; empty where nothing is known."""
        if cost is None:
            return ""
        known = f"{cost:.2f} {self.currency}" if cost >= 0.01 else f"under 0.01 {self.currency}"
        return f", {known if cost else 'free'}"

    @property
    def dated(self) -> str:
        """How old the prices are, for whoever pays."""
        return f" (prices of {self.as_of})" if self.as_of else ""


def speed_of(storage_class: str, name: str) -> Speed:
    """A class that is not known to be slow is taken for GLACIER."""
    return next(speed for speed in SPEEDS.get(storage_class, SPEEDS["GLACIER"]) if speed.name == name)


def ways(storage_class: str, size: int, fees: Fees) -> str:
    """What the ways of asking take: `Standard 3-5 h, 0.12 USD; Bulk 5-12 h, free`; `size` is in bytes."""
    speeds = SPEEDS.get(storage_class, SPEEDS["GLACIER"])
    known = (f"{each.name} {each.waits}{fees.spoken(fees.cost(storage_class, each.name, size))}" for each in speeds)
    return "; ".join(known) + fees.dated
