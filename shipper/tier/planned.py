"""What a plan is made of."""

from typing import NamedTuple

from shipper.tier.cost import Held

GONE = "gone"


class Planned(NamedTuple):
    """A move that is due, or will be."""

    kind: str
    """`archive`, `copy` or `expire`, see `archive.ledger`."""
    day: str
    dataset: str
    """Empty: all of a hot day; datasets with a rule of their own may go elsewhere than `to_tier` says."""
    from_tier: str
    to_tier: str
    place: str
    """Where it is after the move: of an archived day where it is already, whatever the policy says now."""
    storage_class: str
    lock_until: float | None
    """Of a hot day None: each dataset has its own, see `policy.lock_until`."""
    reason: str
    rows: int
    bytes: int
    """In the tier that it leaves."""
    due: float
    """Seconds since the epoch."""
    blocked_by: str = ""


class Plan(NamedTuple):
    """What to do now, and what for information."""

    moves: list[Planned]
    """Due, and nothing stands against them; oldest day first. To be carried out in this order."""
    blocked: list[Planned]
    """Due, but something stands against them."""
    coming: list[Planned]
    """Not due yet, soonest first: the next move of every day."""
    now: list[Held]
    after: list[Held]
    """When all moves that are due or under way are done. What a hot day takes in the archive is an estimate."""
    notes: list[str]
