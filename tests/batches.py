"""Batches as the stages hand them to the sinks, for tests."""

from shipper.model import Batch, Origin, Progress, Span

FILE_ID = "f" * 32


def finished(*rows: bytes, start: int = 0, time: str = "2026-11-20T10:00:00Z", file_id: str = FILE_ID) -> Batch:
    """A batch of rows that are ready to leave, from one file, ten bytes each on the way in."""
    offsets = [start + 10 * row for row in range(len(rows))]
    end = start + 10 * len(rows)
    origin = Origin(file_id, "/var/log/backend.out.log", "backend", "UTC")
    return Batch(
        lines=list(rows),
        offsets=offsets,
        spans=[Span(0, len(rows), origin)] if rows else [],
        clock=1_700_000_000.0,
        progress={file_id: Progress(file_id, end, end, "", path=origin.path, family=origin.path)},
        times=[time] * len(rows),
        out=list(rows),
    )
