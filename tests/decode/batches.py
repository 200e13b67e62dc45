"""Batches as the tail source makes them, for the tests of decode and enrich."""

from collections.abc import Iterable

from shipper.model import Batch, Origin, Progress, Span

CLOCK = 1_795_428_000.0  # 2026-11-23T10:00:00Z
FILE = "f" * 32
ORIGIN = Origin(FILE, "/var/log/supervisor/backend.out.log", "backend", "UTC")


def batch_of(
    lines: Iterable[bytes],
    *,
    offset: int = 0,
    clock: float = CLOCK,
    final: bool = True,
    origin: Origin = ORIGIN,
    done: bool = False,
) -> Batch:
    """Lines of one file that start at `offset`."""
    lines = list(lines)
    offsets, at = [], offset
    for line in lines:
        offsets.append(at)
        at += len(line) + 1
    spans = [Span(0, len(lines), origin)] if lines else []
    progress = {origin.file_id: Progress(origin.file_id, at, at, "", done=done)}
    return Batch(lines, offsets, spans, clock, progress, final)


def tick(clock: float) -> Batch:
    """What the source yields while nothing happens."""
    return Batch([], [], [], clock)
