"""Collects lines of several files into one batch."""

from collections.abc import Callable, Sequence

from shipper.model import Alert, Batch, Origin, Span, StateChange
from shipper.source.file import Tracked
from shipper.source.lines import CONTINUED, Cut


class Builder:
    """One batch in the making. `origin` tells where a file's rows come from."""

    def __init__(self, origin: Callable[[Tracked], Origin]) -> None:
        self._origin = origin
        self._lines: list[bytes] = []
        self._offsets: list[int] = []
        self._spans: list[Span] = []
        self._odd: dict[int, str] = {}
        self._stitched: dict[int, tuple[tuple[str, int, int], ...]] = {}
        self._touched: dict[str, Tracked] = {}
        self._forgotten: list[str] = []
        self._alerts: list[Alert] = []
        self._changes: list[StateChange] = []
        self.clocked = False
        """Where a line was cut depends on when it was looked at."""
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._lines)

    def add(self, tracked: Tracked, cut: Cut) -> None:
        """Whole lines of one file."""
        first = len(self._lines)
        self._odd.update({first + row: why for row, why in cut.odd.items()})
        self._lines += cut.lines
        self._offsets += cut.offsets
        self.bytes += cut.rest - cut.offsets[0]
        self._close_span(first, tracked)

    def add_stitched(self, head: Sequence[Tracked], last: Tracked, line: bytes, stop: int) -> None:
        """One line that begins at the end of `head` and ends with the first `stop` bytes of `last`."""
        ranges = [(part.file_id, part.offset, part.read_at) for part in head]
        self._stitched[len(self._lines)] = (*ranges, (last.file_id, last.offset, last.offset + stop))
        self.clocked = True
        if head[0].continues:
            self._odd[len(self._lines)] = CONTINUED
        self._add_row(head[0], line)
        for part in (*head, last):
            self.touch(part)

    def add_unfinished(self, parts: Sequence[Tracked], line: bytes, reason: str) -> None:
        """One line that has no end."""
        if len(parts) > 1:
            ranges = tuple((part.file_id, part.offset, part.read_at) for part in parts)
            self._stitched[len(self._lines)] = ranges
        self._odd[len(self._lines)] = f"cut{', continued' if parts[0].continues else ''}: {reason}"
        self.clocked = True
        self._add_row(parts[0], line)
        for part in parts:
            self.touch(part)

    def touch(self, tracked: Tracked) -> None:
        """The commit stores how far this file is read."""
        self._touched[tracked.file_id] = tracked

    def forget(self, tracked: Tracked) -> None:
        """The commit drops what is known of this file. It goes with a batch, never straight into the state: an
        earlier batch that still waits for a sink would bring the file back."""
        self._touched.pop(tracked.file_id, None)
        self._forgotten.append(tracked.file_id)

    def tell(self, alert: Alert, changes: Sequence[StateChange]) -> None:
        """The commit stores an alert; it goes with the positions that it speaks of."""
        self._alerts.append(alert)
        self._changes += changes

    def _add_row(self, tracked: Tracked, line: bytes) -> None:
        first = len(self._lines)
        self._lines.append(line)
        self._offsets.append(tracked.offset)
        self.bytes += len(line)
        self._close_span(first, tracked)

    def _close_span(self, first: int, tracked: Tracked) -> None:
        self.touch(tracked)
        stop, origin = len(self._lines), self._origin(tracked)
        if self._spans and self._spans[-1].origin == origin:
            first = self._spans.pop().start
        self._spans.append(Span(first, stop, origin))

    def build(self, clock: float, *, final: bool = False) -> Batch:
        """The batch; the files it touched are stored as they are read now."""
        return Batch(
            lines=self._lines,
            offsets=self._offsets,
            spans=self._spans,
            clock=clock,
            progress={file_id: tracked.progress() for file_id, tracked in self._touched.items()},
            final=final,
            clocked=self.clocked,
            odd=self._odd,
            stitched=self._stitched,
            alerts=self._alerts,
            changes=[*self._changes, *(_forget(file_id) for file_id in self._forgotten)],
        )


def _forget(file_id: str) -> StateChange:
    return StateChange("DELETE FROM files WHERE file_id = ?", (file_id,))
