"""Prints records to standard output as JSON lines, as they would be stored.

Rows are out before the commit: after a crash the last ones may be printed again.
"""

import sys
from typing import BinaryIO

from pydantic import BaseModel, ConfigDict, Field

from shipper.context import Context
from shipper.errors import Retry
from shipper.model import Batch, Gather, Refused


class Config(BaseModel):
    """What is printed."""

    model_config = ConfigDict(extra="forbid")

    alerts: bool = Field(default=True, description="Whether alert records are printed between the others.")


class ConsoleSink:
    """One line a row, flushed with every batch."""

    name = "console"
    gather: Gather | None = None

    def __init__(self, output: BinaryIO, *, alerts: bool = True) -> None:
        self._output = output
        self._alerts = alerts

    def write(self, batch: Batch) -> list[Refused]:
        """Prints the batch. Raises `Retry` when the other end does not take it."""
        if batch.out and (self._alerts or batch.stream == "records"):
            try:
                self._output.write(b"\n".join([*batch.out, b""]))
                self._output.flush()
            except OSError as error:
                raise Retry(f"standard output: {error.strerror}; waiting for someone to read it", after=5.0) from error
        return []

    def close(self) -> None:
        """Standard output stays open: others print there too."""


def build(config: Config, context: Context) -> ConsoleSink:
    """The sink of a pipeline file's `type: console`."""
    return ConsoleSink(sys.stdout.buffer, alerts=config.alerts)
