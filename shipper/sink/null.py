"""Takes every record and forgets it: to measure the rest of the pipeline, or to run for the alerts alone."""

from pydantic import BaseModel, ConfigDict

from shipper.context import Context
from shipper.model import Batch, Gather, Refused


class Config(BaseModel):
    """Nothing to configure."""

    model_config = ConfigDict(extra="forbid")


class NullSink:
    """Counts."""

    name = "null"
    gather: Gather | None = None

    def __init__(self) -> None:
        self.rows = 0
        """Rows taken since the start."""

    def write(self, batch: Batch) -> list[Refused]:
        """Takes all rows."""
        self.rows += len(batch.out)
        return []

    def close(self) -> None:
        """Nothing to close."""


def build(config: Config, context: Context) -> NullSink:
    """The sink of a pipeline file's `type: null`."""
    return NullSink()
