"""Rows that wait for a sink, in segments of their own: accepted and durable, given to it later, oldest first.

Spooled rows wait for the whole sink, in the order in which they came; parked ones for one index of it, so they lie by
the day of their index. A segment goes in the commit that settles its rows; killed before, they are given once more.
"""

from contextlib import suppress
from pathlib import Path

import orjson

from shipper.clock import Clock, iso
from shipper.errors import Retry, StateMismatch
from shipper.model import Batch, Origin, Span, StateChange
from shipper.state import State
from shipper.store.layout import PARKED, SPOOLED, Segment, listed, period
from shipper.store.recover import recover
from shipper.store.segments import MIB, Limits, Segments

STREAMS = (*SPOOLED.values(), *PARKED.values())
FROM = {kept: stream for kinds in (SPOOLED, PARKED) for stream, kept in kinds.items()}
SEGMENT_BYTES = 8 * MIB
"""Small: what a crash makes us send again is one segment."""
SEGMENT_ROWS = 50_000


class Waiting:
    """All that waits in one data folder. One thread uses it; nothing may be settled between keeping rows and the
    commit of what `spool` and `park` return."""

    def __init__(self, data: Path, max_bytes: int, clock: Clock) -> None:
        """Repairs what a crash left. `max_bytes`: on the disk, of all together. Raises `StateMismatch`."""
        self._data, self._clock = data, clock
        self.state = State(data / "state.db")
        recover(data, self.state, STREAMS)
        remedy = "see why the sink takes nothing, or raise its spool_bytes"
        limits = Limits(SEGMENT_BYTES, SEGMENT_ROWS, 0.0, max_bytes, STREAMS, "spool", remedy)
        self._segments = Segments(data, self.state, limits, clock)
        self._loaded: tuple[Segment, Batch] | None = None

    def close(self) -> None:
        self._segments.close()
        self.state.close()

    def refresh(self) -> None:
        """Somebody else has rewritten what waits, while this one was at rest."""
        self._loaded = None
        self._segments.refresh()

    # ── taking rows in ────────────────────────────────────────────────────────────────────────────────────────────

    def spool(self, batch: Batch, rows: list[int]) -> list[StateChange]:
        """Keeps rows behind all that are spooled, once the changes are committed. Raises `Retry` when it is full."""
        if not rows:
            return []
        stream = SPOOLED[batch.stream]
        # One folder until it is drained: a segment of a later day would be another open one.
        last = listed(self.state, stream)[-1:]
        day = last[0].day if last else period("records", iso(self._clock.now()))
        return [self._append(stream, day, batch, rows)]

    def park(self, batch: Batch, rows: list[int]) -> list[StateChange]:
        """Keeps rows by the day of their index, once the changes are committed. Raises `Retry` when it is full."""
        days: dict[str, list[int]] = {}
        for row in rows:
            days.setdefault(period(batch.stream, batch.times[row]), []).append(row)
        return [self._append(PARKED[batch.stream], day, batch, some) for day, some in days.items()]

    def _append(self, stream: str, day: str, batch: Batch, rows: list[int]) -> StateChange:
        times = [batch.times[row] for row in rows]
        return self._segments.append(stream, day, [batch.out[row] for row in rows], min(times), max(times))

    # ── giving them out ───────────────────────────────────────────────────────────────────────────────────────────

    def spooled(self) -> list[Segment]:
        """Oldest first, records and alerts in one order."""
        return listed(self.state, *SPOOLED.values())

    def parked(self) -> dict[tuple[str, str], Segment]:
        """The oldest segment of each stream and day."""
        oldest: dict[tuple[str, str], Segment] = {}
        for segment in listed(self.state, *PARKED.values()):
            oldest.setdefault((segment.stream, segment.day), segment)
        return oldest

    def load(self, segment: Segment) -> Batch:
        """The rows as they were on their way into the sink; the same object until the segment grows or is settled.

        Raises `StateMismatch` when bytes are missing, `Retry` when they can't be read now.
        """
        if self._loaded is None or self._loaded[0] != segment:
            self._loaded = segment, as_batch(segment, _content(segment, segment.path(self._data)), self._clock.now())
        return self._loaded[1]

    def settle(self, segment: Segment, *changes: StateChange) -> None:
        """The sink has its rows, but for those that `changes` keep: removes it with their commit."""
        self.state.run(*changes, StateChange("DELETE FROM segments WHERE number = ?", (segment.number,)))
        self._loaded = None
        self._segments.forget(segment.number)
        path = segment.path(self._data)
        # What cannot be removed now goes at the next start; a folder stays as long as others wait there.
        with suppress(OSError):
            path.unlink()
            path.parent.rmdir()


def _content(segment: Segment, path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            block = file.read(segment.bytes)
    except FileNotFoundError:
        block = b""
    except OSError as error:
        raise Retry(f"{path}: {error.strerror}; what waits there cannot be read, trying again", after=5.0) from error
    if len(block) < segment.bytes:
        raise StateMismatch(f"{path}: {segment.bytes} bytes wait there, {len(block)} are left; restore it and start")
    return block


def as_batch(segment: Segment, block: bytes, now: float) -> Batch:
    """The rows of a segment as a batch for a sink: the same bytes, `_id` and time as at first."""
    rows = block.split(b"\n")[:-1]
    known = [_identity(row, place, segment) for place, row in enumerate(rows)]
    return Batch(
        lines=[],
        offsets=[offset for _, offset, _ in known],
        spans=_spans([file_id for file_id, _, _ in known]),
        clock=now,
        times=[time for _, _, time in known],
        out=rows,
        stream=FROM[segment.stream],
    )


def _identity(row: bytes, place: int, segment: Segment) -> tuple[str, int, str]:
    """File id, offset, `@timestamp`; made up for a row that does not tell, which the sink may refuse."""
    try:
        doc = orjson.loads(row)
        file_id, _, offset = doc["event.id"].rpartition("-")
        return file_id, int(offset), str(doc["@timestamp"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"spool{segment.number}", place, segment.first


def _spans(file_ids: list[str]) -> list[Span]:
    spans: list[Span] = []
    for row, file_id in enumerate(file_ids):
        if spans and spans[-1].origin.file_id == file_id:
            spans[-1] = Span(spans[-1].start, row + 1, spans[-1].origin)
        else:
            spans.append(Span(row, row + 1, Origin(file_id, "", "", "UTC")))
    return spans
