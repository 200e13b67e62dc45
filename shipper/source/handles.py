"""How many files are open: the longest unused are closed, and opened again when they grow."""

from collections import OrderedDict

from shipper.source.file import Tracked

OPEN_FILES = 64
IDLE_S = 300.0
UNPACKED_AT_ONCE = 4
"""So many compressed files are read at a time: each takes memory to unpack it."""


class Handles:
    """Keeps at most `limit` files open, besides those that nothing but their handle holds."""

    def __init__(self, limit: int = OPEN_FILES) -> None:
        self._limit = limit
        self._open: OrderedDict[Tracked, None] = OrderedDict()
        self._unpacking: set[Tracked] = set()

    def __len__(self) -> int:
        return len(self._open)

    def used(self, tracked: Tracked) -> None:
        """A file was opened or read."""
        self._open[tracked] = None
        self._open.move_to_end(tracked)
        if len(self._open) > self._limit:
            for other in [one for one in self._open if one is not tracked and not self._kept(one)]:
                self.close(other)
                if len(self._open) <= self._limit:
                    return

    def _kept(self, tracked: Tracked) -> bool:
        """A compressed file in hand would be unpacked from its beginning again."""
        return tracked.pinned or tracked in self._unpacking

    def close(self, tracked: Tracked) -> None:
        """Lets go of one."""
        self._open.pop(tracked, None)
        self._unpacking.discard(tracked)
        tracked.close()

    def may_unpack(self, tracked: Tracked) -> bool:
        """Whether it is the turn of a compressed file: it is until `unpacked` or `close`."""
        if not self.unpacking_all:
            self._unpacking.add(tracked)
        return tracked in self._unpacking

    @property
    def unpacking_all(self) -> bool:
        """Whether as many compressed files as may be are in hand."""
        return len(self._unpacking) >= UNPACKED_AT_ONCE

    def unpacked(self, tracked: Tracked) -> None:
        """Nothing more can be unpacked of a file now."""
        self._unpacking.discard(tracked)

    def close_idle(self, now: float) -> None:
        """Lets go of all that did not grow for `IDLE_S`; `now` in monotonic seconds."""
        for tracked in [one for one in self._open if now - one.grew_at > IDLE_S and not self._kept(one)]:
            self.close(tracked)

    def read(self) -> dict[str, int]:
        """How far each open file is read, by id."""
        return {tracked.file_id: tracked.read_at for tracked in list(self._open)}

    def close_all(self) -> None:
        for tracked in list(self._open):
            self.close(tracked)
