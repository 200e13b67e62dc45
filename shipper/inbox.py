"""What waits before the writer: a short queue, and small batches that follow one another joined into one."""

import queue
import threading
import time
from collections.abc import Callable

from shipper.join import join, joinable, weight
from shipper.model import Batch, Gather

QUEUED_BATCHES = 2
PATIENCE_S = 0.2
IDLE_EVERY_S = 1.0


class Rest:
    """Stands in the queue behind the batches after which the writer is to rest."""

    def __init__(self) -> None:
        self.reached, self.over = threading.Event(), threading.Event()


Item = Batch | Rest | None
"""None: the end."""


class Inbox:
    """`offer` from any thread, `take` from one."""

    def __init__(self, gather: Gather | None) -> None:
        self._gather = gather
        self._queue: queue.Queue[tuple[Item, float]] = queue.Queue(QUEUED_BATCHES)
        """With the monotonic time at which each came."""
        self._ahead: list[tuple[Item, float]] = []
        """What was taken from the queue and did not fit into the last batch."""

    def offer(self, item: Item) -> bool:
        """False when there was no room for a while."""
        try:
            self._queue.put((item, time.monotonic()), timeout=PATIENCE_S)
        except queue.Full:
            return False
        return True

    @property
    def empty(self) -> bool:
        return self._queue.empty()

    def take(self, idle: Callable[[], bool]) -> Item:
        """The next batch, with those that follow it at once and may share a request with it. `idle` is called again
        and again while nothing comes; it returns whether to call it again at once."""
        first, came = self._ahead.pop() if self._ahead else self._next(idle)
        if not isinstance(first, Batch) or self._gather is None:
            return first
        parts, (rows, size) = [first], weight(first)
        while rows < self._gather.rows and size < self._gather.bytes:
            try:
                more, at = self._queue.get(timeout=max(0.0, came + self._gather.age_s - time.monotonic()))
            except queue.Empty:
                break
            more_rows, more_size = weight(more) if isinstance(more, Batch) else (0, 0)
            fits = rows + more_rows <= self._gather.rows and size + more_size <= self._gather.bytes
            if not isinstance(more, Batch) or not fits or not joinable(first, more):
                self._ahead.append((more, at))
                break
            parts.append(more)
            rows, size = rows + more_rows, size + more_size
        return join(parts)

    def _next(self, idle: Callable[[], bool]) -> tuple[Item, float]:
        more = False
        while True:
            try:
                return self._queue.get(timeout=0.0 if more else IDLE_EVERY_S)
            except queue.Empty:
                more = idle()
