"""One line or mapping → the record that the pipeline would store: for rules' own tests and other small questions."""

from collections.abc import Sequence
from typing import Any

import orjson

from shipper.clock import SystemClock
from shipper.decode.stage import Decode
from shipper.enrich.stage import Enrich
from shipper.errors import UsageError
from shipper.model import Batch, Doc, Origin, Span

ORIGIN = Origin("sample", "sample.log", "backend", "UTC")


class Sampler:
    """Decodes and enriches with nothing around it: no file, no state."""

    def __init__(self, clock: float | None = None) -> None:
        """`clock` in seconds since the epoch: when the lines are read; None: now."""
        self._clock = SystemClock().now() if clock is None else clock

    def batch(self, given: Sequence[Any]) -> Batch:
        """Raw lines (text, several lines where they make one record) or original fields (mappings), enriched."""
        lines = [line for one in given for line in _lines(one)]
        batch = Batch(lines, _offsets(lines), [Span(0, len(lines), ORIGIN)], self._clock, final=True)
        return Enrich()(Decode()(batch))

    def record(self, given: Any) -> Doc:
        """The record of one line or mapping. Raises `UsageError` when it makes none, or several."""
        batch = self.batch([given])
        if len(batch) != 1:
            raise UsageError(f"an example is one record, this makes {len(batch)}: {str(given)[:80]!r}")
        return batch.record(0)


def _lines(given: Any) -> list[bytes]:
    if isinstance(given, str):
        return given.encode("utf-8", "surrogateescape").split(b"\n")
    return [orjson.dumps(given, default=str)]


def _offsets(lines: Sequence[bytes]) -> list[int]:
    offsets, at = [], 0
    for line in lines:
        offsets.append(at)
        at += len(line) + 1
    return offsets
