"""Several finished batches as one, for sinks that like to be given many rows at once. Pure."""

from collections.abc import Sequence

from shipper.model import Batch, Gather, Sink, Span

COLUMNS = ("lines", "offsets", "docs", "times", "added", "out")


def limits_of(sinks: Sequence[Sink]) -> Gather | None:
    """The smallest of every limit that the sinks have; None when none of them gathers."""
    asked = [sink.gather for sink in sinks if sink.gather is not None]
    return Gather(*map(min, zip(*asked, strict=True))) if asked else None


def joinable(first: Batch, more: Batch) -> bool:
    """Whether `more` may share a batch with `first`. One with an intent may not: its rows are cut again after a crash
    as they were cut then, and nothing else is."""
    return first.stream == more.stream and not (first.clocked or more.clocked)


def weight(batch: Batch) -> tuple[int, int]:
    """Rows, and bytes of `out`."""
    return len(batch), sum(map(len, batch.out))


def join(parts: Sequence[Batch]) -> Batch:
    """One batch with the rows of all parts, in order; committing it is committing them in turn.

    They are finished: stages are behind them, so findings and what only stages need are left out. Files that one part
    forgets are in no later one.
    """
    if len(parts) == 1:
        return parts[0]
    whole = Batch([], [], [], parts[0].clock, stream=parts[0].stream)
    for part in parts:
        _append(whole, part)
    return whole


def _append(whole: Batch, part: Batch) -> None:
    first = len(whole)
    for span in part.spans:
        _append_span(whole.spans, Span(span.start + first, span.stop + first, span.origin))
    for name in COLUMNS:
        getattr(whole, name).extend(getattr(part, name))
    whole.odd.update({row + first: why for row, why in part.odd.items()})
    whole.stitched.update({row + first: ranges for row, ranges in part.stitched.items()})
    whole.untimed.update(row + first for row in part.untimed)
    whole.progress.update(part.progress)
    whole.alerts += part.alerts
    whole.changes += part.changes
    whole.final = part.final


def _append_span(spans: list[Span], new: Span) -> None:
    if spans and spans[-1].origin == new.origin:
        new = Span(spans.pop().start, new.stop, new.origin)
    spans.append(new)
