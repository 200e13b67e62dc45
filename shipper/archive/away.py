"""A store that did not answer is not asked for every day of a year: each time takes as long as its patience."""

from collections.abc import Callable
from typing import TypeVar

from shipper.objects.store import ObjectStore, Stored, Unreachable

Answer = TypeVar("Answer")
TRIES = 2
"""Failures in a row after which the next are told at once."""


class Away:
    """What reading needs of a store, for the time of one search."""

    def __init__(self, store: ObjectStore) -> None:
        self.where = store.where
        self._store = store
        self._failures: list[Unreachable] = []

    def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """As the store's. Raises what it raises, and the last `Unreachable` again when there were several."""
        return self._asked(lambda: self._store.get(key, start, stop))

    def head(self, key: str) -> Stored | None:
        """As the store's, and as `get`."""
        return self._asked(lambda: self._store.head(key))

    def _asked(self, ask: Callable[[], Answer]) -> Answer:
        if len(self._failures) >= TRIES:
            raise Unreachable(str(self._failures[-1]))
        try:
            answer = ask()
        except Unreachable as error:
            self._failures.append(error)
            raise
        self._failures.clear()
        return answer
