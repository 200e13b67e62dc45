"""What the mover needs of the hot store, whichever it is: `tier.embedded`, `tier.elastic`.

A *point* says up to where a day is taken, as JSON: of the embedded store the numbers of the sealed segments, of
Elasticsearch the index's uuid and the highest sequence number of every shard. What came behind a point is late.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

Point = dict[str, Any]


class HotDay(NamedTuple):
    """A UTC day in the hot store."""

    day: str
    """`2026.11.23`."""
    rows: int
    bytes: int
    """On the disk of the store."""


class Taken(NamedTuple):
    """What is taken of a day: its documents in files, and what the store itself says of them."""

    point: Point
    files: list[Path]
    """`*.ndjson` (documents as they are stored, a line each) or `*.parquet` (with the column `doc`)."""
    rows: int
    """Counted by the store at that point, apart from the files."""
    first: str
    """Lowest `@timestamp`, RFC 3339 in UTC; empty when there is none."""
    last: str


class Hot(Protocol):
    """Methods raise `ShipperError`."""

    kind: str
    """`embedded` or `elasticsearch`."""
    where: str

    def days(self) -> Iterator[HotDay]:
        """All days that it holds, oldest first."""

    def take(self, day: str, behind: Point | None, folder: Path) -> Taken:
        """All of a day at one fixed point, or only what came behind an earlier point; new files go to `folder`, which
        is there and empty. The store goes on taking records meanwhile."""

    def late(self, day: str, point: Point) -> int:
        """How many records of a day came behind a point."""

    def block(self, day: str) -> None:
        """From now on the day takes no record, until `release` or `delete`; what was written before is found by
        `late`. May be called again."""

    def release(self, day: str) -> None:
        """Takes records again. One that is not blocked, or not there, stays as it is."""

    def delete(self, day: str, point: Point) -> None:
        """Deletes the day, which is blocked and has nothing late; one that is gone is as good as deleted. What comes
        later makes the day anew."""

    def close(self) -> None: ...
