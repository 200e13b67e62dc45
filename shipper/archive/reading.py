"""What reading an archive comes to, for whoever watches it."""

import threading
from collections.abc import Callable
from typing import NamedTuple

from shipper.archive.ledger import Archived
from shipper.archive.manifest import Part


class Frozen(NamedTuple):
    """A part that needs a restore before it can be read."""

    one: Archived
    part: Part
    restoring: bool
    """It was asked for already."""


class Reading:
    """Counts what is fetched, from any thread, and keeps what was left out."""

    def __init__(self, on_fetch: Callable[[], None] = lambda: None) -> None:
        self.opened = 0
        """Bytes of all parts that were opened for fetching: no more than these will come."""
        self.fetched = 0
        self.frozen: list[Frozen] = []
        self._on_fetch = on_fetch
        self._lock = threading.Lock()

    def open(self, size: int) -> None:
        with self._lock:
            self.opened += size

    def fetch(self, size: int) -> None:
        with self._lock:
            self.fetched += size
            self._on_fetch()

    def leave_out(self, part: Frozen) -> None:
        if part not in self.frozen:
            self.frozen.append(part)
