"""Prints each alert as one line on standard error, where it stands out from records on standard output."""

import sys
from typing import Literal, TextIO

from pydantic import BaseModel, ConfigDict, Field

from shipper.alerts import printable, rank
from shipper.context import Context
from shipper.errors import Retry

Level = Literal["informational", "low", "medium", "high", "critical"]


class Config(BaseModel):
    """What is printed."""

    model_config = ConfigDict(extra="forbid")

    min_level: Level = Field(default="informational", description="Alerts below this level are not printed.")


class ConsoleNotifier:
    """One line an alert: its title and its id."""

    name = "console"

    def __init__(self, output: TextIO, min_level: str = "informational") -> None:
        self._output = output
        self._min_level = min_level

    def send(self, title: str, body: str, level: str, dedup_key: str) -> None:
        """Prints the title. Raises `Retry` when the other end does not take it."""
        if rank(level) < rank(self._min_level):
            return
        try:
            print(f"ALERT {printable(title)} {dedup_key}", file=self._output, flush=True)
        except OSError as error:
            raise Retry(f"standard error: {error.strerror}", after=5.0) from error


def build(config: Config, context: Context) -> ConsoleNotifier:
    """The notifier of a pipeline file's `type: console`."""
    return ConsoleNotifier(sys.stderr, config.min_level)
