"""Keeps records in memory: for tests, and for trying out a pipeline from Python.

Rows are kept at once, not at the commit; a batch that is written again is there again.
"""

from pydantic import BaseModel, ConfigDict

from shipper.context import Context
from shipper.errors import Retry
from shipper.model import Batch, Gather, Refused


class Config(BaseModel):
    """Nothing to configure."""

    model_config = ConfigDict(extra="forbid")


class MemorySink:
    """Lists of `(event id, bytes)`, one a stream. Refuses and fails on demand."""

    name = "memory"
    gather: Gather | None = None

    def __init__(self) -> None:
        self.streams: dict[str, list[tuple[str, bytes]]] = {"records": [], "alerts": []}
        self.refuse: dict[str, str] = {}
        """Event id → reason: rows to refuse."""
        self.failures: list[Retry] = []
        """Raised by the next writes, one each."""
        self.closed = False

    @property
    def rows(self) -> list[tuple[str, bytes]]:
        """The records."""
        return self.streams["records"]

    def write(self, batch: Batch) -> list[Refused]:
        """Keeps every row that it was not told to refuse."""
        if self.failures:
            raise self.failures.pop(0)
        ids = [batch.event_id(row) for row in range(len(batch.out))]
        refused = [Refused(row, self.name, self.refuse[id_]) for row, id_ in enumerate(ids) if id_ in self.refuse]
        kept = [(id_, out) for id_, out in zip(ids, batch.out, strict=True) if id_ not in self.refuse]
        self.streams[batch.stream].extend(kept)
        return refused

    def close(self) -> None:
        """May be called again."""
        self.closed = True


def build(config: Config, context: Context) -> MemorySink:
    """The sink of a pipeline file's `type: memory`."""
    return MemorySink()
