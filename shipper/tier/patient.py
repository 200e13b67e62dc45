"""Elasticsearch, asked again a few times when it is busy or away for a moment. For requests that may be sent twice."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from shipper.clock import Clock
from shipper.elastic.connect import Elastic, ElasticError

WAITS_S = (0.5, 2.0, 8.0)
PASSING = (0, 429, 502, 503, 504)
"""Statuses that may be others a moment later; 0: no answer came."""

T = TypeVar("T")


class Patient:
    """Asks as `elastic.connect.Elastic` does."""

    def __init__(self, elastic: Elastic, clock: Clock) -> None:
        self.where = elastic.where
        self._elastic, self._clock = elastic, clock

    def request(self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None) -> Any:
        """Raises `ElasticError`."""
        return self._again(lambda: self._elastic.request(method, path, body, headers=headers))

    def raw(self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None) -> bytes:
        """Raises `ElasticError`."""
        return self._again(lambda: self._elastic.raw(method, path, body, headers=headers))

    def _again(self, ask: Callable[[], T]) -> T:
        for wait in WAITS_S:
            try:
                return ask()
            except ElasticError as error:
                if error.status not in PASSING or error.grave:
                    raise
                self._clock.sleep(max(wait, error.after))
        return ask()
