"""How many files are open: the longest unused are closed, and opened again when they grow."""

from collections import OrderedDict

from shipper.source.file import Tracked

OPEN_FILES = 64
IDLE_S = 300.0


class Handles:
    """Keeps at most `limit` files open, besides those that nothing but their handle holds."""

    def __init__(self, limit: int = OPEN_FILES) -> None:
        self._limit = limit
        self._open: OrderedDict[Tracked, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    def used(self, tracked: Tracked) -> None:
        """A file was opened or read."""
        self._open[tracked] = None
        self._open.move_to_end(tracked)
        if len(self._open) > self._limit:
            for other in [one for one in self._open if one is not tracked and not one.pinned]:
                self.close(other)
                if len(self._open) <= self._limit:
                    return

    def close(self, tracked: Tracked) -> None:
        """Lets go of one."""
        self._open.pop(tracked, None)
        tracked.close()

    def close_idle(self, now: float) -> None:
        """Lets go of all that did not grow for `IDLE_S`; `now` in monotonic seconds."""
        for tracked in [one for one in self._open if now - one.grew_at > IDLE_S and not one.pinned]:
            self.close(tracked)

    def close_all(self) -> None:
        for tracked in list(self._open):
            self.close(tracked)
