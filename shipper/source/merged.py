"""Several sources as one: each is read in a thread of its own, a batch ahead at most."""

import queue
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from shipper.model import Batch, Source


class Merged:
    """Batches of all the sources, as they come. Ends when all have ended; raises what one of them raised."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        self._queue: queue.Queue[Batch | BaseException | None] = queue.Queue(1)

    def __iter__(self) -> Iterator[Batch]:
        threads = [threading.Thread(target=self._read, args=(source,), daemon=True) for source in self._sources]
        for thread in threads:
            thread.start()
        running = len(threads)
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
                self._queue.put(batch)
            self._queue.put(None)
        except BaseException as error:
            self._queue.put(error)

    def stop(self) -> None:
        for source in self._sources:
            source.stop()

    def close(self) -> None:
        for source in self._sources:
            source.close()

    def status(self) -> list[dict[str, Any]]:
        return [entry for source in self._sources for entry in source.status()]
