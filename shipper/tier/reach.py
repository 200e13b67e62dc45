"""What an erasure reaches: every store behind a data folder, handed in by who knows the pipeline."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from shipper.archive.ledger import Archived, Hold, Move
from shipper.archive.parquet import Exporter
from shipper.clock import Clock
from shipper.elastic.moment import Requests
from shipper.query.tree import Node
from shipper.state import State
from shipper.tier.erase_archive import Archives
from shipper.tier.erase_tables import Without

HOT, ELASTIC, RESTORED = "hot", "elasticsearch", "restored"
"""Where records lie, beside the tiers of the archive."""


class Indexed(Protocol):
    """Index, day and document of all that match in Elasticsearch; of restored days instead when asked."""

    def __call__(self, tree: Node, *, restored: bool = False) -> Iterator[tuple[str, str, bytes]]: ...


class Remaining(Protocol):
    """How many records a search over all tiers finds, all or those of a dataset and day, and what could not be
    searched, a line each."""

    def __call__(self, tree: Node, kind: tuple[str, str] | None = None) -> tuple[int, list[str]]: ...


class Ids(Protocol):
    """The `event.id` of the records that such a search finds, in what can be read now."""

    def __call__(self, tree: Node, kind: tuple[str, str] | None = None) -> Iterator[str]: ...


@dataclass(slots=True)
class Reach:
    """The caller holds the lock `move`, unless it only looks. All that is called may raise `ShipperError`."""

    data: Path
    state: State
    clock: Clock
    key: bytes
    """Of the data folder, for the hash of the subject."""
    exporter: Exporter
    archives: Archives
    discard: Callable[[Move], None]
    """Deletes what a move has put into the archive and not published."""
    scratch: Path
    """A folder for files on their way."""
    held: Callable[[str, str], list[Hold]]
    let_go: Callable[[str, Sequence[str]], Sequence[str]]
    """Place, keys: objects that nothing holds any more lose the legal hold that was set here."""
    count_archived: Callable[[Node, Archived], int]
    """How many records of one archived dataset and day match."""
    indexed: Indexed
    elastic: Requests | None
    name: str
    """Of the pipeline."""
    remaining: Remaining
    ids: Ids
    without: Without
    missing: str
    """A store that holds records and can't be reached at all; or empty."""
    logs: list[str]
    """The files that the records were read from."""
