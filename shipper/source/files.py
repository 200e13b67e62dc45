"""Whole files or standard input, read once from beginning to end: for `preview`, `scan`, rule tests. No positions."""

import sys
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO

from shipper.errors import ShipperError
from shipper.model import Batch, Origin, Progress, Span
from shipper.source.lines import CONTINUED, Cut, cut_lines

STDIN = "-"


def read_file(
    path: str,
    clock: float,
    *,
    dataset: str = "backend",
    timezone: str = "UTC",
    block: int = 1 << 18,
    limit: int = 1 << 20,
) -> Iterator[Batch]:
    """The lines of a file (`-`: standard input) in batches of about `block` bytes; the last one is `final`.

    A last line without its newline counts. Raises `ShipperError` when the file cannot be read.
    """
    origin = Origin(blake2b(path.encode(), digest_size=16).hexdigest(), path, dataset, timezone)
    try:
        with _open(path) as file:
            yield from _batches(file, origin, clock, block, limit)
    except OSError as error:
        raise ShipperError(
            f"{path}: cannot be read ({error.strerror}); name a file, or - for standard input"
        ) from error


def _open(path: str) -> BinaryIO:
    return sys.stdin.buffer if path == STDIN else Path(path).open("rb")


def _batches(file: BinaryIO, origin: Origin, clock: float, block: int, limit: int) -> Iterator[Batch]:
    rest, start, continues = b"", 0, False
    while data := file.read(block):
        cut = cut_lines(rest + data, start, limit, continues)
        rest, start, continues = (rest + data)[cut.rest - start :], cut.rest, cut.continues
        if cut.lines:
            yield _batch(cut, origin, clock)
    last = Cut([rest], [start], {0: CONTINUED} if continues else {}, start, False)
    if rest:
        yield _batch(last, origin, clock)
    yield Batch([], [], [], clock, {origin.file_id: Progress(origin.file_id, start, start, "")}, final=True)


def _batch(cut: Cut, origin: Origin, clock: float) -> Batch:
    progress = Progress(origin.file_id, cut.rest, cut.rest, "", path=origin.path, family=origin.path)
    span = Span(0, len(cut.lines), origin)
    return Batch(cut.lines, cut.offsets, [span], clock, {origin.file_id: progress}, odd=cut.odd)
