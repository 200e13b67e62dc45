"""Keeps messages in memory: for tests, and for trying out a pipeline from Python."""

from pydantic import BaseModel, ConfigDict

from shipper.context import Context
from shipper.notify.message import Message


class Config(BaseModel):
    """Nothing to configure."""

    model_config = ConfigDict(extra="forbid")


class MemoryNotifier:
    """A list of what was sent. Fails on demand."""

    name = "memory"

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.failures: list[Exception] = []
        """Raised by the next sends, one each."""

    def send(self, title: str, body: str, level: str, dedup_key: str) -> None:
        """Keeps the message, or raises the next failure."""
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append(Message(title, body, level, dedup_key))


def build(config: Config, context: Context) -> MemoryNotifier:
    """The notifier of a pipeline file's `type: memory`."""
    return MemoryNotifier()
