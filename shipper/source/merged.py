"""Several sources as one: each is read in a thread of its own, a batch ahead at most."""

import contextlib
import queue
import threading
from collections.abc import Iterator, Sequence

from shipper.model import Batch, Source

DRAIN_S = 0.05
SIGHT_S = 0.2
DRAINS = 100
"""So often, and so long each time, `close` waits for a reader."""


class Merged:
    """Batches of all the sources, as they come. Ends when all have ended; raises what one of them raised."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        self._queue: queue.Queue[Batch | BaseException | None] = queue.Queue(1)
        self._threads: list[threading.Thread] = []

    def __iter__(self) -> Iterator[Batch]:
        self._threads = [threading.Thread(target=self._read, args=(source,), daemon=True) for source in self._sources]
        for thread in self._threads:
            thread.start()
        running = len(self._threads)
        while running:
            item = self._queue.get()
            if item is None:
                running -= 1
            elif isinstance(item, BaseException):
                raise item
            else:
                yield item

    def _read(self, source: Source) -> None:
        try:
            for batch in source:
                self._hand_over(batch, source)
            self._queue.put(None)
        except BaseException as error:
            self._queue.put(error)

    def _hand_over(self, batch: Batch, source: Source) -> None:
        while True:
            try:
                return self._queue.put(batch, timeout=SIGHT_S)
            except queue.Full:
                source.keep_in_sight()

    def stop(self) -> None:
        for source in self._sources:
            source.stop()

    def close(self) -> None:
        """Waits for the readers first: a file must not be closed under one. What they still hand over is dropped, so
        it was never committed and is read again."""
        self.stop()
        for _ in range(DRAINS):
            if not any(thread.is_alive() for thread in self._threads):
                break
            with contextlib.suppress(queue.Empty):
                self._queue.get(timeout=DRAIN_S)
        for source in self._sources:
            source.close()

    def keep_in_sight(self) -> None:
        """Each reader does that for its source."""

    def read(self) -> dict[str, int]:
        return {file_id: offset for source in self._sources for file_id, offset in source.read().items()}
