"""What search asks of a place that holds records. Each holds whole UTC days, or a part of one that no other has."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol

from shipper.query.tree import Node


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked for. Times are seconds since the epoch: `since` included, `until` not."""

    tree: Node
    since: float | None = None
    until: float | None = None

    def part_of(self, day: str) -> tuple[int | None, int | None]:
        """`since` and `until` in µs, each only when it lies within the day `2026.11.23`; None: the day asks it."""
        start, end = times_of(day)
        since, until = self.since, self.until
        return (
            round(since * 1_000_000) if since is not None and since > start else None,
            round(until * 1_000_000) if until is not None and until < end else None,
        )


class News(NamedTuple):
    """What is new since the last look: how many records there were, and those of them that are wanted."""

    seen: int
    docs: list[bytes]


class Follower(Protocol):
    """Each record once, from a moment on, as it is stored. `new` raises `ShipperError` when it can't be told now."""

    def new(self) -> News: ...


class Store(Protocol):
    """A place that holds records. Every method raises `ShipperError` when it can't be read now."""

    where: str
    """What it is called when it can't be read."""
    fed: bool
    """Days may come to it from other stores while a search goes on: it is asked for every day, after the others."""

    def days(self, question: Question) -> list[str]:
        """Days `2026.11.23` that may hold a part of the answer, in any order."""

    def docs(self, question: Question, day: str, limit: int) -> Iterator[bytes]:
        """The answer's documents of a day as they are stored, newest first; `limit` 0 is all of them."""

    def count(self, question: Question, day: str) -> int:
        """How many records the answer has on a day."""

    def follow(self, tree: Node) -> Follower:
        """What is stored from now on and fulfils a query."""

    def close(self) -> None: ...


def times_of(day: str) -> tuple[float, float]:
    """Begin and end of a UTC day `2026.11.23`, in seconds since the epoch."""
    start = datetime.strptime(day, "%Y.%m.%d").replace(tzinfo=UTC)
    return start.timestamp(), (start + timedelta(days=1)).timestamp()
