"""Counters of one run, every name once. `status` shows them; a misspelt one is a type error."""

from dataclasses import dataclass, fields
from time import monotonic


@dataclass(slots=True)
class Metrics:
    """Counts since the start of this run unless the name says otherwise."""

    records: int = 0
    """Records committed."""
    bytes_read: int = 0
    lines_unparsed: int = 0
    """Lines stored as `event.kind: pipeline_error`."""
    findings: int = 0
    alerts: int = 0
    redactions: int = 0
    """Secrets struck out."""
    refused: int = 0
    """Rows that went to the quarantine."""
    lost_bytes: int = 0
    """Bytes deleted before they could be read."""
    sink_retries: int = 0
    notifications: int = 0
    notification_failures: int = 0
    reloads: int = 0
    late_events: int = 0
    """Events that came too late for the window they belong to."""

    def as_dict(self) -> dict[str, int]:
        """Name → count."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


class Rate:
    """Records per second over the last few seconds, for `status`."""

    def __init__(self, span: float = 10.0) -> None:
        self._span = span
        self._seen: list[tuple[float, int]] = []

    def add(self, count: int) -> None:
        now = monotonic()
        self._seen.append((now, count))
        while self._seen and self._seen[0][0] < now - self._span:
            self._seen.pop(0)

    def per_second(self) -> float:
        """Mean over the span."""
        horizon = monotonic() - self._span
        return sum(count for at, count in self._seen if at >= horizon) / self._span
